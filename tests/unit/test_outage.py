"""Which errors tell of a database that is away, and what of them is logged."""

from __future__ import annotations

import logging
import sys

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError, ProgrammingError

from seg_console.quiet import QUIET_S
from seg_console.ui.outage import OneLineAMinute, is_outage


def record(error: Exception) -> logging.LogRecord:
    try:
        raise error
    except Exception:
        return logging.LogRecord("django.request", logging.ERROR, "", 0, "%s: /", ("Error",), sys.exc_info())


@pytest.mark.parametrize("error", [OperationalError("connection refused"), InterfaceError("connection is closed")])
def test_a_database_that_does_not_answer_is_an_outage_and_so_is_what_comes_of_it(error: Exception) -> None:
    later = RuntimeError("while handling it")
    later.__context__ = error
    assert is_outage(error)
    assert is_outage(later)


@pytest.mark.parametrize("error", [None, ValueError(), IntegrityError(), ProgrammingError()])
def test_a_fault_of_the_program_is_none(error: Exception | None) -> None:
    assert not is_outage(error)


def test_an_outage_is_one_line_a_minute_without_a_traceback() -> None:
    now = [1000.0]
    quiet = OneLineAMinute(clock=lambda: now[0])
    first = record(OperationalError("connection refused\n\tIs the server running?"))
    assert quiet.filter(first)
    assert first.getMessage() == (
        "the database does not answer, pages are answered 503: connection refused Is the server running?"
    )
    assert first.exc_info is None
    now[0] += QUIET_S - 1
    assert not quiet.filter(record(InterfaceError("closed")))
    now[0] += 1
    assert quiet.filter(record(InterfaceError("closed")))


def test_other_errors_are_logged_as_they_are() -> None:
    quiet = OneLineAMinute()
    records = [record(ValueError("fault")) for _ in range(2)]
    assert [quiet.filter(each) for each in records] == [True, True]
    assert all(each.exc_info for each in records)
