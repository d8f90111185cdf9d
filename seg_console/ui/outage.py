"""A database that is away: which errors tell of it, and one line a minute in the log instead of a traceback each."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

from django.db import InterfaceError, OperationalError

from seg_console.quiet import OnceAMinute

# When a browser, or a program, may try again.
RETRY_S: Final = 10


def is_outage(error: BaseException | None) -> bool:
    """Whether the database did not answer: away, locked, full, or its file gone. An error that came of one is one."""
    return any(isinstance(each, OperationalError | InterfaceError) for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


class OneLineAMinute(OnceAMinute):
    """Of log lines for requests that failed for an outage; others pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not is_outage(error):
            return True
        record.msg = "the database does not answer, pages are answered 503: %s"
        record.args = (" ".join(str(error).split()),)
        record.exc_info = record.exc_text = None
        return super().filter(record)
