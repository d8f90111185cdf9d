"""Recipients per period to a destination, counted across processes in Redis: `Recipients` of Destination Controls.

Fixed windows: periods begin at whole multiples of their length since the epoch, so that every process knows the same
ones without asking. What a message takes is counted before it is sent and given back if it was not sent. A hint, not
a lock: without Redis mail goes on without the limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from seg_console.delivery.broker import Hint
from seg_console.delivery.kinds import Claimed, Destination, RecipientRate

# A message with more recipients than a whole window holds goes into an untouched one, and takes of the next ones too.
# Answers how many of the messages, in their order, may go, and how many recipients are left in this window.
_TAKE: Final = """
local prefix, window, most, period = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local used = tonumber(redis.call('GET', prefix .. window) or '0')
local granted = 0
for index = 4, #ARGV do
    local wanted = tonumber(ARGV[index])
    if used > 0 and used + wanted > most then break end
    local ahead = 0
    while wanted > 0 do
        local part = math.min(wanted, most)
        redis.call('INCRBY', prefix .. (window + ahead), part)
        redis.call('EXPIRE', prefix .. (window + ahead), period * (ahead + 2))
        if ahead == 0 then used = used + part end
        wanted = wanted - part
        ahead = ahead + 1
    end
    granted = granted + 1
end
return {granted, math.max(most - used, 0)}
"""
_GIVE_BACK: Final = """
local prefix, window, most = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
for index = 3, #ARGV do
    local rest, ahead = tonumber(ARGV[index]), 0
    while rest > 0 do
        local key = prefix .. (window + ahead)
        local part = math.min(rest, most, tonumber(redis.call('GET', key) or '0'))
        if part > 0 then redis.call('DECRBY', key, part) end
        rest = rest - math.min(rest, most)
        ahead = ahead + 1
    end
end
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """How many of the messages asked for may go now, and how many `recipients` more. `waits_s`: seconds until the
    next window."""

    messages: int
    recipients: int
    waits_s: float


@dataclass(frozen=True, slots=True)
class _Taken:
    destination: Destination
    rate: RecipientRate
    window: int
    recipients: int


class Allowance:
    """What one drain has taken. Used in one event loop. `clock`: seconds since the epoch, alike in all processes."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._hint = Hint()
        self._take = self._hint.redis.register_script(_TAKE)
        self._give_back = self._hint.redis.register_script(_GIVE_BACK)
        self._taken: dict[int, _Taken] = {}

    async def left(self, destination: Destination, rate: RecipientRate) -> Grant:
        """What the present window still holds; nothing is taken."""
        return await self.take(destination, rate, ())

    async def take(self, destination: Destination, rate: RecipientRate, claims: Sequence[Claimed]) -> Grant:
        """Ask for these messages in their order; the first that does not fit stops those behind it too."""
        now = self._clock()
        window = int(now // rate.period_s)
        waits_s = (window + 1) * rate.period_s - now
        wanted = [len(each.recipients) for each in claims]
        question = partial(self._granted, _prefix(destination, rate), window, rate, wanted)
        answer = await self._hint.ask(question, None)
        if answer is None:
            return Grant(len(wanted), rate.recipients, waits_s)
        granted, recipients = answer
        for claimed in claims[:granted]:
            self._taken[claimed.id] = _Taken(destination, rate, window, len(claimed.recipients))
        return Grant(granted, recipients, waits_s)

    async def _granted(self, prefix: str, window: int, rate: RecipientRate, wanted: Sequence[int]) -> tuple[int, int]:
        granted, recipients = await self._take(keys=[prefix], args=[window, rate.recipients, rate.period_s, *wanted])
        return int(granted), int(recipients)

    async def settle(self, sent: Iterable[int], unsent: Iterable[int]) -> None:
        """Forget what went out, and give back what did not; ids of deliveries, those without a limit among them."""
        for key in sent:
            self._taken.pop(key, None)
        back: dict[tuple[Destination, RecipientRate, int], list[int]] = {}
        for key in unsent:
            taken = self._taken.pop(key, None)
            if taken:
                back.setdefault((taken.destination, taken.rate, taken.window), []).append(taken.recipients)
        for (destination, rate, window), counts in back.items():
            question = partial(
                self._give_back, keys=[_prefix(destination, rate)], args=[window, rate.recipients, *counts]
            )
            await self._hint.ask(question, None)

    async def close(self) -> None:
        """What was broken off in the middle counts as sent: nobody knows."""
        await self._hint.close()


def _prefix(destination: Destination, rate: RecipientRate) -> str:
    """Windows of another length are others."""
    return f"seg:recipients:{destination.kind}:{destination.domain}:{rate.period_s}:"
