"""A database that is away: which errors tell of it, and one line a minute in the log instead of a traceback each."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

from django.db import InterfaceError, OperationalError

# When a browser, or a program, may try again.
RETRY_S: Final = 10
LINE_EVERY_S: Final = 60.0


def is_outage(error: BaseException | None) -> bool:
    """Whether the database did not answer: away, locked, full, or its file gone. An error that came of one is one."""
    return any(isinstance(each, OperationalError | InterfaceError) for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


class OneLineAMinute(logging.Filter):
    """Of log lines for requests that failed for an outage; others pass. `clock`: seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._next = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not is_outage(error):
            return True
        with self._lock:
            now = self._clock()
            if now < self._next:
                return False
            self._next = now + LINE_EVERY_S
        record.msg = "the database does not answer, pages are answered 503: %s"
        record.args = (" ".join(str(error).split()),)
        record.exc_info = record.exc_text = None
        return True
