"""Where each listener process listens, as it says itself every few seconds in Redis.

Like everything in Redis it is a hint: without it mail comes in, and only the pages that show it know less.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from seg_console.delivery.broker import Breaker, client
from seg_console.delivery.heartbeat import Unanswered
from seg_console.gateway.place import Place, Reason, Trouble

TELL_EVERY: Final = timedelta(seconds=5)
# A process that has said nothing for so long has ended, or hangs.
LATE_AFTER: Final = timedelta(seconds=15)
# Words of processes that were killed are kept so long, to tell when the last one was seen.
_KEPT: Final = timedelta(days=1)
_KEY: Final = "seg:listeners"
_breaker = Breaker()


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What one listener process says of itself. `at` has a zone; `trouble` is why it is not where it should be;
    `health_checks`: connections without mail of the addresses named for that, since it started."""

    at: datetime
    place: Place
    trouble: Trouble | None = None
    health_checks: int = 0


def this_process() -> str:
    """The name under which it tells: containers may share a process number, never a host name."""
    return f"{socket.gethostname()}:{os.getpid()}"


def tell(name: str, where: Whereabouts) -> None:
    """Say where the process `name` listens. Never raises; blocks for twice broker.TIMEOUT_S at most."""
    _breaker.ask(partial(_tell, name, where), None)


def _tell(name: str, where: Whereabouts) -> None:
    with client() as redis:
        redis.hset(_KEY, name, json.dumps(asdict(where) | {"at": where.at.timestamp()}))
        _forget_old(redis, where.at)


def leave(name: str) -> None:
    """The process `name` ends. Never raises."""
    _breaker.ask(partial(_leave, name), None)


def _leave(name: str) -> None:
    with client() as redis:
        redis.hdel(_KEY, name)


def told() -> list[Whereabouts]:
    """What each process said last, the latest first. Raises Unanswered."""
    try:
        with client() as redis:
            found: Any = redis.hvals(_KEY)
    except (RedisError, OSError) as error:
        raise Unanswered from error
    return sorted(map(_read, found), key=lambda each: each.at, reverse=True)


def present(said: Iterable[Whereabouts], now: datetime) -> list[Whereabouts]:
    """Those whose process still runs."""
    return [each for each in said if now - each.at <= LATE_AFTER]


def _forget_old(redis: Redis, now: datetime) -> None:
    """Processes that were killed never leave, and each has a name of its own."""
    found: Any = redis.hgetall(_KEY)
    old = [name for name, text in found.items() if now - _read(text).at > _KEPT]
    if old:
        redis.hdel(_KEY, *old)


def _read(text: bytes) -> Whereabouts:
    values = json.loads(text)
    trouble = values["trouble"]
    return Whereabouts(
        at=datetime.fromtimestamp(values["at"], UTC),
        place=Place(**values["place"]),
        trouble=trouble and Trouble(Place(**trouble["committed"]), Reason(trouble["reason"]), trouble["detail"]),
        health_checks=values.get("health_checks", 0),
    )
