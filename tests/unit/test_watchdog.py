"""The watchdog: what makes progress is left alone, what makes none is ended."""

from __future__ import annotations

import subprocess
import sys
import threading
from itertools import count

from seg_console.delivery.watchdog import EXIT_STATUS, LOOKS, watching

PATIENCE_S = 60


def test_without_progress_the_end_is_called_once() -> None:
    ended = threading.Event()
    with watching(lambda: 1, patience_s=0.12, end=ended.set):
        assert ended.wait(PATIENCE_S)


def test_progress_now_and_then_is_enough() -> None:
    looked = count()
    enough, ended = threading.Event(), threading.Event()

    def progress() -> int:
        look = next(looked)
        if look > 5 * LOOKS:
            enough.set()
        return look // (LOOKS - 1)

    with watching(progress, patience_s=0.12, end=ended.set):
        assert enough.wait(PATIENCE_S)
    assert not ended.is_set()


def test_the_process_ends_and_says_where_every_thread_is() -> None:
    program = """
import time
from seg_console.delivery.watchdog import watching

def hangs_here():
    time.sleep(3600)

with watching(lambda: 1, patience_s=0.12):
    hangs_here()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S)
    assert ended.returncode == EXIT_STATUS
    assert "no progress, ending this process" in ended.stderr
    assert "Thread MainThread:" in ended.stderr
    assert "in hangs_here" in ended.stderr
