"""The sections of the configuration document. Each package registers its own when its app is ready.

A section is one top-level key: an object or a list of objects, its pydantic shape, and the way between that and rows.
An extension is a key that one package adds to the objects of another package's section, which does not know of it.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, cast
from uuid import UUID

from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from seg_console.config.models import ConfigurationObject
from seg_console.config.order import place
from seg_console.config.problems import Problem, Repeated, path_of
from seg_console.config.rows import Rows


class Shape(BaseModel):
    """Base of every object in the document: nothing unknown, nothing converted, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


S = TypeVar("S", bound=Shape)
Value = TypeVar("Value")
Plain = dict[str, Any]


class MendedAt(NamedTuple):
    """Names of URLs: the page on which a value is mended, and that of one object, which takes its uid, where there is
    a page for each."""

    view: str
    object_view: str = ""


class Section(ABC, Generic[Value]):
    """One top-level key. `place` orders the keys of the document; `model` is what its objects are in the database."""

    key: str
    place: int
    shape: type[Shape]
    model: type[ConfigurationObject]
    mended_at: MendedAt
    # Those of its parts that are rows of their own.
    part_models: tuple[type[ConfigurationObject], ...] = ()
    # Whether others refer to its objects by uid, which is then kept beside the committed text.
    identified = False
    many = False
    # The key that no two objects of a list may share, whatever its case.
    identity = ""
    # The most objects a list may hold.
    most = 1

    @abstractmethod
    def dump(self, rows: Rows) -> list[tuple[UUID, Plain]]:
        """The section's objects with their uids, in document order; exactly one unless `many`."""

    @abstractmethod
    def load(self, items: Sequence[Shape], known: Rows) -> tuple[list[UUID], list[ConfigurationObject]]:
        """The uid of each item and the unsaved rows that hold them all. An item that `known` has keeps its uid."""

    def check(self, raw: object) -> Iterator[Problem]:
        """What a shape cannot see because it lies between objects. `raw` is the unvalidated value."""
        if self.many and self.identity:
            items = raw if isinstance(raw, list) else []
            names = [item.get(self.identity) if isinstance(item, dict) else None for item in items]
            yield from (twice(self, again, first, items) for again, first in repeated(names))


class ObjectSection(Section[S]):
    """A section that is one object, kept in one row that every set has under the same uid."""

    fixed_uid: UUID

    def __init__(
        self, key: str, shape: type[S], model: type[ConfigurationObject], *, place: int, mended_at: MendedAt
    ) -> None:
        self.key, self.shape, self.model, self.place, self.mended_at = key, shape, model, place, mended_at
        self.fixed_uid = uuid.uuid5(uuid.NAMESPACE_OID, key)

    def dump(self, rows: Rows) -> list[tuple[UUID, Plain]]:
        row = next(iter(rows.of(self.model)), None) or self.model()
        return [(self.fixed_uid, self.to_plain(row))]

    def load(self, items: Sequence[Shape], known: Rows) -> tuple[list[UUID], list[ConfigurationObject]]:
        return [self.fixed_uid], [self.model(uid=self.fixed_uid, **self.to_fields(item)) for item in items]

    def to_plain(self, row: ConfigurationObject) -> Plain:
        return plain(self.shape, row)

    def to_fields(self, item: Shape) -> Plain:
        return own_values(self.shape, item)


class ListSection(Section[tuple[S, ...]], Generic[S]):
    """A section that is a list, one row for each object.

    `ordered`: the order is the meaning and is kept in the model's `position`; else the list is shown sorted by its
    identity, the row `ALL` last.
    """

    many = True

    def __init__(
        self,
        key: str,
        shape: type[S],
        model: type[ConfigurationObject],
        *,
        place: int,
        identity: str,
        mended_at: MendedAt,
        ordered: bool = False,
        most: int = 100_000,
    ) -> None:
        self.key, self.shape, self.model, self.place, self.identity = key, shape, model, place, identity
        self.ordered, self.most, self.mended_at = ordered, most, mended_at

    def dump(self, rows: Rows) -> list[tuple[UUID, Plain]]:
        return [(row.uid, self.to_plain(row)) for row in sorted(rows.of(self.model), key=self.sort_key)]

    def load(self, items: Sequence[Shape], known: Rows) -> tuple[list[UUID], list[ConfigurationObject]]:
        present = {identity_of(row): row for row in known.of(self.model)}
        same = [present.get(getattr(item, self.identity).casefold()) for item in items]
        uids = [row.uid if row else uuid.uuid4() for row in same]
        fields = [self.to_fields(item) for item in items]
        if self.ordered:
            positions = place([cast(Any, row).position if row else None for row in same])
            fields = [values | {"position": position} for values, position in zip(fields, positions, strict=True)]
        return uids, [self.model(uid=uid, **values) for uid, values in zip(uids, fields, strict=True)]

    def standing(self) -> list[ConfigurationObject]:
        """What every such list has, with its initial values where it has no row; in the list's order, the last."""
        return []

    def sort_key(self, row: Any) -> tuple[Any, ...]:
        if self.ordered:
            return (row.position, row.uid)
        name = getattr(row, self.identity)
        return (name == "ALL", name)

    def to_plain(self, row: ConfigurationObject) -> Plain:
        return plain(self.shape, row)

    def to_fields(self, item: Shape) -> Plain:
        return own_values(self.shape, item)


class Extension(ABC, Generic[S]):
    """A key added to each object of the section `section`; `shape` must be valid with no key given: its default."""

    section: str
    key: str
    shape: type[S]
    model: type[ConfigurationObject]
    mended_at: MendedAt

    @abstractmethod
    def dump(self, rows: Rows) -> Mapping[UUID, Plain]:
        """The values by the uid of the object they belong to; objects left out have the default."""

    @abstractmethod
    def load(self, values: Sequence[tuple[UUID, S]], known: Rows) -> list[ConfigurationObject]:
        """The unsaved rows that hold these values, each for the object of that uid."""

    def of(self, item: Shape) -> S:
        """This extension's value in an object of the section."""
        return cast(S, getattr(item, self.key))


class Together(NamedTuple):
    """A check of what lies between sections. It gets the plain values of `keys`, each of which is valid by itself."""

    keys: tuple[str, ...]
    check: Callable[..., Iterable[Problem]]


_sections: dict[str, Section[Any]] = {}
_extensions: list[Extension[Any]] = []
_together: list[Together] = []


def register(section: Section[Any]) -> None:
    _sections[section.key] = section
    annotation.cache_clear()


def extend(extension: Extension[Any]) -> None:
    _extensions.append(extension)
    annotation.cache_clear()


def check_together(keys: tuple[str, ...], check: Callable[..., Iterable[Problem]]) -> None:
    _together.append(Together(keys, check))


def checks_between() -> list[Together]:
    return list(_together)


def sections() -> list[Section[Any]]:
    """In document order."""
    return sorted(_sections.values(), key=lambda section: section.place)


def section(key: str) -> Section[Any]:
    """Raises KeyError."""
    return _sections[key]


def extensions(key: str) -> list[Extension[Any]]:
    return [extension for extension in _extensions if extension.section == key]


def models_of(key: str) -> set[type[ConfigurationObject]]:
    """The models whose rows a section's value is made of, extensions included."""
    here = _sections[key]
    return {here.model, *here.part_models, *(extension.model for extension in extensions(key))}


@cache
def annotation(key: str) -> Any:
    """The type of a section's value in the document, extensions included."""
    here = _sections[key]
    added: dict[str, Any] = {extension.key: (extension.shape, extension.shape()) for extension in extensions(key)}
    shape = create_model(here.shape.__name__, __base__=here.shape, **added) if added else here.shape
    if not here.many:
        return shape
    # Through a name of type Any: a type made at run time means nothing to the type checker.
    many: Any = tuple
    return Annotated[many[shape, ...], Field(max_length=here.most)]


def adapter(key: str) -> TypeAdapter[Any]:
    return _adapter(annotation(key))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def plain(shape: type[Shape], row: ConfigurationObject) -> Plain:
    """A row's values under the keys of a shape whose fields are named like the model's."""
    return {field.alias or name: getattr(row, name) for name, field in shape.model_fields.items()}


def own_values(shape: type[Shape], item: Shape) -> Plain:
    """The values of a shape's own fields as JSON has them, by field name; those of extensions are left out."""
    return item.model_dump(mode="json", include=set(shape.model_fields))


def identity_of(row: ConfigurationObject) -> str:
    """The name under which a row of one set finds its like in another: case-folded, "" where there is none."""
    return str(getattr(row, row.identity)).casefold() if row.identity else ""


def repeated(values: Iterable[object]) -> list[tuple[int, int]]:
    """Indexes (again, first) of texts that are in the list already, whatever their case."""
    first: dict[str, int] = {}
    found = []
    for index, value in enumerate(values):
        if isinstance(value, str) and first.setdefault(value.strip().casefold(), index) != index:
            found.append((index, first[value.strip().casefold()]))
    return found


def twice(section: Section[Any], again: int, first: int, raw: Any) -> Repeated:
    """The problem of an object that has the name of an earlier one."""
    message = _("%(value)s is in the list already, at %(path)s; give each only once.")
    value, earlier = raw[again][section.identity], path_of(section.key, first)
    path = path_of(section.key, again, section.identity)
    return Repeated(path, message % {"value": value, "path": earlier}, value=value, earlier=earlier)
