"""Waking the workers for new work: soon and once, never for certain. The sweep finds whatever a lost nudge left.

Redis holds one flag per destination that some worker already knows of, and per Celery queue the list of destinations
that wait for a worker. A flag means: a drain runs or will run, and looks at the database once more after clearing it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial
from typing import Final, Protocol

from celery import Celery
from django.conf import settings
from django.db import transaction
from redis import Redis

from seg_console.delivery.broker import TIMEOUT_S, Breaker, Hint, client
from seg_console.delivery.kinds import Destination, kind

DRAIN: Final = "seg_console.delivery.tasks.drain"
# A worker that dies leaves its flags behind for no longer than this; one that lives renews them.
FLAG_S: Final = 30
# An unread wake-up is worth nothing once the sweep has been round several times.
EXPIRES_S: Final = 60

_breaker = Breaker()


def nudge(destinations: Iterable[Destination]) -> None:
    """On commit (at once outside a transaction), wake a worker for each destination that none knows of yet.

    Never raises and never waits long: a lost or slow Redis costs the caller a fraction of a second now and then.
    """
    known = frozenset(destinations)
    if known:
        transaction.on_commit(partial(_wake, known), robust=True)


def _wake(destinations: frozenset[Destination]) -> None:
    _breaker.ask(partial(_send, sorted(destinations)), None)


def _send(destinations: list[Destination]) -> None:
    for queue in _announce(_redis(), destinations):
        _publisher().send_task(DRAIN, args=(queue,), queue=queue, retry=False, expires=EXPIRES_S)


def _announce(redis: Redis, destinations: list[Destination]) -> list[str]:
    """Flag and list what is new. Returns the Celery queues that need a wake-up."""
    flags = redis.pipeline(transaction=False)
    for destination in destinations:
        flags.set(_flag(destination), 1, nx=True, ex=FLAG_S)
    fresh = [each for each, new in zip(destinations, flags.execute(), strict=True) if new]
    if not fresh:
        return []
    lists = redis.pipeline(transaction=False)
    for destination in fresh:
        lists.rpush(_list(kind(destination.kind).queue), "\0".join(destination))
    lists.execute()
    return sorted({kind(each.kind).queue for each in fresh})


def pass_on(queue: str) -> None:
    """Wake a worker of this queue for what still waits for one, after a drain that others had left to go on alone."""
    _breaker.ask(partial(_send_if_any, queue), None)


def _send_if_any(queue: str) -> None:
    if _redis().llen(_list(queue)):
        _publisher().send_task(DRAIN, args=(queue,), queue=queue, retry=False, expires=EXPIRES_S)


class Board(Protocol):
    """Where a drain learns what to work on. No method raises."""

    async def take(self, most: int) -> list[Destination]:
        """At most `most` destinations that wait for a worker; nobody else gets them meanwhile."""

    async def keep(self, destinations: Iterable[Destination], *, seconds: int = FLAG_S) -> None:
        """Say that these are being worked on, or rest, for that long."""

    async def clear(self, destinations: Iterable[Destination]) -> None:
        """These are worked on no longer. Look at the database once more after this."""

    async def close(self) -> None: ...


class Noticeboard:
    """The board in Redis: take what is announced, keep the flags of what is worked on, clear them at the end.

    Without Redis nothing is announced and nothing need be cleared.
    """

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._hint = Hint()

    async def take(self, most: int) -> list[Destination]:
        """Destinations that wait for a worker; nobody else gets them."""
        return await self._hint.ask(partial(self._take, most), []) if most > 0 else []

    async def _take(self, most: int) -> list[Destination]:
        found = await self._hint.redis.lpop(_list(self._queue), most)
        if not isinstance(found, list):
            return []
        return [Destination(*_text(each).split("\0", 1)) for each in dict.fromkeys(found)]

    async def keep(self, destinations: Iterable[Destination], *, seconds: int = FLAG_S) -> None:
        """Say that these are being worked on."""
        pipeline = self._hint.redis.pipeline(transaction=False)
        for destination in destinations:
            pipeline.set(_flag(destination), 1, ex=seconds)
        await self._hint.ask(pipeline.execute, [])

    async def clear(self, destinations: Iterable[Destination]) -> None:
        """Let the next new delivery wake a worker again. Look at the database once more after this."""
        pipeline = self._hint.redis.pipeline(transaction=False)
        for destination in destinations:
            pipeline.delete(_flag(destination))
        await self._hint.ask(pipeline.execute, [])

    async def close(self) -> None:
        await self._hint.close()


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _flag(destination: Destination) -> str:
    return f"seg:nudged:{destination.kind}:{destination.domain}"


def _list(queue: str) -> str:
    return f"seg:destinations:{queue}"


@cache
def _redis() -> Redis:
    return client()


@cache
def _publisher() -> Celery:
    """Publishes only: whoever accepts mail need not load the workers' app."""
    return Celery(
        "seg_console",
        broker=settings.SEG_REDIS_URL.replace("unix://", "redis+socket://", 1),
        set_as_current=False,
        broker_transport_options={"socket_timeout": TIMEOUT_S * 4, "socket_connect_timeout": TIMEOUT_S},
        broker_connection_retry=False,
        task_ignore_result=True,
    )
