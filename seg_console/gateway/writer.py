"""The one thread of a listener that speaks to the database.

Sessions hand it what they finished; it takes whatever is waiting, stores it as one batch in one transaction, and lets
the sessions answer. It never waits to fill a batch: under load the next one gathers while this one commits.
"""

from __future__ import annotations

import errno
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connection

from seg_console.gateway.accept import Happening
from seg_console.gateway.arrival import Arrival

logger = logging.getLogger(__name__)

# Bounds on one transaction, so that a flood neither delays the first answer nor fills the memory.
BATCH_ITEMS = 200
BATCH_BYTES = 32 * 1024 * 1024
# How long an idle writer sleeps before it looks after configuration and number pools again, seconds.
TICK_S = 0.25


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client is told after the final dot (RFC 5321 4.2.5)."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class _Item:
    happening: Happening
    answered: Callable[[Answer], None] | None


class Writer:
    """`store` writes a batch or raises, having written nothing; `tick` runs between batches, in this thread too.

    `post` hands a call to the listener's event loop.
    """

    def __init__(
        self,
        *,
        store: Callable[[Sequence[Happening]], None],
        tick: Callable[[], None],
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        self._store = store
        self._tick = tick
        self._post = post
        self._waiting: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer")

    def start(self) -> None:
        self._thread.start()

    def submit(self, happening: Happening, answered: Callable[[Answer], None] | None = None) -> None:
        """Have it stored; `answered` is then called in the event loop. Never blocks."""
        self._waiting.put(_Item(happening, answered))

    def stop(self) -> None:
        """Store what is waiting, then end. Returns when that is done."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._once():
                pass
        finally:
            connection.close()

    def _once(self) -> bool:
        """One tick and at most one batch; False when told to stop."""
        self._safely_tick()
        batch, more = self._gather()
        if batch:
            self._write(batch)
        return more

    def _safely_tick(self) -> None:
        try:
            self._tick()
        except DatabaseError:
            # The last good configuration and the numbers at hand still serve.
            logger.exception("database not reachable", extra={"action": "listener_tick_failed"})
            close_old_connections()

    def _gather(self) -> tuple[list[_Item], bool]:
        """What waits now, within the bounds; waits itself for the first of them."""
        batch: list[_Item] = []
        size = 0
        try:
            item = self._waiting.get(timeout=TICK_S)
            while item is not None:
                batch.append(item)
                size += len(item.happening.message.content) if isinstance(item.happening, Arrival) else 0
                if len(batch) >= BATCH_ITEMS or size >= BATCH_BYTES:
                    return batch, True
                item = self._waiting.get_nowait()
        except queue.Empty:
            return batch, True
        return batch, False

    def _write(self, batch: list[_Item]) -> None:
        try:
            self._store([item.happening for item in batch])
        except Exception as error:
            self._rescue(batch, error)
        else:
            self._answer([(item, accepted(item.happening)) for item in batch])

    def _rescue(self, batch: list[_Item], error: Exception) -> None:
        """The batch was rolled back. One bad message must not refuse the others, so each is tried by itself once;
        not when the database itself is in trouble, which would only make everybody wait for it in turn."""
        close_old_connections()
        if len(batch) == 1 or isinstance(error, (OperationalError, InterfaceError)):
            logger.error("not stored", exc_info=error, extra={"action": "accept_failed"})
            self._answer([(item, refused(error)) for item in batch])
            return
        for item in batch:
            self._write([item])

    def _answer(self, answers: list[tuple[_Item, Answer]]) -> None:
        wanted = [(item.answered, answer) for item, answer in answers if item.answered is not None]
        if wanted:
            self._post(lambda: _call_all(wanted))


def _call_all(answers: list[tuple[Callable[[Answer], None], Answer]]) -> None:
    for answered, answer in answers:
        answered(answer)


def accepted(happening: Happening) -> Answer:
    """The answer that takes responsibility. The two blanks are AsyncOS's."""
    mid = happening.message.envelope.mid if isinstance(happening, Arrival) else 0
    return Answer(250, f"ok:  Message {mid} accepted")


def refused(error: Exception) -> Answer:
    """Our own trouble is never a 5xx: the client keeps the message and comes back."""
    if _is_disk_full(error):
        return Answer(452, "4.3.1 Insufficient system storage, try again later")
    return Answer(451, "4.3.0 Message could not be stored, try again later")


def _is_disk_full(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    cause = error.__cause__
    if getattr(cause, "sqlstate", "") == "53100":  # PostgreSQL: disk_full
        return True
    return getattr(cause, "sqlite_errorname", "") == "SQLITE_FULL"
