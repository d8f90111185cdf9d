"""The configuration that the mail system runs on: the newest committed set as frozen values.

Every process keeps the one it read last and looks at most every half second whether there is a newer one, so a commit
is live everywhere within a second, with no restart and no message between processes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from threading import Lock
from typing import Any, TypeVar, cast

from django.db import DatabaseError, connection

from seg_console.config.commits import ensure_initial
from seg_console.config.document import Document
from seg_console.config.models import CommittedSection, Configuration

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5

Value = TypeVar("Value")
Identity = tuple[int, int, datetime]


class NothingRead(RuntimeError):
    """This process has not read the configuration yet; call `current` once before `held`."""


class Running:
    """One committed set, frozen: its `number` and `document`, and the tables that the mail path builds from it."""

    def __init__(self, number: int, document: Document) -> None:
        self.number = number
        self.document = document
        self._built: dict[Callable[[Document], Any], Any] = {}
        self._lock = Lock()

    def value(self, builder: Callable[[Document], Value]) -> Value:
        """`builder(document)`, built once for this set: a module-level function that returns frozen values."""
        if builder not in self._built:
            with self._lock:
                if builder not in self._built:
                    self._built[builder] = builder(self.document)
        return cast(Value, self._built[builder])


def newest() -> Identity:
    """What tells the newest committed set from any other: key, number, time. One small query. Raises DatabaseError."""
    found = Configuration.objects.committed().values_list("pk", "number", "committed_at").first()
    if found is None:
        ensure_initial()
        return newest()
    return cast(Identity, found)


def read(identity: Identity) -> Running:
    """The frozen values of a committed set, in one query. Raises DatabaseError."""
    key, number, _at = identity
    found = list(CommittedSection.objects.filter(configuration=key).values_list("key", "text", "uids"))
    return Running(number, Document({name: text for name, text, _u in found}, {name: uids for name, _t, uids in found}))


class Keeper:
    """Holds the running configuration of a process. `clock` is monotonic and in seconds. Safe to share by threads."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        newest: Callable[[], Identity] = newest,
        read: Callable[[Identity], Running] = read,
    ) -> None:
        self._clock, self._newest, self._read = clock, newest, read
        self._lock = Lock()
        self._held: tuple[Identity, Running] | None = None
        self._look_at = float("-inf")
        self._failing = False

    def current(self) -> Running:
        """The running configuration, looked up again if the last look was half a second ago.

        While the database does not answer, the last one read goes on. Raises DatabaseError if none was ever read.
        """
        held = self._held
        if held and self._clock() < self._look_at:
            return held[1]
        # Whoever finds another thread looking goes on with what is there; only the very first look is waited for.
        if not self._lock.acquire(blocking=held is None):
            return self.held()
        try:
            return self._look()
        finally:
            self._lock.release()

    def held(self) -> Running:
        """The one read last, without looking at the database: for event loops, where another thread calls `current`.

        Raises NothingRead if none was read yet.
        """
        if self._held is None:
            raise NothingRead
        return self._held[1]

    def look_again(self) -> None:
        """Let the next call of `current` look at once."""
        self._look_at = float("-inf")

    def forget(self) -> None:
        """Hold nothing, as at the start of a process."""
        self._held = None
        self.look_again()

    def _look(self) -> Running:
        if self._held and self._clock() < self._look_at:
            return self._held[1]
        self._look_at = self._clock() + LOOK_EVERY_S
        try:
            identity = self._newest()
            if self._held is None or self._held[0] != identity:
                self._held = (identity, self._read(identity))
        except DatabaseError as error:
            self._go_on_without(error)
        else:
            self._failing = False
        assert self._held is not None
        return self._held[1]

    def _go_on_without(self, error: DatabaseError) -> None:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()  # so that the next look dials again
        if self._held is None:
            raise error
        if not self._failing:
            logger.warning("running on configuration %s: %s", self._held[1].number, error)
        self._failing = True


_keeper = Keeper()
look_again = _keeper.look_again
forget = _keeper.forget
_supposed: ContextVar[Running | None] = ContextVar("supposed", default=None)


def current() -> Running:
    """`Keeper.current` of this process, unless another set is supposed here."""
    return _supposed.get() or _keeper.current()


def held() -> Running:
    """`Keeper.held` of this process, unless another set is supposed here."""
    return _supposed.get() or _keeper.held()


@contextmanager
def supposing(configuration: Running) -> Iterator[None]:
    """Whatever asks for the running configuration inside gets this one: how Trace asks the mail path's own functions
    what they would do. Holds for this thread or task alone."""
    token = _supposed.set(configuration)
    try:
        yield
    finally:
        _supposed.reset(token)
