"""The sign of life that the sweep leaves in Redis: beat has asked for it, and a delivery worker has done it.

Like everything in Redis it is a hint: without it mail goes on, and only the page that shows it knows less.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Final

from redis.exceptions import RedisError

from seg_console.delivery.broker import client

logger = logging.getLogger(__name__)

_KEY: Final = "seg:swept"


class Unanswered(RuntimeError):
    """Redis does not answer."""


def swept(at: datetime) -> None:
    """Leave the sign. `at` has a zone. Never raises; the next sweep is seconds away."""
    try:
        with client() as redis:
            redis.set(_KEY, at.timestamp())
    except (RedisError, OSError) as error:
        logger.warning("the sweep could not be noted: %s", error, extra={"action": "redis_unreachable"})


def last_sweep() -> datetime | None:
    """When the last sweep ended, in UTC; None if none was since Redis started. Waits no longer than broker.TIMEOUT_S
    for each of connecting and answering. Raises Unanswered."""
    try:
        with client() as redis:
            found = redis.get(_KEY)
    except (RedisError, OSError) as error:
        raise Unanswered from error
    return datetime.fromtimestamp(float(str(found, "ascii")), UTC) if isinstance(found, bytes) else None
