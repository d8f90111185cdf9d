"""Ends a process that works on mail and makes no progress: a hang of ours, which only a fresh process mends."""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

logger = logging.getLogger(__name__)

WATCH_S: Final = 120.0
# The patience is cut into so many looks: a process that was stopped and goes on loses one of them, not all.
LOOKS: Final = 12
# EX_SOFTWARE of sysexits.h: an internal fault.
EXIT_STATUS: Final = 70
# The fault may hold the log's lock.
_SAYING_S: Final = 5.0


def end_process() -> None:
    """At once, without the clean-up that hangs. Leases free what was held."""
    saying = threading.Thread(target=_say, name="watchdog-log", daemon=True)
    saying.start()
    saying.join(_SAYING_S)
    os._exit(EXIT_STATUS)


@contextmanager
def watching(
    progress: Callable[[], int], *, patience_s: float = WATCH_S, end: Callable[[], None] = end_process
) -> Iterator[None]:
    """Call `end`, in another thread, once `progress` has given the same number for `patience_s` seconds."""
    done = threading.Event()
    thread = threading.Thread(
        target=_watch, args=(progress, patience_s / LOOKS, done, end), name="watchdog", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _watch(progress: Callable[[], int], look_s: float, done: threading.Event, end: Callable[[], None]) -> None:
    seen, same = progress(), 0
    while not done.wait(look_s):
        before, seen = seen, progress()
        same = same + 1 if seen == before else 0
        if same >= LOOKS:
            end()
            return


def _say() -> None:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stacks = [
        f"Thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
    ]
    logger.critical("no progress, ending this process\n%s", "\n".join(stacks), extra={"action": "watchdog"})
