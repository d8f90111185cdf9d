"""A log filter for libraries that say the same again and again while something is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

QUIET_S: Final = 60.0


class OnceAMinute(logging.Filter):
    """Lets each sentence of a logger through once in QUIET_S, whatever values are put into it.

    `clock`: monotonic seconds.
    """

    def __init__(self, name: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(name)
        self._clock = clock
        self._quiet_until: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key, now = (record.name, record.msg), self._clock()
        if now < self._quiet_until.get(key, float("-inf")):
            return False
        self._quiet_until[key] = now + QUIET_S
        return True
