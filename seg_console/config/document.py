"""The whole set as one JSON document: checked, dumped from rows, loaded into rows (docs/configuration.md).

An absent section or key has its initial value: a document always says the whole set.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar, cast
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from pydantic import ValidationError

from seg_console.config import registry, rows
from seg_console.config.checks import RUNNING
from seg_console.config.models import Configuration
from seg_console.config.problems import InvalidConfiguration, Problem, problems_of, unknown_key
from seg_console.config.registry import Section
from seg_console.config.rows import Rows
from seg_console.config.secrets import masked

FORMAT = 1

Value = TypeVar("Value")


class _Unacceptable(ValueError):
    """JSON that its readers disagree about; the message is the reason in the language in force."""


class Document:
    """A whole set as frozen values. A section is read from its text when it is first asked for."""

    def __init__(self, texts: Mapping[str, str], uids: Mapping[str, Iterable[str]]) -> None:
        self._texts = dict(texts)
        self._uids = {key: tuple(of_section) for key, of_section in uids.items()}
        self._values: dict[str, Any] = {}
        self._lock = Lock()

    def __getitem__(self, section: Section[Value]) -> Value:
        """A section's value: a shape, or a tuple of shapes."""
        with self._lock:
            if section.key not in self._values:
                self._values[section.key] = self._read(section.key)
            return cast(Value, self._values[section.key])

    def plain(self, section: Section[Any]) -> Any:
        """A section's value as JSON has it, for sections so long that frozen objects would take too much time."""
        return json.loads(self.text(section.key))

    def text(self, key: str) -> str:
        """A section as JSON text. One that came after this set was committed has its initial value."""
        return self._texts.get(key) or _compact(_initial(key))

    def uids(self, key: str) -> tuple[str, ...]:
        """The uids of an identified section's objects, in their order; of one that is an object, its one uid."""
        return self._uids.get(key, ())

    def _read(self, key: str) -> Any:
        return registry.adapter(key).validate_json(self.text(key), context=RUNNING)


def document_of(configuration: Configuration) -> Document:
    """The frozen values of any set, a pending one too."""
    found = prints(rows.read(configuration))
    return Document({key: one.text for key, one in found.items()}, {key: one.uids for key, one in found.items()})


@dataclass(frozen=True, slots=True)
class Print:
    """A section as JSON text, and the uids of its objects if others refer to them."""

    text: str
    uids: tuple[str, ...]


def prints(found: Rows, keys: Iterable[str] | None = None) -> dict[str, Print]:
    """The print of each section, or of some, from the rows that they are made of."""
    return {
        key: Print(
            _compact(_value(key, items)),
            tuple(str(uid) for uid, _plain in items) if registry.section(key).identified else (),
        )
        for key, items in _dump(found, keys).items()
    }


def dump(configuration: Configuration, *, secrets: bool = False) -> dict[str, Any]:
    """A set as its JSON document. Without `secrets` a mask stands in their place, and a document that has some cannot
    be loaded again."""
    with rows.collector_paused():
        return plain_of(rows.read(configuration), secrets=secrets)


def plain_of(found: Rows, *, secrets: bool = False) -> dict[str, Any]:
    """The JSON document of a whole set's rows."""
    dumped = _dump(found)
    if not secrets:
        dumped = {key: _masked(key, items) for key, items in dumped.items()}
    return {"format": FORMAT} | {key: _value(key, items) for key, items in dumped.items()}


def initial() -> dict[str, Any]:
    """The document of a system that nobody has configured."""
    return plain_of(Rows())


def read(text: str | bytes) -> Any:
    """Parse JSON, refusing what its readers disagree about: a key given twice, NaN. Raises InvalidConfiguration."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError as error:
        raise InvalidConfiguration([Problem("", _("the document is nested too deeply."))]) from error
    except json.JSONDecodeError as error:
        message = _("this is not a JSON document: it cannot be read on from line %(line)s, column %(column)s.")
        place = {"line": error.lineno, "column": error.colno}
        raise InvalidConfiguration([Problem("", message % place)]) from error
    except UnicodeDecodeError as error:
        raise InvalidConfiguration([Problem("", _("this is not a JSON document: it is not UTF-8 text."))]) from error
    except _Unacceptable as error:
        message = _("this is not a JSON document: %(reason)s.") % {"reason": error}
        raise InvalidConfiguration([Problem("", message)]) from error
    except ValueError as error:  # Python turns only so many digits into a number
        raise InvalidConfiguration([Problem("", _("a number in the document has too many digits."))]) from error


def validate(document: object) -> list[Problem]:
    """All that is wrong with a document; empty if it could run."""
    return _checked(document)[1]


def problems_in(section: Section[Any], text: str) -> list[Problem]:
    """All that is wrong with one section, given as JSON text."""
    return _checked_section(section, json.loads(text), text)[1]


def value_of(section: Section[Value], raw: object) -> Value:
    """The validated value of one section, looked at by itself. Raises InvalidConfiguration."""
    value, problems = _checked_section(section, raw, _compact(raw))
    if problems:
        raise InvalidConfiguration(problems)
    return cast(Value, value)


def problems_between(texts: Mapping[str, str], keys: Collection[str]) -> list[Problem]:
    """All that is wrong between the sections of `keys` and others, given all as JSON text, each valid by itself."""
    return [
        problem
        for together in registry.checks_between()
        if not set(keys).isdisjoint(together.keys)
        for problem in together.check(*(json.loads(texts[key]) for key in together.keys))
    ]


def load(document: object, into: Configuration, *, like: Configuration | None = None) -> Rows:
    """Make a pending set hold what the document says, and return its rows.

    Objects that `like` has (by default the set itself) keep their uids: matched by name, domain or place in the list.
    Raises InvalidConfiguration, and nothing is changed.
    """
    with rows.collector_paused(), transaction.atomic():
        values = values_of(document)
        wanted = rows_of(values, known=rows.read(like or into))
        rows.clear(into)
        rows.insert(into, wanted)
    return wanted


def rows_of(values: Mapping[str, Any], *, known: Rows) -> Rows:
    """Unsaved rows of a whole set from its sections' validated values."""
    wanted = Rows()
    for section in registry.sections():
        items = list(values[section.key]) if section.many else [values[section.key]]
        uids, found = section.load(items, known)
        wanted.add(found)
        for extension in registry.extensions(section.key):
            pairs = [(uid, extension.of(item)) for uid, item in zip(uids, items, strict=True)]
            wanted.add(extension.load(pairs, known))
    return wanted


def values_of(document: object) -> dict[str, Any]:
    """The validated value of each section. Raises InvalidConfiguration."""
    values, problems = _checked(document)
    if problems:
        raise InvalidConfiguration(problems)
    return values


def _checked(document: object) -> tuple[dict[str, Any], list[Problem]]:
    if not isinstance(document, dict):
        return {}, [Problem("", _("give a JSON object in { }."))]
    known = ["format", *(section.key for section in registry.sections())]
    problems = [Problem(str(key), unknown_key(known)) for key in document if key not in known]
    if document.get("format") != FORMAT or isinstance(document.get("format"), bool):
        problems.append(Problem("format", _("give 1, the only format there is.")))
    values: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    for section in registry.sections():
        raw = document[section.key] if section.key in document else _initial(section.key)
        plain[section.key] = raw
        values[section.key], found = _checked_section(section, raw, _compact(raw))
        problems += found
    for together in registry.checks_between():
        if all(values[key] is not None for key in together.keys):
            problems += together.check(*(plain[key] for key in together.keys))
    return values, problems


def _checked_section(section: Section[Any], raw: object, text: str) -> tuple[Any, list[Problem]]:
    """A section's value, None if it has none, and all that is wrong with it. `text` is `raw` as JSON."""
    problems = list(section.check(raw))
    try:
        value = registry.adapter(section.key).validate_json(text)
    except ValidationError as error:
        return None, problems + problems_of(error, section.key, registry.annotation(section.key))
    return value, problems + _same_after_all(section, value, raw)


def _same_after_all(section: Section[Any], items: Any, raw: Any) -> list[Problem]:
    """Objects whose names were typed differently and yet are one, as a domain in its two spellings."""
    if not section.many or not section.identity:
        return []
    typed = {again for again, _first in registry.repeated(item.get(section.identity) for item in raw)}
    found = registry.repeated(getattr(item, section.identity) for item in items)
    return [registry.twice(section, again, first, raw) for again, first in found if again not in typed]


def _dump(found: Rows, keys: Iterable[str] | None = None) -> dict[str, list[tuple[UUID, dict[str, Any]]]]:
    wanted = None if keys is None else set(keys)
    dumped = {}
    for section in registry.sections():
        if wanted is not None and section.key not in wanted:
            continue
        items = section.dump(found)
        for extension in registry.extensions(section.key):
            values = extension.dump(found)
            default = extension.shape().model_dump(mode="json", by_alias=True)
            for uid, value in items:
                value[extension.key] = values.get(uid, default)
        dumped[section.key] = items
    return dumped


def _masked(key: str, items: list[tuple[UUID, dict[str, Any]]]) -> list[tuple[UUID, dict[str, Any]]]:
    section = registry.section(key)
    return [(uid, masked(section, plain)) for uid, plain in items] if section.model.secret_fields else items


def _value(key: str, items: list[tuple[UUID, dict[str, Any]]]) -> Any:
    values = [value for _uid, value in items]
    return values if registry.section(key).many else values[0]


def _initial(key: str) -> Any:
    return initial()[key]


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for index, (key, _value) in enumerate(pairs) if key in dict(pairs[:index]))
        raise _Unacceptable(_("the key %(key)s is given twice in one object") % {"key": json.dumps(twice)})
    return found


def _no_constant(name: str) -> Any:
    raise _Unacceptable(_("%(name)s is not a value of JSON") % {"name": name})
