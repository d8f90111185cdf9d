"""A table as a text file, taken apart line by line: what it says, where it stands, and what is no part of such a file.

The rules are those of the configuration document; here their problems are told by the lines of the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from seg_console.config.problems import Problem, Repeated, index_in

_LINE_END = re.compile("\r\n|\r|\n")
_COMMENT = "#"
# A quoted local part may hold what separates; no other first word does.
_BY_SEMICOLONS = re.compile(r'((?:"(?:[^"\\]|\\.)*"(?=@))?+)[^\s;]*;')


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a file, in line `line` from 1; None for the file as a whole."""

    line: int | None
    message: str


@dataclass(slots=True)
class Reading:
    """The objects of a file as the section `key` of the configuration document has them, the line of each, and what
    could not be read. `parts`: lines of values that do not stand on their object's own, by path in the document.

    An object of which a part could not be read stands among them too, without that part or with a good one in its
    place: the rest of it is checked with all others.
    """

    key: str
    items: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    parts: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def add(self, item: dict[str, Any], line: int) -> None:
        self.items.append(item)
        self.lines.append(line)

    def fault(self, line: int | None, message: str) -> None:
        self.faults.append(Fault(line, message))

    def line_of(self, path: str) -> int | None:
        """The line of a path such as `host_access[0].entries[3]`, or of the object that holds it."""
        while path and path not in self.parts:
            index = index_in(path, self.key)
            if index is not None and path == f"{self.key}[{index}]":
                return self.lines[index]
            path = path.rpartition("." if path.rfind(".") > path.rfind("[") else "[")[0]
        return self.parts.get(path)

    def in_lines(self, problems: Iterable[Problem], field_name: Callable[[str, dict[str, Any]], str]) -> list[Fault]:
        """The problems of the document by line. `field_name` names what the rest of a path within an object is about;
        "" if the message needs no name."""
        return [self._in_line(problem, field_name) for problem in problems]

    def _in_line(self, problem: Problem, field_name: Callable[[str, dict[str, Any]], str]) -> Fault:
        line = self.line_of(problem.path)
        earlier = self.line_of(problem.earlier) if isinstance(problem, Repeated) else None
        if isinstance(problem, Repeated) and earlier is not None:
            return Fault(line, problem.in_file(earlier))
        index = index_in(problem.path, self.key)
        if index is None:
            return Fault(line, problem.message)
        rest = problem.path.removeprefix(f"{self.key}[{index}]").removeprefix(".")
        name, message = field_name(rest, self.items[index]), problem.message
        return Fault(line, _("%(field)s: %(message)s") % {"field": name, "message": message} if name else message)


def stated_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, without the blanks around them, numbered from 1 as an editor does: a line ends with
    CR, LF or both. Empty lines, those of semicolons alone, which spreadsheet programs write for empty rows, and those
    that begin with # say nothing."""
    for number, line in enumerate(_LINE_END.split(text), start=1):
        stripped = line.strip()
        if stripped.strip("; \t") and not stripped.startswith(_COMMENT):
            yield number, stripped


def in_words(line: str, most: int) -> str:
    """A line of a file that a spreadsheet program wrote with semicolons between its cells, known by one right behind
    the first word: the first `most` of them are tabs instead. Any other line as it is."""
    found = _BY_SEMICOLONS.match(line)
    if found is None:
        return line
    start, rest = found[1], line[found.end(1) :]
    return start + rest.rstrip("; \t").replace(";", "\t", most)
