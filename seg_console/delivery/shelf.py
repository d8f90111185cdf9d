"""What one destination has claimed and not begun: what is ready, when to look for more, how much room there is. Pure.

Times are seconds of one clock, that of the drain's loop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from seg_console.delivery.kinds import Claimed

# How often an empty queue is looked at.
LOOK_S: Final = 0.1
# Beyond this it makes no difference to the number of connections.
MOST_BACKLOG: Final = 100_000


class Shelf:
    """Messages in the order in which they are to begin."""

    def __init__(self) -> None:
        self._ready: deque[Claimed] = deque()
        self._backlog = 0
        self._dry_since: float | None = None
        self._look_at = 0.0
        self._room: int | None = None
        self._opens_at: float | None = None

    def __len__(self) -> int:
        return len(self._ready)

    def __iter__(self) -> Iterator[Claimed]:
        return iter(self._ready)

    @property
    def opens_at(self) -> float | None:
        """From when on more recipients may be sent to, None while nothing says that they may not."""
        return self._opens_at

    @property
    def waiting(self) -> int:
        """Messages here, and those that seem to be behind them in the queue."""
        return len(self._ready) + (min(self._backlog, MOST_BACKLOG) if self._ready else 0)

    def has_been_dry(self, seconds: float, now: float) -> bool:
        """Whether every look for so long has found no row to claim."""
        return self._dry_since is not None and now - self._dry_since >= seconds

    def room(self, wanted: int, *, connections: int, now: float, by_the_way: bool) -> int:
        """How many rows to claim now so that there are `wanted`, 0 for none.

        `by_the_way`: a transaction takes place anyway; for its own sake it is worth it only when the `connections` are
        about to run out of work.
        """
        if self._dry_since is not None and now < self._look_at:
            return 0
        if not by_the_way and len(self._ready) > connections // 4:
            return 0
        rows = max(wanted - len(self._ready), 0)
        # Every row has a recipient at least.
        return rows if self._room is None else min(rows, self._room)

    def found(self, rows: int, *, asked: int, now: float) -> None:
        """A look that asked for so many rows found these."""
        # Whether the queue goes on behind a full claim is not counted but tried: twice as much each time.
        self._backlog = max(2 * self._backlog, asked) if rows == asked else 0
        if rows:
            self._dry_since = None
        else:
            self._dry_since = self._dry_since if self._dry_since is not None else now
            self._look_at = now + LOOK_S

    def allow(self, recipients: int) -> None:
        """Claim no more rows than there may be recipients."""
        self._room = recipients

    def pause(self, opens_at: float, *, now: float) -> None:
        """Claim nothing more before `opens_at`; what is here is sent."""
        self._opens_at = self._look_at = opens_at
        self._backlog = 0
        self._dry_since = now

    def put(self, claimed: Iterable[Claimed]) -> None:
        self._ready.extend(claimed)

    def put_first(self, claimed: Claimed) -> None:
        """One that was begun and goes on."""
        self._ready.appendleft(claimed)

    def take(self) -> Claimed:
        """The next one. Raises IndexError when there is none."""
        return self._ready.popleft()

    def clear(self) -> list[Claimed]:
        """Everything, in order."""
        taken = list(self._ready)
        self._ready.clear()
        return taken
