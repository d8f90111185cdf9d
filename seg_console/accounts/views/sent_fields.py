"""What a person typed into a form, to be looked at before it is sent again: under the form's own labels, in the
reader's language.

The page that the address belongs to gives its labels along (seg_console.ui.labels). What it does not know (buttons,
fields that only a script fills) is counted, not shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from django.forms import CheckboxInput, ChoiceField, Field
from django.forms.formsets import (
    INITIAL_FORM_COUNT,
    MAX_NUM_FORM_COUNT,
    MIN_NUM_FORM_COUNT,
    TOTAL_FORM_COUNT,
)
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from seg_console.ui.labels import labelled

OF_A_FORMSET = frozenset({TOTAL_FORM_COUNT, INITIAL_FORM_COUNT, MIN_NUM_FORM_COUNT, MAX_NUM_FORM_COUNT})
# Prefix, number from 0 and field: one row of several.
_OF_A_ROW = re.compile(r"(?:.+-)?(\d+)-([^-]+)")


class ShownField(NamedTuple):
    label: str
    values: list[str]


class Shown(NamedTuple):
    """`more`: how many further values there are, for which no label is known."""

    fields: list[ShownField]
    more: int


def shown_fields(url: str, sent: Sequence[tuple[str, str]]) -> Shown:
    """Name and value pairs as they were sent to `url`, for a person."""
    known = _known_fields(url, [name for name, _value in sent])
    by_name: dict[str, list[str]] = {}
    more = 0
    for name, value in sent:
        field = known.get(name)
        words = _in_words(field, value) if field else None
        if field and field.widget.is_hidden:
            continue
        if words is not None and (words or not _OF_A_ROW.fullmatch(name)):
            by_name.setdefault(name, []).append(words)
        elif value and name.rpartition("-")[2] not in OF_A_FORMSET:
            more += 1
    return Shown([ShownField(_label(name, known[name]), values) for name, values in by_name.items()], more)


def labels(url: str, names: Iterable[str]) -> list[str]:
    """What the form at `url` calls these fields; `message_intake` as `Message intake` where none knows it."""
    wanted = list(names)
    known = _known_fields(url, wanted)
    return [_label(name, known.get(name)) for name in wanted]


def _label(name: str, field: Field | None) -> str:
    row = _OF_A_ROW.fullmatch(name)
    plain = row[2] if row else name
    label = capfirst(str(field.label or "")) if field else ""
    label = label or plain.replace("_", " ").replace("-", " ").strip().capitalize()
    return _("%(label)s (%(number)d)") % {"label": label, "number": int(row[1]) + 1} if row else label


def _in_words(field: Field, value: str) -> str | None:
    """A choice by its words, a tick as Yes, anything else as it was typed; None for a choice nobody has words for."""
    if isinstance(field.widget, CheckboxInput):
        return _("Yes")
    if not isinstance(field, ChoiceField):
        return value
    return {str(key): str(words) for key, words in _flat(field.widget.choices)}.get(value)


def _flat(choices: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Choices out of their groups."""
    for key, words in choices:
        if isinstance(words, list | tuple):
            yield from words
        else:
            yield key, words


def _known_fields(url: str, names: Iterable[str]) -> dict[str, Field]:
    """The fields of these names, as far as the page at `url` gives them along."""
    whole, of_a_row = labelled(url)
    rows = {name: row[2] for name in names if (row := _OF_A_ROW.fullmatch(name))}
    return {name: whole[name] for name in names if name not in rows and name in whole} | {
        name: of_a_row[plain] for name, plain in rows.items() if plain in of_a_row
    }
