"""Ends a worker that runs out of descriptors, so that a fresh one takes its place.

While Redis refuses what Celery asks of it (read-only, out of memory), a worker's main process begins its connection
anew some ten times a second, and kombu keeps the sockets of each. Without this it would come to the system's limit in
minutes and then not come back when Redis does.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import Final

logger = logging.getLogger(__name__)

LOOK_S: Final = 5.0
# A worker has some forty in use; the usual limit of a process is 1,024.
MOST: Final = 256
# What a worker has to end what is in hand, a moment more than a drain takes for it.
ENDING_S: Final = 20.0
# EX_TEMPFAIL of sysexits.h.
EXIT_STATUS: Final = 75
_OWN: Final = "/proc/self/fd"


def watch(*, look_s: float = LOOK_S, ending_s: float = ENDING_S) -> None:
    """Look every `look_s` seconds from now on, in a thread of this process."""
    threading.Thread(target=_watch, args=(look_s, ending_s), name="descriptors", daemon=True).start()


def _watch(look_s: float, ending_s: float) -> None:
    while _count() <= MOST:
        time.sleep(look_s)
    logger.error(
        "more than %d descriptors are open, Redis refuses what Celery asks: this worker ends, to be started anew",
        MOST,
        extra={"action": "worker_out_of_descriptors"},
    )
    # What is in hand ends, as whenever the worker is stopped; what does not is ended without.
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ending_s)
    os._exit(EXIT_STATUS)


def _count() -> int:
    """Descriptors of this process; 0 where the system does not tell."""
    return len(os.listdir(_OWN)) if os.path.isdir(_OWN) else 0
