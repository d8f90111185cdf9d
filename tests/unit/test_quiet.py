from __future__ import annotations

import logging

from seg_console.quiet import QUIET_S, OnceAMinute


def record(sentence: str, *values: object) -> logging.LogRecord:
    return logging.LogRecord("celery.beat", logging.ERROR, __file__, 1, sentence, values, None)


def test_each_sentence_passes_once_a_minute_whatever_is_put_into_it() -> None:
    now = 0.0
    quiet = OnceAMinute(clock=lambda: now)

    assert quiet.filter(record("no %s", "sweep"))
    assert not quiet.filter(record("no %s", "housekeeping"))
    assert quiet.filter(record("another"))
    now = QUIET_S
    assert quiet.filter(record("no %s", "sweep"))
