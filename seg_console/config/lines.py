"""On which line of a JSON text the value of a path stands, for messages about a file that a person has open.

Values that no wanted path leads into are skipped by the C scanner of `json`, so that a fault in one of 40,000 routes
costs no more than the parsing did.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from contextlib import suppress

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def lines_of(text: str, paths: Collection[str]) -> dict[str, int]:
    """The line of each path, from 1, paths as in `smtp_routes[0].hosts[1].port`. One that is not in the text (a key
    that is missing) has the line of the object it should be in. Paths of text that is no JSON are left out."""
    wanted = {path for path in paths if path}
    walk = _Walk(text)
    # What was found before a fault of the text itself stands; a number of thousands of digits is one too.
    with suppress(ValueError, IndexError, RecursionError):
        walk.value(_after_space(text, 0), "", wanted)
    return {path: text.count("\n", 0, at) + 1 for path, at in walk.found.items()}


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text
        self.found: dict[str, int] = {}

    def value(self, at: int, path: str, wanted: set[str]) -> int:
        """Go through the value that begins at `at`; return where it ends. `wanted`: the paths at or below it."""
        self.found |= dict.fromkeys(wanted, at)
        below = wanted - {path}
        if below and self._text[at] == "{":
            return self._members(at + 1, path, below)
        if below and self._text[at] == "[":
            return self._items(at + 1, path, below)
        return int(_DECODER.raw_decode(self._text, at)[1])

    def _members(self, at: int, path: str, wanted: set[str]) -> int:
        at = _after_space(self._text, at)
        while self._text[at] != "}":
            begins = at
            key, at = _DECODER.raw_decode(self._text, at)
            inner = f"{path}.{key}" if path else key
            leading = {each for each in wanted if _leads(inner, each)}
            at = self.value(_after_space(self._text, _after_space(self._text, at) + 1), inner, leading)
            if inner in leading:
                self.found[inner] = begins  # the key, where the value may begin on a line of its own
            at = self._next(at)
        return at + 1

    def _items(self, at: int, path: str, wanted: set[str]) -> int:
        at, index = _after_space(self._text, at), 0
        while self._text[at] != "]":
            inner = f"{path}[{index}]"
            at = self.value(at, inner, {each for each in wanted if _leads(inner, each)})
            at, index = self._next(at), index + 1
        return at + 1

    def _next(self, at: int) -> int:
        """Past a comma, if there is one."""
        at = _after_space(self._text, at)
        return _after_space(self._text, at + 1) if self._text[at] == "," else at


def _leads(path: str, wanted: str) -> bool:
    return wanted.startswith(path) and wanted[len(path) : len(path) + 1] in {"", ".", "["}


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None, "the pattern matches nothing too"
    return found.end()
