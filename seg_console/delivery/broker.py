"""Redis as a hint: short time-outs, and after a failure a pause in which nobody waits for it again."""

from __future__ import annotations

import logging
import time
from typing import Final

from django.conf import settings
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

logger = logging.getLogger(__name__)

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

    def failed(self, error: Exception) -> None:
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + QUIET_S
            logger.warning("going on without Redis: %s", error, extra={"action": "redis_unreachable"})
        self._until = time.monotonic() + PAUSE_S


def client() -> Redis:
    """A client for a thread."""
    return Redis.from_url(settings.SEG_REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)


def async_client() -> AsyncRedis:
    """A client for one event loop."""
    return AsyncRedis.from_url(settings.SEG_REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
