"""Connections out, counted across processes in Redis: the limit of Destination Controls, and the live gauge of
Delivery Status. A hint, not a lock: without Redis every process goes on under its own count."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable
from functools import partial
from typing import Final

from seg_console.delivery.broker import Breaker, Hint, client
from seg_console.delivery.kinds import Destination

# A process that dies keeps its slots for no longer than this; one that lives renews them.
LEASE_S: Final = 30

# Forget slots whose holder is gone, then hand out as many as the limit allows. The answer is the number granted.
_TAKE: Final = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
local free = tonumber(ARGV[3]) - redis.call('ZCARD', KEYS[1])
local granted = 0
for index = 4, #ARGV do
    if granted >= free then break end
    redis.call('ZADD', KEYS[1], ARGV[2], ARGV[index])
    granted = granted + 1
end
redis.call('EXPIRE', KEYS[1], 3600)
return granted
"""


class Slots:
    """The slots that one drain holds. Used in one event loop."""

    def __init__(self) -> None:
        self._hint = Hint()
        self._take = self._hint.redis.register_script(_TAKE)
        self._held: dict[Destination, list[str]] = {}
        self._names = (f"{os.getpid()}.{time.monotonic_ns()}.{number}" for number in itertools.count())

    async def take(self, destination: Destination, wanted: int, *, most: int) -> int:
        """Ask for `wanted` more connections where all processes together may have `most`. Returns how many."""
        names = list(itertools.islice(self._names, wanted))
        granted = await self._hint.ask(partial(self._granted, destination, names, most), len(names))
        if granted:
            self._held.setdefault(destination, []).extend(names[:granted])
        return granted

    async def _granted(self, destination: Destination, names: list[str], most: int) -> int:
        now = time.time()
        granted = await self._take(keys=[_key(destination)], args=[now, now + LEASE_S, most, *names])
        return int(str(granted))

    async def give_back(self, destination: Destination, count: int) -> None:
        """Connections that were closed."""
        held = self._held.get(destination, [])
        names = [held.pop() for _ in range(min(count, len(held)))]
        if not held:
            self._held.pop(destination, None)
        if names:
            await self._hint.ask(partial(self._hint.redis.zrem, _key(destination), *names), 0)

    async def renew(self) -> None:
        """Put off the end of everything held."""
        until = time.time() + LEASE_S
        pipeline = self._hint.redis.pipeline(transaction=False)
        for destination, names in self._held.items():
            pipeline.zadd(_key(destination), dict.fromkeys(names, until))
        await self._hint.ask(pipeline.execute, [])

    async def close(self) -> None:
        """Give everything back."""
        for destination, names in list(self._held.items()):
            await self.give_back(destination, len(names))
        await self._hint.close()


_reading = Breaker()


def connections_out(destinations: Iterable[Destination]) -> dict[Destination, int]:
    """Connections open now to each destination, over all processes; zero where Redis cannot tell."""
    wanted = list(dict.fromkeys(destinations))
    unknown = dict.fromkeys(wanted, 0)
    return _reading.ask(partial(_counted, wanted), unknown) if wanted else unknown


def _counted(destinations: list[Destination]) -> dict[Destination, int]:
    with client() as redis:
        pipeline = redis.pipeline(transaction=False)
        for destination in destinations:
            pipeline.zcount(_key(destination), time.time(), "+inf")
        return dict(zip(destinations, map(int, pipeline.execute()), strict=True))


def _key(destination: Destination) -> str:
    return f"seg:connections:{destination.kind}:{destination.domain}"
