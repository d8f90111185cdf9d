"""The one way a page gives the labels of its form along, for whoever shows what was sent to it without making the form:
a form that came after the session had ended (accounts/views/sent_fields.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, ParamSpec, TypeVar

from django.forms import BaseForm, Field

from seg_console.ui.navigation import match_of

P = ParamSpec("P")
R = TypeVar("R")
Fields = Mapping[str, Field]


class Labelled(NamedTuple):
    """The fields of a page's form by their names: those of the whole, and those of each of its rows."""

    whole: Fields
    row: Fields


def labelled_by(
    *forms: type[BaseForm], row: type[BaseForm] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a view that takes these forms together in one POST, and so many of `row` as there are."""
    whole = {name: field for form in forms for name, field in _fields(form).items()}
    labelled = Labelled(whole, _fields(row) if row else {})

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        view.labelled = labelled  # type: ignore[attr-defined]
        return view

    return decorate


def labelled(url: str) -> Labelled:
    """What the page at `url` gives along; nothing at an address of a page without a form, or of none of ours."""
    match = match_of(url)
    found = getattr(match.func, "labelled", None) if match else None
    return found if isinstance(found, Labelled) else Labelled({}, {})


def _fields(form: type[BaseForm]) -> Fields:
    return getattr(form, "base_fields", {})
