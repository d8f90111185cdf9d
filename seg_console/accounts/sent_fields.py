"""What a person typed into a form, to be looked at before it is sent again: under the form's own labels, in the
reader's language.

The form is found among those of the app that the address belongs to, by the names. What no form knows (buttons, fields
that only a script fills) is counted, not shown.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.forms import BaseForm, CheckboxInput, ChoiceField, Field
from django.forms.formsets import (
    INITIAL_FORM_COUNT,
    MAX_NUM_FORM_COUNT,
    MIN_NUM_FORM_COUNT,
    TOTAL_FORM_COUNT,
)
from django.urls import Resolver404, resolve
from django.utils.text import capfirst
from django.utils.translation import gettext as _

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


def _known_fields(url: str, names: Sequence[str]) -> dict[str, Field]:
    """The fields of these names, as far as a form has them: one form for the whole, one for its rows."""
    rows = {name: row[2] for name in names if (row := _OF_A_ROW.fullmatch(name))}
    whole = {name: name for name in names if name not in rows}
    module = _module_of(url)
    near = _forms_in(module)
    forms = [form for form in _forms(BaseForm) if _app(form.__module__) == _app(module)]
    found: dict[str, Field] = {}
    for part in (whole, rows):
        best = _best(forms, near, set(part.values()))
        found |= {name: best[plain] for name, plain in part.items() if plain in best}
    return found


def _best(forms: Sequence[type[BaseForm]], near: Set[type[BaseForm]], wanted: Set[str]) -> dict[str, Field]:
    """The fields of the form that knows most of the names, one that the view has at hand before others. Where several
    know as many and call a field differently, nobody can say which it was."""
    ranked = [((form in near, len(wanted & _fields(form).keys())), _fields(form)) for form in forms]
    ranked = [(rank, fields) for rank, fields in ranked if rank[1]]
    top = max((rank for rank, _known in ranked), default=None)
    tied = [fields for rank, fields in ranked if rank == top]
    best: dict[str, Field] = {}
    for name in wanted:
        fields = [one[name] for one in tied if name in one]
        if len({str(field.label) for field in fields}) == 1:
            best[name] = fields[0]
    return best


def _fields(form: type[BaseForm]) -> Mapping[str, Field]:
    return getattr(form, "base_fields", {})


def _forms(base: type[BaseForm]) -> Iterator[type[BaseForm]]:
    for form in base.__subclasses__():
        yield form
        yield from _forms(form)


def _forms_in(module: str) -> set[type[BaseForm]]:
    """The forms that a module names, or that the modules it names have."""
    named = list(vars(sys.modules[module]).values()) if module in sys.modules else []
    inner = [value for one in named if isinstance(one, ModuleType) for value in vars(one).values()]
    return {one for one in [*named, *inner] if isinstance(one, type) and issubclass(one, BaseForm)}


def _module_of(url: str) -> str:
    """Where the view of an address is written; "" for no address of ours."""
    try:
        view = resolve(urlsplit(url).path).func
    except Resolver404:
        return ""
    return str(getattr(view, "view_class", view).__module__)


def _app(module: str) -> str:
    """`seg_console.gateway` of `seg_console.gateway.forms.routes`, `tdc` of `tdc.forms`."""
    first, *rest = module.split(".")
    return ".".join([first, *rest[:1]]) if first == "seg_console" else first
