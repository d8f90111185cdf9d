"""Insert or change many rows of a hot table with one prepared statement.

Django's bulk_create spends most of its time preparing each value of each row by a chain of method calls: nearly a
millisecond for the seven rows of an accepted message, more than the rest of acceptance together (docs/benchmarks.md);
its bulk_update takes six milliseconds for a row of ten columns. Here a column's conversion is looked up once for all
rows. Names, types and constraints stay the models'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from django.db import connection, models

Convert: TypeAlias = Callable[[Any], Any]


def insert_many(model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert `rows`, each with a value for every field attribute (`message_id`, not `message`) in `columns`.

    Fields that are left out must be null or have a database default. Raises DatabaseError; call inside a transaction,
    in which then nothing of the batch is left.
    """
    _execute(*_insert(connection.vendor, model, tuple(columns)), rows)


def update_many(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]], *, kept: Iterable[str] = ()
) -> None:
    """Change rows that exist: each of `rows` has the new values of `columns`, then the primary key.

    Where the new value of a column in `kept` is None, the old one stays. Raises DatabaseError.
    """
    _execute(*_update(connection.vendor, model, tuple(columns), frozenset(kept)), rows)


def add_many(model: type[models.Model], keys: Sequence[str], number: str, rows: Iterable[Sequence[Any]]) -> None:
    """Add to the field `number` of the rows with these `keys`, which are unique together; a row that does not exist
    begins at zero. Each of `rows` has the values of `keys`, then what is to be added.

    Raises DatabaseError. Whoever adds to several rows in one transaction must have them in the same order as others.
    """
    _execute(*_add(connection.vendor, model, tuple(keys), number), rows)


def _execute(statement: str, converts: Sequence[Convert | None], rows: Iterable[Sequence[Any]]) -> None:
    prepared = [
        tuple(value if convert is None else convert(value) for convert, value in zip(converts, row, strict=True))
        for row in rows
    ]
    if prepared:
        with connection.cursor() as cursor:
            cursor.executemany(statement, prepared)


# Each: the statement, and for each value how it becomes what the database stores; `vendor` is for the cache.


@lru_cache
def _insert(vendor: str, model: type[models.Model], columns: tuple[str, ...]) -> tuple[str, tuple[Convert | None, ...]]:
    fields = _fields(model, columns)
    names = ", ".join(map(_name, fields))
    values = ", ".join(["%s"] * len(fields))
    statement = f"INSERT INTO {_table(model)} ({names}) VALUES ({values})"
    return statement, tuple(map(_convert, fields))


@lru_cache
def _update(
    vendor: str, model: type[models.Model], columns: tuple[str, ...], kept: frozenset[str]
) -> tuple[str, tuple[Convert | None, ...]]:
    fields, (key,) = _fields(model, columns), _fields(model, ("pk",))
    changes = ", ".join(
        f"{_name(field)} = COALESCE(%s, {_name(field)})" if field.attname in kept else f"{_name(field)} = %s"
        for field in fields
    )
    statement = f"UPDATE {_table(model)} SET {changes} WHERE {_name(key)} = %s"
    return statement, (*map(_convert, fields), None)


@lru_cache
def _add(
    vendor: str, model: type[models.Model], keys: tuple[str, ...], number: str
) -> tuple[str, tuple[Convert | None, ...]]:
    statement, converts = _insert(vendor, model, (*keys, number))
    unique = ", ".join(map(_name, _fields(model, keys)))
    (field,) = _fields(model, (number,))
    added = f"{_name(field)} = {_table(model)}.{_name(field)} + EXCLUDED.{_name(field)}"
    return f"{statement} ON CONFLICT ({unique}) DO UPDATE SET {added}", converts


def _fields(model: type[models.Model], columns: Sequence[str]) -> list[models.Field[Any, Any]]:
    by_attribute = {field.attname: field for field in model._meta.concrete_fields}
    return [model._meta.pk if name == "pk" else by_attribute[name] for name in columns]


def _name(field: models.Field[Any, Any]) -> str:
    return connection.ops.quote_name(str(field.column))


def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _convert(field: models.Field[Any, Any]) -> Convert | None:
    if isinstance(field, models.DateTimeField):
        return lru_cache(maxsize=64)(connection.ops.adapt_datetimefield_value)
    if isinstance(field, models.JSONField):
        adapt = connection.ops.adapt_json_value
        return lambda value: adapt(value, None)
    if isinstance(field, models.UUIDField) and not connection.features.has_native_uuid_field:
        return lambda value: None if value is None else value.hex
    if field.choices:
        return str  # a member of a choices class is a string with a name
    return None
