"""MIDs, ICIDs and DCIDs: three counters that only rise and survive a restart (mail-logs 2).

Handed out in blocks, so that the database is asked once for many. A process that ends leaves the rest of its block
unused; numbers have gaps but are never given twice.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from django.db import transaction

from seg_console.mail.models import Sequence

Name = Literal["MID", "ICID", "DCID"]


def take(name: Name, count: int) -> range:
    """`count` numbers nobody else has. Inside a transaction that rolls back, they go back with it."""
    with transaction.atomic():
        if not Sequence.objects.filter(name=name).exists():
            # The first ever: of two processes one creates the row, and both then wait for it in turn.
            Sequence.objects.bulk_create([Sequence(name=name)], ignore_conflicts=True)
        sequence = Sequence.objects.select_for_update().get(name=name)
        first = sequence.next
        sequence.next = first + count
        sequence.save(update_fields=["next"])
    return range(first, first + count)


def latest() -> dict[str, int]:
    """The highest number handed out of each counter, 0 if none was."""
    return {name: following - 1 for name, following in Sequence.objects.values_list("name", "next")}


class Pool:
    """Numbers held ready in this process, for callers that must not wait for the database.

    `next` never blocks; whoever owns the database thread calls `refill` when `low`.
    """

    def __init__(self, name: Name, *, block: int) -> None:
        self._name: Name = name
        self._block = block
        self._numbers: deque[int] = deque()

    @property
    def low(self) -> bool:
        return len(self._numbers) * 2 < self._block

    def next(self) -> int | None:
        """A fresh number, or None when the database could not keep up."""
        try:
            return self._numbers.popleft()
        except IndexError:
            return None

    def refill(self) -> None:
        """Bring the pool up to a whole block. Raises DatabaseError, and is then as it was."""
        missing = self._block - len(self._numbers)
        if missing > 0:
            self._numbers.extend(take(self._name, missing))
