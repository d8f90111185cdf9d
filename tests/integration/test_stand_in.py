"""While Redis wakes nobody, mail and copies go out from the database alone."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from redis import Redis

from seg_console.delivery import heartbeat
from seg_console.delivery import nudge as nudging
from seg_console.delivery import stand_in as standing_in
from seg_console.delivery.broker import Breaker
from seg_console.delivery.database_board import LOOK_EVERY_S, DatabaseBoard
from seg_console.delivery.kinds import Destination
from seg_console.delivery.models import Delivery
from seg_console.delivery.stand_in import Duty
from seg_console.mail.models import Body, Message
from tests.support.deliveries import INTAKE, accept, configure, route
from tests.support.own_redis import OwnRedis, Trouble, own_redis
from tests.support.programs import database_url
from tests.support.running_system import wait_until
from tests.support.smtp_remote import authority, smtp_remote

pytestmark = pytest.mark.django_db(transaction=True)

ORDINARY, OTHER = Destination("ordinary", "corp.example"), Destination("ordinary", "other.example")


@pytest.fixture
def redis_in_trouble(monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnRedis]:
    """A Redis that the test may hurt, in place of the one that all share."""
    with own_redis() as redis:
        monkeypatch.setattr(settings, "SEG_REDIS_URL", redis.url)
        monkeypatch.setattr(nudging, "_breaker", Breaker())
        nudging._redis.cache_clear()
        nudging._publisher.cache_clear()
        yield redis
    nudging._redis.cache_clear()
    nudging._publisher.cache_clear()


@pytest.mark.parametrize("trouble", Trouble)
def test_originals_and_copies_go_out_while_redis_wakes_nobody(
    redis_in_trouble: OwnRedis, trouble: Trouble, tmp_path: Path
) -> None:
    with ExitStack() as servers:
        mailbox = servers.enter_context(smtp_remote())
        intake = servers.enter_context(smtp_remote(tls=authority().server(tmp_path, "intake.example")))
        configure(
            smtp_routes=[route("corp.example", mailbox.port), route("intake.example", intake.port)],
            threat_defense_connector={"ca_certificates": authority().pem},
        )
        log = tmp_path / "stand-in.log"
        with stand_in(redis_in_trouble, log) as process:
            wait_until(lambda: heartbeat.last_seen([heartbeat.STAND_IN]) != [None], what="it has begun", deadline_s=60)
            redis_in_trouble.begin(trouble)
            for _ in range(3):
                accept(intake=INTAKE)
            wait_until(partial(_are_delivered, 6), what=f"all delivered; {log.read_text()}", deadline_s=60)
            # What died with a worker is found too.
            with transaction.atomic():
                Delivery.objects.filter(message=accept()).update(
                    state="delivering", attempt=1, lease_until=timezone.now() - timedelta(seconds=1)
                )
            wait_until(partial(_are_delivered, 7), what=f"the lost one too; {log.read_text()}", deadline_s=60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
    assert (len(mailbox.taken), len(intake.taken)) == (4, 3)
    assert log.read_text().count("mail and copies are delivered from the database, more slowly") == 1


def test_an_answer_that_nobody_understands_is_none(redis: Redis) -> None:
    redis.set("seg:seen", "no table of signs")
    with pytest.raises(heartbeat.Unanswered):
        heartbeat.leave(heartbeat.STAND_IN, timezone.now())
    redis.delete("seg:seen")
    redis.hset("seg:seen", heartbeat.STAND_IN, "no time")
    with pytest.raises(heartbeat.Unanswered):
        heartbeat.last_seen([heartbeat.STAND_IN])


def test_it_goes_on_until_workers_of_both_queues_are_back(redis_in_trouble: OwnRedis, tmp_path: Path) -> None:
    log = tmp_path / "stand-in.log"
    with stand_in(redis_in_trouble, log):
        wait_until(lambda: heartbeat.last_seen([heartbeat.STAND_IN]) != [None], what="it has begun", deadline_s=60)
        redis_in_trouble.begin(Trouble.HUNG)
        wait_until(lambda: "delivered from the database" in log.read_text(), what="it stands in", deadline_s=60)
        redis_in_trouble.end(Trouble.HUNG)
        heartbeat.seen("delivery", timezone.now() + timedelta(minutes=1))
        before = heartbeat.last_seen([heartbeat.STAND_IN])
        wait_until(
            lambda: heartbeat.last_seen([heartbeat.STAND_IN]) != before, what="it has looked again", deadline_s=60
        )
        assert "they deliver again" not in log.read_text()
        heartbeat.seen("tdc", timezone.now() + timedelta(minutes=1))
        wait_until(lambda: "they deliver again" in log.read_text(), what="it hands back", deadline_s=60)
    assert log.read_text().count(" WARNING seg_console.delivery.stand_in: ") == 2


def test_housekeeping_is_done_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing_in, "HOUSEKEEPING_EVERY_S", 0.05)
    Message.objects.filter(mid=accept(original=False)).update(finished_at=timezone.now())
    duty = Duty([], now=timezone.now)
    try:
        wait_until(lambda: not Body.objects.exists(), what="the body that nobody needs is gone", deadline_s=20)
    finally:
        duty.end()


def test_the_board_holds_what_is_due_for_its_queue_and_gives_it_once() -> None:
    clock = 100.0
    accept(intake=INTAKE)
    accept(["carol@other.example"])
    accept(["dave@later.example"])
    Delivery.objects.filter(domain="later.example").update(due_at=timezone.now() + timedelta(hours=1))

    async def take() -> list[list[Destination]]:
        nonlocal clock
        board = DatabaseBoard("delivery", now=timezone.now, clock=lambda: clock)
        taken = [sorted(await board.take(10)), await board.take(10)]
        await board.clear([ORDINARY])
        # Nothing new has been read since: it may well have no work left.
        taken.append(await board.take(10))
        clock += LOOK_EVERY_S
        taken.append(await board.take(10))
        await board.close()
        return taken

    assert asyncio.run(take()) == [[ORDINARY, OTHER], [], [], [ORDINARY]]


def test_what_rests_is_left_alone_and_the_longest_unserved_comes_first() -> None:
    clock = 100.0
    accept()
    accept(["carol@other.example"])

    async def take() -> list[list[Destination]]:
        nonlocal clock
        board = DatabaseBoard("delivery", now=timezone.now, clock=lambda: clock)
        [first] = await board.take(1)
        [second] = await board.take(1)
        await board.keep([first], seconds=5)
        clock += 1
        await board.clear([second])
        clock += 1
        taken = [await board.take(10)]
        await board.keep([second], seconds=9)
        clock += 5
        taken.append(await board.take(10))
        await board.clear([first, second])
        await board.close()
        return [[first, second], *taken]

    both, *taken = asyncio.run(take())
    assert sorted(both) == [ORDINARY, OTHER]
    assert taken == [[both[1]], [both[0]]]


def _are_delivered(count: int) -> bool:
    return Delivery.objects.filter(state="delivered").count() == count


@contextmanager
def stand_in(redis: OwnRedis, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The real process; what it says goes to `log`."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "seg_console.settings",
        "REDIS_URL": redis.url,
    }
    command = [sys.executable, "manage.py", "stand_in"]
    with log.open("wb") as said:
        process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, stderr=said)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(20)
