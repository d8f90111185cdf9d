"""The Host Access Table and the Recipient Access Table as text files, for export and import (seg-webui 8.4, 8.5).

What is read here is only taken apart: the rules are those of the configuration document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext as _

from seg_console.config.table_text import Reading, in_words, stated_lines
from seg_console.gateway.document import HOST_ACCESS, RECIPIENT_ACCESS
from seg_console.mail.lines import visible

GROUP, ENTRY = "group", "entry"
WORDS = frozenset({"comment", "action", "response", "tls"})
NUMBERS = frozenset(
    {"max_connections_per_client", "max_messages_per_connection", "max_recipients", "max_recipients_per_hour"}
)
# A negative one is told its range by the rules of the document.
_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)
# Recipient, action, code and text; a quoted local part may hold blanks.
_ROW = re.compile(r'((?:"(?:[^"\\]|\\.)*"(?=@))?\S*)\s*(\S*)\s*(\S*)\s*(.*)')
_SHOWN_LENGTH = 80


def write_host_access(groups: Sequence[dict[str, Any]]) -> bytes:
    """The groups of the document as a file that `read_host_access` reads again."""
    return "\n".join("\n".join(_group_lines(group)) + "\n" for group in groups).encode()


def _group_lines(group: dict[str, Any]) -> Iterator[str]:
    yield f"{GROUP} {group['name']}"
    for key in ("comment", "action", "response", *sorted(NUMBERS), "tls"):
        if group[key] not in ("", None):
            yield f"  {key} {group[key]}"
    # A host may be named like one of our words.
    words = WORDS | NUMBERS | {GROUP, ENTRY}
    yield from (f"  {ENTRY} {entry}" if entry in words else f"  {entry}" for entry in group["entries"])


def read_host_access(text: str) -> Reading:
    """`group NAME`, and under it a line for each value (`action reject`) and for each entry, behind which a comment may
    stand."""
    reading = Reading(HOST_ACCESS.key)
    for number, line in stated_lines(text):
        word, rest = _parted(in_words(line, 1))
        if word == GROUP:
            reading.add({"name": rest, "entries": []}, number)
        elif not reading.items:
            reading.fault(number, _("begin with a line such as: group BLOCKED_LIST"))
        else:
            _take_line(reading, number, word, rest)
    return reading


def _take_line(reading: Reading, number: int, word: str, rest: str) -> None:
    item, path = reading.items[-1], f"{reading.key}[{len(reading.items) - 1}]"
    if word == ENTRY or word not in WORDS | NUMBERS:
        word, rest = _parted(rest) if word == ENTRY else (word, rest)
        rest = rest.partition("#")[0].strip()
        if rest:
            shown = visible(f"{word} {rest}"[:_SHOWN_LENGTH])
            reading.fault(number, _("“%(line)s” is neither an entry nor a value.") % {"line": shown})
            return
        reading.parts[f"{path}.entries[{len(item['entries'])}]"] = number
        item["entries"].append(word)
    elif word in item:
        reading.fault(number, _("%(word)s is given twice for one group.") % {"word": word})
    elif word in NUMBERS and not _NUMBER.fullmatch(rest):
        reading.fault(number, _("give a whole number after %(word)s.") % {"word": word})
    else:
        reading.parts[f"{path}.{word}"] = number
        item[word] = int(rest) if word in NUMBERS else rest


def _parted(line: str) -> tuple[str, str]:
    word, rest = (*line.split(maxsplit=1), "", "")[:2]
    return word, rest


def write_recipient_access(items: Sequence[dict[str, Any]]) -> bytes:
    """The rows of the document as a file that `read_recipient_access` reads again."""
    lines = [f"{item['recipient']} {item['action'].upper()}{_response(item['response'])}\n" for item in items]
    return "".join([*lines, "ALL REJECT\n"]).encode()


def _response(response: dict[str, Any] | None) -> str:
    return f" {response['code']} {response['text']}" if response else ""


def read_recipient_access(text: str) -> Reading:
    """A row a line: the recipient, `ACCEPT` or `REJECT`, and perhaps the code and the text of its response. The last
    row of the table, `ALL REJECT`, may stand there or be left out."""
    reading = Reading(RECIPIENT_ACCESS.key)
    for number, line in stated_lines(text):
        found = _ROW.fullmatch(in_words(line, 3))
        assert found is not None
        recipient, action, code, said = found.groups()
        if (recipient.upper(), action.upper(), code) == ("ALL", "REJECT", ""):
            continue
        item: dict[str, Any] = {"recipient": recipient, "action": action.lower()}
        if code:
            if code.isascii() and code.isdecimal() and len(code) == 3 and said:
                item["response"] = {"code": int(code), "text": said}
            else:
                reading.fault(number, _("give a code and a text after the action, for example: REJECT 550 Gone"))
        reading.add(item, number)
    return reading
