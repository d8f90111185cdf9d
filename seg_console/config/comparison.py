"""Which objects differ between two sets: counted by the database, and only the first few of them named.

Two statements for each model, each a walk along one set with a look into the other by uid: faster than EXCEPT, and
nothing is read of what is the same (40,000 routes of which one differs: a few hundredths of a second).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef

from seg_console.config import registry, rows
from seg_console.config.models import CommittedSection, Configuration, ConfigurationObject, State
from seg_console.config.rows import Difference, Model


@dataclass(frozen=True, slots=True)
class Differing:
    """What differs of one model. `uids`: the first few in the order people read them, those that are gone last."""

    model: Model
    added: int
    changed: int
    removed: int
    uids: tuple[UUID, ...]

    @property
    def total(self) -> int:
        return self.added + self.changed + self.removed


def differing(before: Configuration, after: Configuration, *, most: int) -> list[Differing]:
    """The models that differ, in the order of the installed apps, each with at most `most` uids."""
    found = (_differing(model, before, after, most) for model in _worth_a_look(before, after))
    return [one for one in found if one.total]


def differ(before: Configuration, after: Configuration) -> bool:
    """Whether two sets hold different configuration; stops at the first model that does."""
    return any(_differing(model, before, after, 1).total for model in _worth_a_look(before, after))


def pairs(before: Configuration, after: Configuration, wanted: Iterable[tuple[Model, Collection[UUID]]]) -> Difference:
    """The rows of some objects in both sets, None where a set does not have one: two queries for each model."""
    found = {}
    for model, uids in wanted:
        old, new = _rows(before, model, uids), _rows(after, model, uids)
        found[model] = {uid: (old.get(uid), new.get(uid)) for uid in uids}
    return found


def _worth_a_look(before: Configuration, after: Configuration) -> list[Model]:
    """The models that may differ. Committed sets have prints, and sections that read the same need no comparison."""
    if State.PENDING in {before.state, after.state}:
        return rows.models()
    keys = {*_keys_only_in(before, after), *_keys_only_in(after, before)}
    of_sections = {model for key in keys for model in registry.models_of(key)}
    return [model for model in rows.models() if model in of_sections]


def _keys_only_in(one: Configuration, other: Configuration) -> list[str]:
    same = CommittedSection.objects.filter(configuration=other, key=OuterRef("key"), text=OuterRef("text"))
    return list(CommittedSection.objects.filter(~Exists(same), configuration=one).values_list("key", flat=True))


def _differing(model: Model, before: Configuration, after: Configuration, most: int) -> Differing:
    here = _ask(_there_or_changed(model), [before.pk, after.pk, most])
    gone = _ask(_gone(model), [after.pk, before.pk, most])
    total, added = (here[0][1], here[0][2]) if here else (0, 0)
    return Differing(
        model,
        added=added,
        changed=total - added,
        removed=gone[0][1] if gone else 0,
        uids=tuple(_uid(row[0]) for row in [*here, *gone][:most]),
    )


def _there_or_changed(model: Model) -> str:
    """Statement with the parameters before, after, limit: uid, number of all, number of those that are new."""
    quote = connection.ops.quote_name
    # Null is like null: the standard's words for it are younger than the oldest SQLite that Django runs on.
    like = "IS" if connection.vendor == "sqlite" else "IS NOT DISTINCT FROM"
    columns = [quote(str(model._meta.get_field(name).column)) for name in model.value_fields()]  # type: ignore[union-attr]  # concrete fields
    same = " AND ".join(f"here.{column} {like} other.{column}" for column in columns)
    return (
        "SELECT here.uid, COUNT(*) OVER (), SUM(CASE WHEN other.id IS NULL THEN 1 ELSE 0 END) OVER ()"
        f" FROM {_both(model)} AND (other.id IS NULL OR NOT ({same})) ORDER BY {_reading_order(model)} LIMIT %s"
    )


def _gone(model: Model) -> str:
    """Statement with the parameters after, before, limit: uid, number of all."""
    return (
        f"SELECT here.uid, COUNT(*) OVER () FROM {_both(model)} AND other.id IS NULL"
        f" ORDER BY {_reading_order(model)} LIMIT %s"
    )


def _both(model: Model) -> str:
    table = connection.ops.quote_name(model._meta.db_table)
    return (
        f"{table} here LEFT JOIN {table} other ON other.configuration_id = %s AND other.uid = here.uid"
        " WHERE here.configuration_id = %s"
    )


def _reading_order(model: Model) -> str:
    names = [name for name in (model.parent_field, "position", model.identity) if name in model.value_fields()]
    return ", ".join(f"here.{connection.ops.quote_name(name)}" for name in [*names, "uid"])


def _ask(statement: str, parameters: list[int]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def _uid(value: UUID | str) -> UUID:
    """SQLite keeps a UUID as text."""
    return value if isinstance(value, UUID) else UUID(value)


def _rows(configuration: Configuration, model: Model, uids: Collection[UUID]) -> dict[UUID, ConfigurationObject]:
    manager: Any = model._default_manager
    return {row.uid: row for row in manager.filter(configuration=configuration, uid__in=uids)}
