"""The board of a drain while Redis is away: what is due, read from the database itself."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

from django.db import DatabaseError, connections

from seg_console.delivery import queue
from seg_console.delivery.kinds import Destination, kind
from seg_console.delivery.nudge import FLAG_S

logger = logging.getLogger(__name__)

# A drain asks many times a second; the database is asked this often.
LOOK_EVERY_S: Final = 1.0


class DatabaseBoard:
    """The destinations of one Celery queue with work that is due. It outlives the drains that use it, so that what
    one of them lets rest is left alone by the next.

    `now`: the time with a zone; `clock`: monotonic seconds. Other workers know nothing of what is handed out here:
    claims in the database keep them apart.
    """

    def __init__(
        self, queue_name: str, *, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._queue = queue_name
        self._now, self._clock = now, clock
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="board-database")
        self._look_at = float("-inf")
        self._due: list[Destination] = []
        # Until when each is left alone; a time that is over says how long ago it had its turn.
        self._until: dict[Destination, float] = {}

    async def waits(self) -> bool:
        """Whether there is something to take."""
        await self._look()
        return bool(self._free())

    async def take(self, most: int) -> list[Destination]:
        await self._look()
        taken = self._free()[: max(most, 0)]
        self._leave_alone(taken, FLAG_S)
        return taken

    async def keep(self, destinations: Iterable[Destination], *, seconds: int = FLAG_S) -> None:
        self._leave_alone(destinations, seconds)

    async def clear(self, destinations: Iterable[Destination]) -> None:
        ended = set(destinations)
        self._leave_alone(ended, 0)
        # What was read before they ended says nothing of them now.
        self._due = [each for each in self._due if each not in ended]

    async def close(self) -> None:
        """End the connection; the next look opens another."""
        await asyncio.get_running_loop().run_in_executor(self._executor, connections.close_all)

    def _leave_alone(self, destinations: Iterable[Destination], seconds: float) -> None:
        self._until.update(dict.fromkeys(destinations, self._clock() + seconds))

    def _free(self) -> list[Destination]:
        """Those that nobody here works on, the one that waits longest first."""
        now = self._clock()
        free = [each for each in self._due if self._last(each) <= now]
        return sorted(free, key=self._last)

    def _last(self, destination: Destination) -> float:
        return self._until.get(destination, float("-inf"))

    async def _look(self) -> None:
        if self._clock() < self._look_at:
            return
        self._look_at = self._clock() + LOOK_EVERY_S
        self._due = await asyncio.get_running_loop().run_in_executor(self._executor, self._read)
        known, now = set(self._due), self._clock()
        self._until = {each: until for each, until in self._until.items() if until > now or each in known}

    def _read(self) -> list[Destination]:
        try:
            return [each for each in queue.due(self._now()) if kind(each.kind).queue == self._queue]
        except DatabaseError:
            logger.warning("what is due could not be read", exc_info=True, extra={"action": "database_retry"})
            connections.close_all()
            return []
