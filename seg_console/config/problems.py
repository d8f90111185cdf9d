"""What is wrong with a configuration document: where, and one sentence that says what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from django.utils.translation import gettext as _
from pydantic import BaseModel, ValidationError

from seg_console.mail.addresses import AddressError
from seg_console.mail.lines import visible

# Pydantic joins the values with words of its own language: 'any', 'following' or 'not'.
_QUOTED = re.compile(r"'[^']*'")
# A word of ours at the beginning, and no name that holds dots or digits.
_WORD = re.compile(r"[a-z]+[ ,]")


@dataclass(frozen=True, slots=True)
class Problem:
    """`path` is as in `smtp_routes[0].hosts[1].port`, "" for the document itself. `uid` and `name` of the object that
    it is about are known where the set is rows already, not where it is still a file."""

    path: str
    message: str
    uid: str = field(default="", compare=False)
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        # Keys and values of a file that anybody may have made: no lone surrogate, which no page can hold, no mark
        # that turns the sentence round.
        object.__setattr__(self, "path", visible(self.path))
        object.__setattr__(self, "message", visible(self.message))

    @property
    def section(self) -> str:
        """The top-level key that the path begins with."""
        return re.split(r"[.\[]", self.path, maxsplit=1)[0]

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True, slots=True)
class Repeated(Problem):
    """An object has the name `value` of an earlier one, whose path is `earlier`."""

    value: str = field(default="", compare=False)
    earlier: str = field(default="", compare=False)

    def in_file(self, line: int) -> str:
        """The message for a file of lines, whose line from 1 has the earlier one."""
        message = _("%(value)s is in the list already, in line %(line)s; give each only once.")
        return visible(message % {"value": self.value, "line": line})


def index_in(path: str, key: str) -> int | None:
    """The index in the list `key` of the object that a path belongs to; None if it belongs to none."""
    found = re.match(rf"{re.escape(key)}\[(\d+)\]", path)
    return int(found[1]) if found else None


class InvalidConfiguration(Exception):
    """The configuration as a whole is not one that could run; nothing went live. `problems` holds all that is wrong."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def in_words(error: ValueError) -> str:
    """What a check refused, as a sentence that stands alone on a page, in the language in force."""
    return as_sentence(_reason(error))


def as_sentence(message: str) -> str:
    """A message that follows a path elsewhere, beginning with a capital; one that begins with a name such as
    `the.tdc.queue` as it is."""
    return message[:1].upper() + message[1:] if _WORD.match(message) else message


def _reason(error: ValueError) -> str:
    return _(error.sentence) % error.values if isinstance(error, AddressError) else str(error)


def path_of(*steps: str | int) -> str:
    """`path_of("smtp_routes", 0, "hosts")` is `smtp_routes[0].hosts`."""
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def problems_of(error: ValidationError, key: str, annotation: Any) -> list[Problem]:
    """The problems of one section whose value should have been an `annotation`."""
    found = error.errors(include_url=False, include_input=False)
    # pydantic counts only the good items of a list; that the list is then too short is no fault of its own.
    wholes = {entry["loc"][:depth] for entry in found for depth in range(len(entry["loc"]))}
    return [
        Problem(path_of(key, *entry["loc"]), _sentence(entry["type"], entry.get("ctx", {}), entry["loc"], annotation))
        for entry in found
        if entry["type"] != "too_short" or entry["loc"] not in wholes
    ]


def unknown_key(known: Iterable[str]) -> str:
    return _("this key is not known; the keys known here are %(known)s.") % {"known": ", ".join(known)}


def _sentence(kind: str, context: Mapping[str, Any], location: Sequence[str | int], annotation: Any) -> str:
    if kind == "extra_forbidden":
        return unknown_key(_keys_at(annotation, location[:-1]))
    if kind == "value_error":
        return _reason(context["error"])
    if kind == "literal_error":
        return _one_of(_QUOTED.findall(context["expected"]))
    template = _sentences().get(kind)
    return template % context if template else _("this value cannot be read.")


def _one_of(values: Sequence[str]) -> str:
    if len(values) < 2:
        return _("give %(value)s.") % {"value": "".join(values)}
    return _("give one of %(values)s or %(last)s.") % {"values": ", ".join(values[:-1]), "last": values[-1]}


def _sentences() -> dict[str, str]:
    """By pydantic's error type; the placeholders are those of its context."""
    return {
        "missing": _("this key is required."),
        "string_type": _("give text in quotation marks."),
        "string_too_long": _("give at most %(max_length)s characters."),
        "string_too_short": _("give at least %(min_length)s characters."),
        "int_type": _("give a whole number."),
        "int_parsing_size": _("give a smaller number."),
        "bool_type": _("give true or false."),
        "greater_than_equal": _("give %(ge)s or more."),
        "less_than_equal": _("give %(le)s or less."),
        "tuple_type": _("give a list in [ ]."),
        "too_short": _("give at least %(min_length)s."),
        "too_long": _("give at most %(max_length)s."),
        "model_type": _("give an object in { }."),
        "json_invalid": _("give text that is valid Unicode."),
    }


def _keys_at(annotation: Any, location: Sequence[str | int]) -> list[str]:
    model = _model_at(annotation, location)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _model_at(annotation: Any, location: Sequence[str | int]) -> type[BaseModel] | None:
    model = _model_in(annotation)
    for step in location:
        if isinstance(step, str) and model:
            fields = {field.alias or name: field for name, field in model.model_fields.items()}
            model = _model_in(fields[step].annotation) if step in fields else None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in `Model`, `tuple[Model, ...]`, `Model | None` or one of these annotated."""
    if isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {tuple, Union, UnionType, Annotated}:
        return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
    return None
