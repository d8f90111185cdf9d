"""Long lists of entries, pasted into one field: what is good, what is bad and on which line, how many stand there
twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from seg_console.config.problems import in_words
from seg_console.mail.lines import visible
from seg_console.ui.requests import ConsoleRequest

# A comma inside a quoted local part separates nothing.
_ENTRY = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,])+')
# Longer lines are split at every comma: no entry is that long, and the search above would take its time on quotes.
_LONGEST_QUOTED_LINE = 2_000
# How many bad entries are named; the rest are counted.
NAMED_ENTRIES = 50
SHOWN_VALUE = 80


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
    return Parsed(tuple(kept.values()), tuple(bad), dropped, unread=sum(1 for _value in values))


def _values(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(re.split("\r\n|\r|\n", text), start=1):
        quoted = '"' in line and len(line) <= _LONGEST_QUOTED_LINE
        for value in _ENTRY.findall(line) if quoted else line.split(","):
            if value.strip():
                yield number, value.strip()


class EntriesField(forms.CharField):
    """Entries separated by comma or new line; cleans to a tuple of them, each once.

    `dropped`: how many of the entries cleaned last stood there twice. A subclass says what an entry is.
    """

    most: ClassVar[int]

    def __init__(self, **options: Any) -> None:
        widget = forms.Textarea(
            # The placeholder is blank: it lets the style sheet tell a field with something in it from an empty one.
            attrs={"rows": 3, "class": "code", "spellcheck": "false", "autocapitalize": "off", "placeholder": " "}
        )
        # Not stripped: lines are counted from the first one in the field.
        super().__init__(widget=widget, strip=False, **options)
        self.dropped = 0

    def clean(self, value: Any) -> tuple[str, ...]:
        parsed = self.parsed(super().clean(value))
        if parsed.count > self.most:
            message = _("There are %(count)d entries; a list holds at most %(most)d.")
            raise forms.ValidationError(message % {"count": parsed.count, "most": self.most})
        if parsed.bad:
            raise forms.ValidationError(in_sentences(parsed.bad))
        if self.required and not parsed.entries:
            raise forms.ValidationError(self.error_messages["required"])
        self.dropped = parsed.dropped
        return parsed.entries

    def parsed(self, text: str) -> Parsed:
        return parse(text, self.checked, most=self.most)

    def checked(self, text: str) -> str:
        """The entry as it is kept. Raises ValueError."""
        raise NotImplementedError


def in_sentences(bad: Sequence[BadEntry]) -> list[str]:
    """One sentence for each bad entry, of many the first."""
    sentences = [_bad_sentence(entry) for entry in bad[:NAMED_ENTRIES]]
    more = len(bad) - NAMED_ENTRIES
    if more > 0:
        sentences.append(ngettext("%(n)d more entry is bad.", "%(n)d more entries are bad.", more) % {"n": more})
    return sentences


def _bad_sentence(entry: BadEntry) -> str:
    value, reason = visible(entry.value[:SHOWN_VALUE]), in_words(entry.error)
    if value in reason:
        return _("Line %(line)d: %(reason)s") % {"line": entry.line, "reason": reason}
    return _("Line %(line)d, “%(value)s”: %(reason)s") % {"line": entry.line, "value": value, "reason": reason}


def tell_dropped(request: ConsoleRequest, dropped: int) -> None:
    """Say that entries given twice were taken once."""
    if dropped:
        sentence = ngettext(
            "%(n)d entry stood there twice and was dropped.",
            "%(n)d entries stood there twice and were dropped.",
            dropped,
        )
        messages.info(request, sentence % {"n": dropped})
