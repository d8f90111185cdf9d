"""Choices that a form only knows when it is made."""

from __future__ import annotations

from typing import cast

from django.forms import BaseForm, ChoiceField


def choice_field(form: BaseForm, name: str) -> ChoiceField:
    """The field `name` of a form, which is one of choices: a form's table of fields knows only that it is a field."""
    return cast(ChoiceField, form.fields[name])
