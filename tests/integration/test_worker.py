"""A real Celery worker and beat: what is accepted is delivered, and a worker told to stop ends soon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from redis import Redis

from seg_console.delivery import heartbeat
from seg_console.delivery.models import Delivery
from tests.support.deliveries import INTAKE, accept, configure, route
from tests.support.programs import database_url
from tests.support.smtp_remote import authority, smtp_remote

pytestmark = pytest.mark.django_db(transaction=True)


def test_workers_deliver_original_and_copy_and_stop_when_told(redis: Redis, tmp_path: Path) -> None:
    with ExitStack() as servers:
        mailbox = servers.enter_context(smtp_remote())
        intake = servers.enter_context(smtp_remote(tls=authority().server(tmp_path, "intake.example")))
        configure(
            smtp_routes=[route("corp.example", mailbox.port), route("intake.example", intake.port)],
            threat_defense_connector={"ca_certificates": authority().pem},
        )
        ordinary = servers.enter_context(celery("worker", "-Q", "delivery", "-n", "delivery@%h", "-c", "2"))
        tdc = servers.enter_context(celery("worker", "-Q", "tdc", "-n", "tdc@%h", "-c", "1"))
        for _ in range(3):
            accept(intake=INTAKE)
        _wait_for(lambda: Delivery.objects.filter(state="delivered").count() == 6)
        for worker in (ordinary, tdc):
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(15) == 0
    assert (len(mailbox.taken), len(intake.taken)) == (3, 3)


def test_beat_finds_work_of_which_nobody_was_told(redis: Redis) -> None:
    with smtp_remote() as remote, ExitStack() as programs:
        configure(smtp_routes=[route("corp.example", remote.port)])
        accept()
        redis.flushall()
        programs.enter_context(celery("worker", "-Q", "delivery", "-c", "1"))
        programs.enter_context(celery("beat"))
        _wait_for(lambda: Delivery.objects.get().state == "delivered")


def test_workers_of_both_queues_leave_a_sign_of_life_that_beat_asks_for(redis: Redis) -> None:
    with ExitStack() as programs:
        programs.enter_context(celery("beat"))
        programs.enter_context(celery("worker", "-Q", "delivery", "-n", "delivery@%h", "-c", "1"))
        _wait_for(lambda: heartbeat.last_seen(("delivery",)) != [None])
        # Nobody of the connector's has been there to leave one.
        assert heartbeat.last_seen(("tdc",)) == [None]
        programs.enter_context(celery("worker", "-Q", "tdc", "-n", "tdc@%h", "-c", "1"))
        _wait_for(lambda: heartbeat.last_seen(("tdc",)) != [None])


@contextmanager
def celery(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "celery", "-A", "seg_console", *arguments]
    environment = {**os.environ, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "seg_console.settings"}
    process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)


def _wait_for(reached: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < until, "not reached in time"
        time.sleep(0.1)
