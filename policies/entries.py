"""Reading pasted entries: what is good, what is bad and on which line, how many stand there twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

# A comma inside a quoted local part separates nothing.
_ENTRY = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,])+')
# Longer lines are split at every comma: no entry is that long, and the search above would take its time on quotes.
_LONGEST_QUOTED_LINE = 2_000


@dataclass(frozen=True, slots=True)
class BadEntry:
    """`line` counts from 1; `error` is what the check raised."""

    line: int
    value: str
    error: ValueError


@dataclass(frozen=True, slots=True)
class Parsed:
    """`entries` are normalised, in their order, each once; `dropped` counts those that stood there again, `unread` what
    came after as many as there may be."""

    entries: tuple[str, ...]
    bad: tuple[BadEntry, ...]
    dropped: int
    unread: int = 0

    @property
    def count(self) -> int:
        return len(self.entries) + len(self.bad) + self.dropped + self.unread


def parse(text: str, check: Callable[[str], str], *, most: int) -> Parsed:
    """Entries separated by comma or new line. `check` returns an entry as it is kept, or raises ValueError. Where there
    are more than `most`, which is refused whatever they are, the rest is only counted."""
    kept: dict[str, str] = {}
    bad: list[BadEntry] = []
    dropped = 0
    values = _values(text)
    for line, value in islice(values, most):
        try:
            entry = check(value)
        except ValueError as error:
            bad.append(BadEntry(line, value, error))
            continue
        if kept.setdefault(entry.casefold(), entry) is not entry:
            dropped += 1
    return Parsed(tuple(kept.values()), tuple(bad), dropped, unread=sum(1 for _ in values))


def _values(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(re.split("\r\n|\r|\n", text), start=1):
        quoted = '"' in line and len(line) <= _LONGEST_QUOTED_LINE
        for value in _ENTRY.findall(line) if quoted else line.split(","):
            if value.strip():
                yield number, value.strip()
