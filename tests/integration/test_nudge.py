"""Wake-ups: coalesced, on commit, and never in the way of accepting mail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from redis import Redis

from seg_console.delivery import nudge as nudging
from seg_console.delivery import queue, slots
from seg_console.delivery.broker import Breaker
from seg_console.delivery.drain import Drain
from seg_console.delivery.kinds import Destination
from seg_console.delivery.models import Delivery
from seg_console.delivery.nudge import Noticeboard, nudge
from seg_console.delivery.slots import Slots
from tests.support.deliveries import INTAKE, accept, configure, drain, route
from tests.support.smtp_remote import smtp_remote

pytestmark = pytest.mark.django_db(transaction=True)

ORDINARY = Destination("ordinary", "corp.example")
OTHER = Destination("ordinary", "other.example")
TDC = Destination("tdc", "intake.example")


@pytest.fixture
def no_redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody listens where Redis should be."""
    monkeypatch.setattr(settings, "SEG_REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(nudging, "_breaker", Breaker())
    monkeypatch.setattr(slots, "_reading", Breaker())
    nudging._redis.cache_clear()
    nudging._publisher.cache_clear()
    yield
    nudging._redis.cache_clear()
    nudging._publisher.cache_clear()


def wake_ups(redis: Redis, name: str) -> int:
    return int(str(redis.llen(name)))


def test_many_messages_for_one_destination_wake_one_worker(redis: Redis) -> None:
    for _ in range(5):
        accept()
    assert wake_ups(redis, "delivery") == 1
    assert wake_ups(redis, "tdc") == 0


def test_original_and_copy_wake_their_own_workers(redis: Redis) -> None:
    accept(intake=INTAKE)
    assert (wake_ups(redis, "delivery"), wake_ups(redis, "tdc")) == (1, 1)


def test_a_rolled_back_acceptance_wakes_nobody(redis: Redis) -> None:
    with transaction.atomic():
        accept()
        transaction.set_rollback(True)
    assert wake_ups(redis, "delivery") == 0


def test_a_worker_takes_what_is_announced_and_nobody_else_gets_it(redis: Redis) -> None:
    nudge([ORDINARY, OTHER, TDC])

    async def take() -> tuple[list[Destination], list[Destination]]:
        board = Noticeboard("delivery")
        try:
            return await board.take(10), await board.take(10)
        finally:
            await board.close()

    assert asyncio.run(take()) == ([ORDINARY, OTHER], [])


def test_after_a_drain_the_next_message_wakes_a_worker_again(redis: Redis) -> None:
    with smtp_remote() as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        accept()
        drain()
        redis.delete("delivery")
        accept()
        assert wake_ups(redis, "delivery") == 1


def test_what_was_announced_is_drained_without_being_told_again(redis: Redis) -> None:
    with smtp_remote() as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        accept()
        asyncio.run(_drain_announced())
    assert len(remote.taken) == 1


async def _drain_announced() -> None:
    await Drain("delivery").run()


def test_the_sweep_finds_what_a_lost_nudge_left(redis: Redis) -> None:
    accept()
    redis.flushall()
    queue.sweep(timezone.now())
    assert wake_ups(redis, "delivery") == 1


@pytest.mark.usefixtures("no_redis")
def test_without_redis_mail_is_accepted_at_once_and_still_delivered() -> None:
    with smtp_remote() as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        began = time.monotonic()
        for _ in range(20):
            accept()
        assert time.monotonic() - began < 5
        drain(ORDINARY)
    assert len(remote.taken) == 20
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    assert slots.connections_out([ORDINARY]) == {ORDINARY: 0}


def test_connection_slots_are_shared_by_all_processes_and_shown(redis: Redis) -> None:
    async def run() -> tuple[list[int], list[int]]:
        first, second = Slots(), Slots()
        granted = [await first.take(ORDINARY, 3, most=4), await second.take(ORDINARY, 3, most=4)]
        shown = [slots.connections_out([ORDINARY])[ORDINARY]]
        await first.give_back(ORDINARY, 2)
        shown.append(slots.connections_out([ORDINARY])[ORDINARY])
        granted.append(await second.take(ORDINARY, 3, most=4))
        await first.close()
        await second.close()
        shown.append(slots.connections_out([ORDINARY])[ORDINARY])
        return granted, shown

    assert asyncio.run(run()) == ([3, 1, 2], [4, 2, 0])


def test_slots_of_a_process_that_died_come_back(redis: Redis) -> None:
    redis.zadd("seg:connections:ordinary:corp.example", {"dead": time.time() - 1})

    async def run() -> int:
        live = Slots()
        granted = await live.take(ORDINARY, 1, most=1)
        await live.close()
        return granted

    assert asyncio.run(run()) == 1
