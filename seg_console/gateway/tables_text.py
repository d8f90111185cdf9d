"""The Host Access Table and the Recipient Access Table as text files, for export and import (seg-webui 8.4, 8.5).

`#` begins a comment line. What is read here is only taken apart: the rules are those of the configuration document,
and `line_of` says on which line of the file the value of a path stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from seg_console.config.problems import Problem, Repeated
from seg_console.gateway.document import SenderGroup
from seg_console.gateway.models import RecipientAccess
from seg_console.mail.lines import visible

GROUP, ENTRY = "group", "entry"
WORDS = frozenset({"comment", "action", "response", "tls"})
NUMBERS = frozenset(
    {"max_connections_per_client", "max_messages_per_connection", "max_recipients", "max_recipients_per_hour"}
)
# A negative one is told its range by the rules of the document.
_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)
_SHOWN_LENGTH = 80


@dataclass(frozen=True, slots=True)
class LineFault:
    """What is wrong on one line, from 1; 0 for the file as a whole."""

    line: int
    message: str


@dataclass(slots=True)
class Read:
    """A file taken apart: the items as the configuration document has them, where they stand, and what is no part of
    such a file."""

    key: str
    items: list[dict[str, Any]] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    faults: list[LineFault] = field(default_factory=list)

    def line_of(self, path: str) -> int:
        """The line of a path such as `host_access[0].entries[3]`, or of the nearest object that holds it; else 0."""
        while path and path not in self.lines:
            path = path.rpartition("." if path.rfind(".") > path.rfind("[") else "[")[0]
        return self.lines.get(path, 0)

    def in_lines(self, problems: Iterable[Problem]) -> list[LineFault]:
        """The problems of the document, and what is no part of such a file, by line of the file."""
        found = [LineFault(self.line_of(problem.path), self._message(problem)) for problem in problems]
        return sorted([*self.faults, *found], key=lambda fault: fault.line)

    def _message(self, problem: Problem) -> str:
        return problem.in_file(self.line_of(problem.earlier)) if isinstance(problem, Repeated) else problem.message


def host_access_text(groups: Iterable[SenderGroup]) -> str:
    """The Host Access Table as a file that `read_host_access` reads again."""
    return "\n".join("\n".join(_group_lines(group)) + "\n" for group in groups)


def _group_lines(group: SenderGroup) -> Iterator[str]:
    yield f"{GROUP} {group.name}"
    plain = group.model_dump()
    for key in ("comment", "action", "response", *sorted(NUMBERS), "tls"):
        if plain[key] not in ("", None):
            yield f"  {key} {plain[key]}"
    # A host may be named like one of our words.
    words = WORDS | NUMBERS | {GROUP, ENTRY}
    yield from (f"  {ENTRY} {entry}" if entry in words else f"  {entry}" for entry in group.entries)


def read_host_access(text: str) -> Read:
    """`group NAME`, and under it a line for each value (`action reject`) and for each entry, behind which a comment may
    stand."""
    read = Read("host_access")
    for number, line in _lines(text):
        word, rest = _parted(line)
        if word == GROUP:
            read.lines[f"host_access[{len(read.items)}]"] = number
            read.lines[f"host_access[{len(read.items)}].name"] = number
            read.items.append({"name": rest, "entries": []})
        elif not read.items:
            read.faults.append(LineFault(number, _("begin with a line such as: group BLOCKED_LIST")))
        else:
            _take_line(read, number, word, rest)
    return read


def _take_line(read: Read, number: int, word: str, rest: str) -> None:
    item, path = read.items[-1], f"host_access[{len(read.items) - 1}]"
    if word == ENTRY or word not in WORDS | NUMBERS:
        word, rest = _parted(rest) if word == ENTRY else (word, rest)
        rest = rest.partition("#")[0].strip()
        if rest:
            shown = visible(f"{word} {rest}"[:_SHOWN_LENGTH])
            read.faults.append(LineFault(number, _("“%(line)s” is neither an entry nor a value.") % {"line": shown}))
            return
        read.lines[f"{path}.entries[{len(item['entries'])}]"] = number
        item["entries"].append(word)
    elif word in item:
        read.faults.append(LineFault(number, _("%(word)s is given twice for one group.") % {"word": word}))
    elif word in NUMBERS and not _NUMBER.fullmatch(rest):
        read.faults.append(LineFault(number, _("give a whole number after %(word)s.") % {"word": word}))
    else:
        read.lines[f"{path}.{word}"] = number
        item[word] = int(rest) if word in NUMBERS else rest


def _parted(line: str) -> tuple[str, str]:
    word, _blank, rest = line.partition(" ")
    return word, rest.strip()


def recipient_access_text(rows: Iterable[RecipientAccess]) -> str:
    """The Recipient Access Table as a file that `read_recipient_access` reads again."""
    lines = (
        f"{row.recipient} {row.action.upper()}"
        + (f" {row.response_code} {row.response_text}" if row.response_code else "")
        for row in rows
    )
    return "\n".join([*lines, "ALL REJECT"]) + "\n"


def read_recipient_access(text: str) -> Read:
    """A row a line: the recipient, `ACCEPT` or `REJECT`, and perhaps the code and the text of its response. The last
    row of the table, `ALL REJECT`, may stand there or be left out."""
    read = Read("recipient_access")
    for number, line in _lines(text):
        words = line.split(None, 3)
        recipient, action, response = words[0], words[1] if len(words) > 1 else "", words[2:]
        if (recipient.upper(), action.upper(), response) == ("ALL", "REJECT", []):
            continue
        found: dict[str, Any] = {"recipient": recipient, "action": action.lower()}
        if response:
            code, said = response[0], response[1] if len(response) > 1 else ""
            if not (code.isascii() and code.isdecimal() and len(code) == 3 and said):
                message = _("give a code and a text after the action, for example: REJECT 550 Gone")
                read.faults.append(LineFault(number, message))
                continue
            found["response"] = {"code": int(code), "text": said}
        read.lines[f"recipient_access[{len(read.items)}]"] = number
        read.items.append(found)
    return read


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, numbered from 1."""
    for number, line in enumerate(re.split("\r\n|\r|\n", text), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped
