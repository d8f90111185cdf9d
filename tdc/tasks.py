"""The connector's doorway for Celery."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task
from django.utils import timezone

from seg_console.delivery import heartbeat
from tdc.kind import ConnectorKind
from tdc.test_connection import run

# Beyond WHOLE_S and what follows it: against a hang of ours.
LIMIT_S = 150


@shared_task(name=run.TASK, ignore_result=True, time_limit=LIMIT_S)
def test_connection(key: str, configuration: int | None) -> None:
    """Try the way to a message intake, and keep what was found."""
    run.run(UUID(key), configuration)


@shared_task(name="tdc.tasks.sign_of_life", ignore_result=True, time_limit=LIMIT_S)
def sign_of_life() -> None:
    """Leave the sign of life of the connector's workers; the sweep, which looks after all queues, is not theirs."""
    heartbeat.seen(ConnectorKind.queue, timezone.now())
