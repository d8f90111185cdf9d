"""Whether this worker was asked to stop. Celery tells only its main process; the children that run drains read it
here, from memory that they share with it since they were forked."""

from __future__ import annotations

import mmap

_asked = mmap.mmap(-1, 1)


def ask() -> None:
    """Called once in the worker's main process."""
    _asked[0] = 1


def asked() -> bool:
    return _asked[0] == 1
