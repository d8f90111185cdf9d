"""Stands in for the Celery workers while Redis cannot wake them: away, hung, out of memory or read-only.

It tries every second whether Redis can be written to, and does nothing else while it can. When it cannot, one thread
runs a drain per queue from the database and others do what beat asks for, without Celery, until Redis takes writes
again and a worker of each queue has been seen since.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from django.db import connections
from django.utils import timezone

from seg_console.delivery import cancelling, heartbeat, queue
from seg_console.delivery.database_board import DatabaseBoard
from seg_console.delivery.drain import STOP_S, Drain, new_event_loop
from seg_console.delivery.kinds import kinds
from seg_console.delivery.tasks import housekeeping
from seg_console.delivery.watchdog import watching

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
# One failure may be a restart of Redis, which is over in a moment.
MISSES: Final = 2
# As beat has them done.
SWEEP_EVERY_S: Final = 5.0
HOUSEKEEPING_EVERY_S: Final = 60.0
# How long messages in hand have when the process is to end, and how long it waits for that and the transaction after.
HURRY_S: Final = 4.0
END_S: Final = STOP_S + 1.0


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of Redis. `misses`: failures in a row; `back_since`: when it took a write again after `stands_in`
    had become true, with a zone."""

    misses: int = 0
    stands_in: bool = False
    back_since: datetime | None = None

    def missed(self) -> Watch:
        """Redis could not be written to."""
        return Watch(self.misses + 1, stands_in=self.stands_in or self.misses + 1 >= MISSES)

    def answered(self, now: datetime, signs: Iterable[datetime | None]) -> Watch:
        """Redis took a write. `signs`: when a worker of each queue was last seen; those from before tell nothing."""
        if not self.stands_in:
            return Watch()
        since = self.back_since or now
        workers_are_back = all(seen is not None and seen > since for seen in signs)
        return Watch() if workers_are_back else Watch(stands_in=True, back_since=since)


class StandIn:
    """The whole process. `now`: the time with a zone."""

    def __init__(self, *, now: Callable[[], datetime] = timezone.now) -> None:
        self._now = now
        self._queues = sorted({each.queue for each in kinds()})
        self._watch = Watch()
        self._duty: Duty | None = None
        self._past: list[Duty] = []

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; then messages in hand end and everything else is released."""
        while not stop.is_set():
            self._look()
            stop.wait(LOOK_EVERY_S)
        for duty in [*self._past, *([self._duty] if self._duty else [])]:
            duty.end()

    def _look(self) -> None:
        """Ask Redis, and take over or hand back. Waits for twice broker.TIMEOUT_S at most for each of two questions."""
        try:
            heartbeat.leave(heartbeat.STAND_IN, self._now())
            signs = heartbeat.last_seen(self._queues) if self._duty else []
        except heartbeat.Unanswered as error:
            self._watch = self._watch.missed()
            reason = str(error)
        else:
            self._watch = self._watch.answered(self._now(), signs)
            reason = ""
        if self._watch.stands_in and not self._duty:
            self._take_over(reason)
        elif self._duty and not self._watch.stands_in:
            self._hand_back(self._duty)

    def _take_over(self, reason: str) -> None:
        logger.warning(
            "Redis cannot be written to (%s): mail and copies are delivered from the database, more slowly",
            reason,
            extra={"action": "stand_in_began"},
        )
        self._duty = Duty(self._queues, now=self._now)

    def _hand_back(self, duty: Duty) -> None:
        duty.wind_up()
        self._past = [past for past in [*self._past, duty] if not past.has_ended]
        self._duty = None
        logger.warning("Redis and the workers are back: they deliver again", extra={"action": "stand_in_ended"})


class Duty:
    """One time of standing in; begins at once."""

    def __init__(self, queues: Sequence[str], *, now: Callable[[], datetime]) -> None:
        self._queues = queues
        self._now = now
        self._stop = threading.Event()
        self._loop = new_event_loop()
        self._drains: set[Drain] = set()
        # None of them keeps the process from ending.
        self._threads = [
            threading.Thread(target=work, name=f"stand-in-{name}", daemon=True)
            for name, work in (
                ("delivery", self._deliver),
                ("sweep", lambda: self._repeat(lambda: queue.tidy(now()), every_s=SWEEP_EVERY_S)),
                ("housekeeping", lambda: self._repeat(housekeeping, every_s=HOUSEKEEPING_EVERY_S)),
            )
        ]
        for thread in self._threads:
            thread.start()

    @property
    def has_ended(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def wind_up(self) -> None:
        """Let messages in hand end, however slow their servers are, and release the rest. Does not wait for that: a
        message broken off behind its final dot would be sent a second time."""
        self._stop.set()

    def end(self) -> None:
        """The same, and wait for it; not for long, because the process is to end."""
        self.wind_up()
        with suppress(RuntimeError):  # its loop has ended
            self._loop.call_soon_threadsafe(self._hurry)
        until = time.monotonic() + END_S
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))
        if not self.has_ended:
            logger.error("what stood in has not ended and is left alone", extra={"action": "stand_in_hangs"})

    def _hurry(self) -> None:
        for drain in self._drains:
            drain.hurry(HURRY_S)

    def _deliver(self) -> None:
        cancelling.run(self._serve_all(), loop_factory=lambda: self._loop)

    async def _serve_all(self) -> None:
        await asyncio.gather(*map(self._serve, self._queues))

    async def _serve(self, queue_name: str) -> None:
        """One drain after another for this queue; a failure of one queue's is nothing to the other."""
        board = DatabaseBoard(queue_name, now=self._now)
        while not self._stop.is_set():
            try:
                if await board.waits():
                    drain = Drain(queue_name, stopping=self._stop.is_set, board=board, stop_s=math.inf)
                    self._drains.add(drain)
                    try:
                        with watching(partial(getattr, drain, "rounds")):
                            await drain.run()
                    finally:
                        self._drains.discard(drain)
            except Exception:
                logger.exception("a drain of %s failed", queue_name, extra={"action": "stand_in_failed"})
            await asyncio.sleep(LOOK_EVERY_S)
        await board.close()

    def _repeat(self, work: Callable[[], None], *, every_s: float) -> None:
        while not self._stop.wait(every_s):
            try:
                work()
            except Exception:
                name = threading.current_thread().name
                logger.exception("%s failed", name, extra={"action": "stand_in_failed"})
            connections.close_all()
