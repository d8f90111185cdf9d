"""A worker that runs out of descriptors ends, in order if it can."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import logging, os, signal, sys, time
from seg_console.delivery import descriptors

logging.basicConfig(format="%(levelname)s %(message)s")
signal.signal(signal.SIGTERM, {handler})
descriptors.watch(look_s=0.01, ending_s=0.1)
files = [os.open(os.devnull, os.O_RDONLY) for _ in range({number})]
time.sleep({stays_s})
"""
IN_ORDER = "lambda *_: sys.exit(0)"


@pytest.mark.parametrize(
    ("handler", "number", "status"),
    [(IN_ORDER, 300, 0), ("signal.SIG_IGN", 300, 75), (IN_ORDER, 30, 0)],
    ids=["ends in order", "does not end", "has enough"],
)
def test_a_process_with_too_many_open_descriptors_ends(handler: str, number: int, status: int) -> None:
    program = PROGRAM.format(handler=handler, number=number, stays_s=60 if number > 256 else 0.2)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    complaint = "ERROR more than 256 descriptors are open, Redis refuses what Celery asks: this worker ends"
    assert (done.returncode, done.stderr.startswith(complaint)) == (status, number > 256)
