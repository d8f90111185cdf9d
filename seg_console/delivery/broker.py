"""Redis as a hint: short time-outs, and after a failure a pause in which nobody waits for it again.

A Redis that hangs, refuses to write or answers what nobody understands is away like one that is not there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from django.conf import settings
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionBroken
from redis.exceptions import RedisError
from redis.retry import Retry

from seg_console.delivery import cancelling

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")

TIMEOUT_S: Final = 0.5
PAUSE_S: Final = 2.0
# The first failure is news, and then one a minute.
QUIET_S: Final = 60.0


class Breaker:
    """Open after a failure: for a while, callers go on without Redis instead of waiting for the time-out each."""

    def __init__(self) -> None:
        self._until = 0.0
        self._quiet_until = 0.0

    @property
    def open(self) -> bool:
        return time.monotonic() < self._until

    def ask(self, question: Callable[[], Answer], default: Answer) -> Answer:
        """The answer of Redis, or `default` without it. Never raises."""
        if self.open:
            return default
        try:
            return question()
        except Exception as error:
            self.failed(error)
            return default

    def failed(self, error: Exception) -> None:
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + QUIET_S
            # What is no trouble of Redis as it knows any was garbage, or a fault of ours that wants to be found.
            unexpected = None if isinstance(error, RedisError | OSError) else error
            extra = {"action": "redis_unreachable"}
            logger.warning("going on without Redis: %s", error, exc_info=unexpected, extra=extra)
        self._until = time.monotonic() + PAUSE_S


class Hint:
    """Redis for whoever works in an event loop, one loop at a time."""

    def __init__(self) -> None:
        # Its own time-out is asyncio.wait_for, which loses cancels on Python 3.11 (see cancelling.py).
        self.redis = AsyncRedis.from_url(
            settings.SEG_REDIS_URL,
            socket_timeout=None,
            socket_connect_timeout=None,
            retry=AsyncRetry(NoBackoff(), 1, supported_errors=(ConnectionBroken,)),
        )
        self._breaker = Breaker()

    async def ask(self, question: Callable[[], Awaitable[Answer]], default: Answer) -> Answer:
        """The answer of Redis, or `default` without it; within TIMEOUT_S. Never raises."""
        if self._breaker.open:
            return default
        try:
            return await cancelling.within(TIMEOUT_S, question())
        except Exception as error:
            self._breaker.failed(error)
            return default

    async def close(self) -> None:
        """Another loop may ask after this. Never raises."""
        try:
            await cancelling.within(TIMEOUT_S, self.redis.connection_pool.disconnect())
        except Exception as error:
            self._breaker.failed(error)


def client() -> Redis:
    """A client for a thread. A connection that broke meanwhile is replaced once."""
    return Redis.from_url(
        settings.SEG_REDIS_URL,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionBroken,)),
    )
