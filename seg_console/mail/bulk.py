"""Insert many rows of a hot table with one prepared statement.

Django's bulk_create spends most of its time preparing each value of each row by a chain of method calls: nearly a
millisecond for the seven rows of an accepted message, more than the rest of acceptance together (docs/benchmarks.md).
Here a column's conversion is looked up once for all rows. Names, types and constraints stay the models'.
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
    statement, converts = _prepared(connection.vendor, model, tuple(columns))
    prepared = [
        tuple(value if convert is None else convert(value) for convert, value in zip(converts, row, strict=True))
        for row in rows
    ]
    if prepared:
        with connection.cursor() as cursor:
            cursor.executemany(statement, prepared)


@lru_cache
def _prepared(
    vendor: str, model: type[models.Model], columns: tuple[str, ...]
) -> tuple[str, tuple[Convert | None, ...]]:
    """The statement, and for each column how a value becomes what the database stores; `vendor` is for the cache."""
    by_attribute = {field.attname: field for field in model._meta.concrete_fields}
    chosen = [by_attribute[name] for name in columns]
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in chosen)
    values = ", ".join(["%s"] * len(chosen))
    statement = f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({values})"
    return statement, tuple(_convert(field) for field in chosen)


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
