"""The one thread of a listener that speaks to the database.

Sessions hand it what they finished; it takes whatever is waiting, stores it as one batch in one transaction, and lets
the sessions answer. It never waits to fill a batch: under load the next one gathers while this one commits. Large
messages wait beside the others and join each batch a few at a time.
"""

from __future__ import annotations

import errno
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connection

from seg_console.gateway.accept import Happening
from seg_console.gateway.arrival import Abandoned, Arrival, TurnedAway

logger = logging.getLogger(__name__)

# Bounds on one transaction, so that a flood neither delays the first answer nor fills the memory.
BATCH_ITEMS = 200
BATCH_BYTES = 32 * 1024 * 1024
# Of large messages, those that stand in files, so much goes with a batch, and one at least: many that end together
# then delay a small one by one batch, not by all of theirs.
LARGE_BYTES = 8 * 1024 * 1024
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


class _Mark(Enum):
    """What stands in the queue besides what is to be stored."""

    LARGE = "one of the large ones is due"
    WAKE = "look at once"


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
        self._waiting: queue.SimpleQueue[_Item | _Mark] = queue.SimpleQueue()
        # Large messages, and what was seen after them of the same connections. For each a mark stands among the others:
        # what was seen before it is stored before it, or with it.
        self._large: deque[_Item] = deque()
        self._large_due = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="writer")

    def start(self) -> None:
        self._thread.start()

    def submit(self, happening: Happening, answered: Callable[[Answer], None] | None = None) -> None:
        """Have it stored; `answered` is then called in the event loop. Never blocks."""
        item = _Item(happening, answered)
        if _is_large(happening) or self._is_behind_a_large_one(happening):
            self._large.append(item)
            self._waiting.put(_Mark.LARGE)
        else:
            self._waiting.put(item)

    def _is_behind_a_large_one(self, happening: Happening) -> bool:
        """Whether a large message of the same connection waits, so that this must wait too to keep their order."""
        if not self._large:
            return False
        icid = _icid(happening)
        # A copy: the writer's thread takes from it meanwhile.
        return icid is not None and any(_icid(item.happening) == icid for item in self._large.copy())

    def stop(self) -> None:
        """Store what is waiting, then end. Returns when that is done."""
        self._stopping = True
        self._waiting.put(_Mark.WAKE)
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._once():
                pass
        finally:
            connection.close()

    def _once(self) -> bool:
        """One tick and at most one batch; False when told to stop and nothing waits any more."""
        self._safely_tick()
        # What was submitted before the stop stands in the queue by now.
        stopping = self._stopping
        batch = self._gather()
        if batch:
            self._write(batch)
        return bool(batch) or not stopping

    def _safely_tick(self) -> None:
        try:
            self._tick()
        except DatabaseError:
            # The last good configuration and the numbers at hand still serve.
            logger.exception("database not reachable", extra={"action": "listener_tick_failed"})
            close_old_connections()

    def _gather(self) -> list[_Item]:
        """What waits now, within the bounds; waits itself for the first of them, for TICK_S at most."""
        batch: list[_Item] = []
        size = 0
        try:
            found = self._waiting.get(timeout=TICK_S)
            while True:
                if isinstance(found, _Item):
                    batch.append(found)
                    size += _size(found)
                self._large_due += found is _Mark.LARGE
                if len(batch) >= BATCH_ITEMS or size >= BATCH_BYTES:
                    break
                found = self._waiting.get_nowait()
        except queue.Empty:
            pass
        return batch + self._gather_large()

    def _gather_large(self) -> list[_Item]:
        """Some of those that are due. Whatever is of a connection after one of them came behind it or comes later."""
        batch: list[_Item] = []
        size = 0
        while self._large_due and size < LARGE_BYTES:
            batch.append(self._large.popleft())
            self._large_due -= 1
            size += _size(batch[-1])
        if self._large_due:
            self._waiting.put(_Mark.WAKE)
        return batch

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


def _size(item: _Item) -> int:
    return item.happening.message.spool.size if isinstance(item.happening, Arrival) else 0


def _is_large(happening: Happening) -> bool:
    return isinstance(happening, Arrival) and happening.message.spool.is_large


def _icid(happening: Happening) -> int | None:
    """The connection on which it happened, None where it was on none."""
    if isinstance(happening, Arrival | Abandoned | TurnedAway):
        return happening.peer.icid
    return getattr(happening, "icid", None)


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
