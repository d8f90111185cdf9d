"""How many drains one worker runs at once: never as many as it has processes.

Slow servers may keep a drain for hours, and sweep, housekeeping and the signs of life want a process too. A drain more
would bring nothing: those that run take on whatever is announced.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from django.conf import settings

MOST_DRAINS: Final = 2


@contextmanager
def one_of(worker: str) -> Iterator[bool]:
    """A place among the drains of the worker of that name for as long as the block runs; False when all are taken.

    The system frees the place of a process that is killed, because it is a lock on a file.
    """
    places = (_locked(_folder() / f"drain-{worker}-{number}.lock") for number in range(MOST_DRAINS))
    held = next((descriptor for descriptor in places if descriptor is not None), None)
    try:
        yield held is not None
    finally:
        if held is not None:
            os.close(held)


def _locked(path: Path) -> int | None:
    """An open file that nobody else has locked; None when somebody has."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _folder() -> Path:
    folder = Path(settings.SEG_DATA_DIR) / "run"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
