"""The Celery app of the workers and of beat. The database is the queue of record: what the broker holds is only
wake-ups, so losing it loses nothing (docs/flow.md)."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "seg_console.settings")

from celery import Celery
from celery.signals import beat_init, worker_init, worker_shutting_down
from django.conf import settings

from seg_console import environment
from seg_console.delivery import descriptors, stopping

app = Celery("seg_console")
app.conf.update(
    broker_url=settings.SEG_REDIS_URL.replace("unix://", "redis+socket://", 1),
    # Redis may be away for any time, and refuse what it cannot take (out of memory, read-only): never a reason to end.
    broker_connection_retry=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,
    broker_transport_options={
        # An unacknowledged task comes back only after this; a drain that was lost is found by the sweep long before.
        "visibility_timeout": 4 * 3600,
        "socket_connect_timeout": 2,
        # Longer than a worker's blocking read of its queue, which Redis itself ends after a second.
        "socket_timeout": 5,
        "socket_keepalive": True,
        # With this a Redis that hangs is found in seconds, by the pings and by reads that are overdue.
        "health_check_interval": 5,
    },
    task_default_queue="delivery",
    task_create_missing_queues=True,
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_serializer="json",
    accept_content=["json"],
    timezone=settings.TIME_ZONE,
    enable_utc=True,
    # One task per child in hand: a drain that runs must not hold another one back.
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_send_task_events=False,
    worker_max_tasks_per_child=1000,
    # A task that was cut off is not repeated: its rows are freed by their leases, its destinations by the sweep.
    task_acks_late=False,
    beat_schedule_filename=str(settings.SEG_DATA_DIR / "run" / "beat-schedule"),
    beat_schedule={
        "sweep": {
            "task": "seg_console.delivery.tasks.sweep",
            "schedule": 5.0,
            "options": {"queue": "delivery", "expires": 5},
        },
        "sign of life": {
            "task": "tdc.tasks.sign_of_life",
            "schedule": 5.0,
            "options": {"queue": "tdc", "expires": 5},
        },
        "housekeeping": {
            "task": "seg_console.delivery.tasks.housekeeping",
            "schedule": 60.0,
            "options": {"queue": "delivery", "expires": 60},
        },
    },
    imports=("seg_console.delivery.tasks", "tdc.tasks"),
)


@beat_init.connect
@worker_init.connect
def _keep_files_private(**_: Any) -> None:
    """Before a worker has children, which inherit it."""
    environment.keep_files_private()


@worker_init.connect
def _watch_descriptors(**_: Any) -> None:
    """In the worker's main process, which alone talks to the broker."""
    descriptors.watch()


@worker_shutting_down.connect
def _ask_drains_to_stop(**_: Any) -> None:
    """Let drains finish what is in hand and release the rest, so that a restart takes seconds."""
    stopping.ask()
