from __future__ import annotations

import logging
import sys

from django.conf import settings

from seg_console.logs import LONGEST_LINE, PlainLines


def record(sentence: str, *values: object) -> logging.LogRecord:
    return logging.LogRecord("seg", logging.ERROR, __file__, 1, sentence, values, None)


def test_control_characters_are_written_out_and_lines_stay_lines() -> None:
    formatter = PlainLines(fmt="%(levelname)s %(name)s: %(message)s")
    assert formatter.format(record("a %s", "\x1b[31m\r\x9b")) == r"ERROR seg: a \x1b[31m\r\x9b"
    assert formatter.format(record("two\nlines\x07")) == "ERROR seg: two\nlines\\x07"


def test_a_traceback_holds_none_either() -> None:
    try:
        raise ValueError("\x1b]0;title\x07" + "x" * 10_000)
    except ValueError:
        told = record("failed")
        told.exc_info = sys.exc_info()
    lines = PlainLines(fmt="%(message)s").format(told).split("\n")
    assert lines[0] == "failed"
    assert lines[-1].startswith(r"ValueError: \x1b]0;title\x07xxx")
    assert lines[-1].endswith(" octets cut]")
    assert LONGEST_LINE - 1 <= len(lines[-1]) <= LONGEST_LINE


def test_every_process_logs_so() -> None:
    assert settings.LOGGING["formatters"]["plain"]["()"] == "seg_console.logs.PlainLines"
    assert settings.LOGGING["root"]["handlers"] == ["stderr"]
