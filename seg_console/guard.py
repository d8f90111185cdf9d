"""Ends what outlives `manage.py up`: `guard.py GRACE_S`, told the processes on standard input, a line with each PID.

When that closes, because `up` has ended or was killed, the processes were asked to end too (tether.py). Whatever is
still there GRACE_S later is killed: one that hangs would hold the ports against the next start. Standard library only;
on systems without pidfd_open(2) it does nothing.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

# As long as the slowest process is given when `up` stops it, and a moment.
GRACE_S: Final = 12.0


class Guard:
    """That process, seen from `up`."""

    def __init__(self, environment: Mapping[str, str], *, grace_s: float = GRACE_S) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(grace_s)],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # Ctrl-C at the terminal is for the others.
            start_new_session=True,
        )

    def watch(self, pids: Iterable[int]) -> None:
        """Tell it of processes; of one that it knows it may be told again. Without the guard all goes on."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write("".join(f"{pid}\n" for pid in pids).encode())
            self._process.stdin.flush()

    def close(self) -> None:
        """Everything has been stopped: it ends at once, unless something is left."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        self._process.wait()


def _guard(grace_s: float) -> None:
    watched: dict[int, int] = {}
    for line in sys.stdin:
        pid = int(line)
        for gone in [each for each, descriptor in watched.items() if _has_ended(descriptor)]:
            os.close(watched.pop(gone))
        if pid not in watched:
            with suppress(ProcessLookupError):
                watched[pid] = os.pidfd_open(pid)
    until = time.monotonic() + grace_s
    for descriptor in watched.values():
        if not _has_ended(descriptor, max(until - time.monotonic(), 0.0)):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)


def _has_ended(descriptor: int, within_s: float = 0.0) -> bool:
    return bool(select.select([descriptor], [], [], within_s)[0])


if __name__ == "__main__":
    if hasattr(os, "pidfd_open"):
        _guard(float(sys.argv[1]))
