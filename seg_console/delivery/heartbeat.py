"""The sign of life of each kind of worker, in Redis: beat has asked for it, and such a worker has done it. The stand-in
worker leaves one by itself.

Like everything in Redis it is a hint: without it mail goes on, and only the page that shows it knows less.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from seg_console.delivery.broker import client

logger = logging.getLogger(__name__)

# The worker of no queue; see stand_in.py.
STAND_IN: Final = "stand-in"
_KEY: Final = "seg:seen"


class Unanswered(RuntimeError):
    """Redis does not answer, refuses, or answers nonsense."""


def seen(worker: str, at: datetime) -> None:
    """Leave the sign of a worker of the queue `worker`. `at` has a zone. Never raises; the next is seconds away."""
    try:
        leave(worker, at)
    except Unanswered as error:
        logger.warning("the sign of life could not be left: %s", error, extra={"action": "redis_unreachable"})


def leave(worker: str, at: datetime) -> None:
    """As `seen`, for those who want to know whether Redis can be written to. Raises Unanswered, with the reason."""
    try:
        with client() as redis:
            redis.hset(_KEY, worker, str(at.timestamp()))
    except Exception as error:  # an answer that nobody understands is none
        raise Unanswered(error) from error


def last_seen(workers: Sequence[str]) -> list[datetime | None]:
    """When a worker of each of these queues was last seen, in UTC; None if none was since Redis started. Waits no
    longer than broker.TIMEOUT_S for each of connecting and answering. Raises Unanswered."""
    try:
        with client() as redis:
            found: Any = redis.hmget(_KEY, list(workers))
        return [None if each is None else datetime.fromtimestamp(float(each), UTC) for each in found]
    except Exception as error:
        raise Unanswered(error) from error
