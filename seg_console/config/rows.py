"""Rows of whole sets: read, copied, compared and written with a number of statements that the models decide, not the
number of objects."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from django.apps import apps
from django.db import connection
from django.db.models import Manager, QuerySet

from seg_console.config.models import Configuration, ConfigurationObject
from seg_console.mail.bulk import insert_many

Row = TypeVar("Row", bound=ConfigurationObject)
Model = type[ConfigurationObject]

# Fewer bound values than any supported database allows in one statement.
_UIDS_PER_STATEMENT = 500


def models() -> list[Model]:
    """Every model whose rows belong to a set, in the order of the installed apps."""
    return [model for model in apps.get_models() if issubclass(model, ConfigurationObject)]


class Rows:
    """Rows by model: those of one whole set, or the part of it that somebody needs."""

    def __init__(self, rows: Iterable[ConfigurationObject] = ()) -> None:
        self._by_model: dict[Model, list[ConfigurationObject]] = {}
        self.add(rows)

    def add(self, rows: Iterable[ConfigurationObject]) -> None:
        for model, run in groupby(rows, key=type):
            self._by_model.setdefault(model, []).extend(run)

    def of(self, model: type[Row]) -> list[Row]:
        return self._by_model.get(model, [])  # type: ignore[return-value]  # keyed by the rows' own type

    def __iter__(self) -> Iterator[ConfigurationObject]:
        for rows in self._by_model.values():
            yield from rows


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the garbage collector from walking tens of thousands of new rows over and over: half of the time of a
    large set, and none of them is garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def read(configuration: Configuration, only: Iterable[Model] | None = None) -> Rows:
    """All rows of a set, or those of some models; one query for each model."""
    found = Rows()
    for model in models() if only is None else only:
        found.add(_default_manager(model).filter(configuration=configuration))
    return found


def copy(*, source: Configuration, target: Configuration) -> None:
    """Copy every row of a set into an empty one, inside the database: one statement for each model."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        for model in models():
            copied = {"uid", *model.value_fields()}
            columns = ", ".join(
                quote(str(field.column)) for field in model._meta.concrete_fields if field.name in copied
            )
            table, owner = quote(model._meta.db_table), quote("configuration_id")
            cursor.execute(
                f"INSERT INTO {table} ({owner}, {columns}) SELECT %s, {columns} FROM {table} WHERE {owner} = %s",
                [target.pk, source.pk],
            )


def write(configuration: Configuration, rows: Iterable[ConfigurationObject]) -> None:
    """Put rows into a set: one that has a row of the same uid has it replaced, the others stay.

    Replaced rows are deleted and inserted, not updated, because two objects may have exchanged their names and an
    update would meet the unique constraint half-way.
    """
    batch = list(rows)
    for model in {type(row) for row in batch}:
        remove(configuration, model, [row.uid for row in batch if type(row) is model])
    insert(configuration, batch)


def insert(configuration: Configuration, rows: Iterable[ConfigurationObject]) -> None:
    """Put rows into a set that has none of them. By a prepared statement for each model: a set may hold 40,000."""
    for model, run in groupby(sorted(rows, key=lambda row: row._meta.label), key=type):
        columns = _compared(model)
        values = attrgetter(*columns)
        insert_many(model, ["configuration_id", *columns], ((configuration.pk, *values(row)) for row in run))


def remove(configuration: Configuration, model: Model, uids: Sequence[UUID]) -> None:
    """Delete the objects of these uids from a set; those it does not have are no error."""
    for start in range(0, len(uids), _UIDS_PER_STATEMENT):
        some = uids[start : start + _UIDS_PER_STATEMENT]
        _default_manager(model).filter(configuration=configuration, uid__in=some).delete()


def clear(configuration: Configuration) -> None:
    """Delete every row of a set."""
    for model in models():
        _default_manager(model).filter(configuration=configuration).delete()


Difference = Mapping[Model, Mapping[UUID, tuple[ConfigurationObject | None, ConfigurationObject | None]]]


def difference(before: Configuration, after: Configuration) -> Difference:
    """Objects that differ between two sets, as (before, after), None where a set does not have it.

    The database compares, so that only differing rows are read: two queries for each model. Rows are unsaved copies.
    """
    found: dict[Model, dict[UUID, tuple[ConfigurationObject | None, ConfigurationObject | None]]] = {}
    for model in models():
        old, new = _only_in(model, before, after), _only_in(model, after, before)
        if old or new:
            found[model] = {uid: (old.get(uid), new.get(uid)) for uid in old | new}
    return found


def some(model: Model, configuration: Configuration | int, uids: Sequence[UUID]) -> dict[UUID, ConfigurationObject]:
    """Those objects of a set, which its key names too, that have one of these uids, by uid."""
    found: dict[UUID, ConfigurationObject] = {}
    for start in range(0, len(uids), _UIDS_PER_STATEMENT):
        chosen = uids[start : start + _UIDS_PER_STATEMENT]
        found |= {row.uid: row for row in _default_manager(model).filter(configuration=configuration, uid__in=chosen)}
    return found


def names(configuration: Configuration, model: Model, uids: Collection[UUID]) -> dict[UUID, str]:
    """Display names of some objects of a set, in one query."""
    rows = _default_manager(model).filter(configuration=configuration, uid__in=uids)
    return {row.uid: row.display_name() for row in rows}


def _only_in(model: Model, one: Configuration, other: Configuration) -> dict[UUID, ConfigurationObject]:
    fields = _compared(model)
    return {values[0]: model(**dict(zip(fields, values, strict=True))) for values in _difference(model, one, other)}


def _difference(model: Model, one: Configuration, other: Configuration) -> QuerySet[Any, tuple[Any, ...]]:
    rows = _default_manager(model).order_by().values_list(*_compared(model))
    return rows.filter(configuration=one).difference(rows.filter(configuration=other))


def _compared(model: Model) -> list[str]:
    return ["uid", *model.value_fields()]


def _default_manager(model: type[Row]) -> Manager[Any]:
    return model._default_manager
