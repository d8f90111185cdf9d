"""What differs between two sets, as an administrator reads it: objects by name, fields by label, old and new."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.apps import apps

from seg_console.config import rows
from seg_console.config.models import Configuration, ConfigurationObject
from seg_console.config.rows import Difference, Model

Text = str | tuple[str, ...]
Ranks = dict[UUID, int]


class Action(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """`old` and `new` are texts, or tuples of texts for a list; "" or () on the side that has no such object."""

    label: str
    old: Text
    new: Text

    @property
    def gone(self) -> tuple[str, ...]:
        """Entries of a list that are no longer in it."""
        return _without(self.old, self.new)

    @property
    def come(self) -> tuple[str, ...]:
        """Entries of a list that are new in it."""
        return _without(self.new, self.old)


@dataclass(frozen=True, slots=True)
class Change:
    """One object that differs. `within` is the name of the object it is a part of, "" if it stands for itself."""

    model: str
    uid: UUID
    action: Action
    label: str
    name: str
    within: str
    fields: tuple[FieldChange, ...]


def changes(before: Configuration, after: Configuration) -> list[Change]:
    """Everything that differs, grouped by kind of object. The number of queries does not depend on the sets' size."""
    return describe(rows.difference(before, after), before=before, after=after)


def describe(difference: Difference, *, before: Configuration, after: Configuration) -> list[Change]:
    """The readable form of a difference between two sets."""
    whole = _names_of_wholes(difference, (before, after))
    found = []
    for model, pairs in difference.items():
        order = (_ranks(model, before), _ranks(model, after)) if _has_order(model) else ({}, {})
        of_model = [_change(uid, old, new, whole=whole, order=order) for uid, (old, new) in pairs.items()]
        found += sorted(of_model, key=lambda change: (change.within.casefold(), change.name.casefold(), change.uid))
    return found


def _change(
    uid: UUID,
    old: ConfigurationObject | None,
    new: ConfigurationObject | None,
    *,
    whole: dict[UUID, str],
    order: tuple[Ranks, Ranks],
) -> Change:
    row = new or old
    assert row is not None
    action = Action.CHANGED if old and new else Action.ADDED if new else Action.REMOVED
    return Change(
        model=row._meta.label,
        uid=uid,
        action=action,
        label=str(row._meta.verbose_name),
        name=_name(row, uid, order),
        within=whole.get(row.parent_uid, str(row.parent_without_row)) if row.parent_uid else "",
        fields=tuple(_fields(uid, old, new, order)),
    )


def _fields(
    uid: UUID, old: ConfigurationObject | None, new: ConfigurationObject | None, order: tuple[Ranks, Ranks]
) -> Iterable[FieldChange]:
    row = new or old
    assert row is not None
    for name in type(row).value_fields():
        if name == row.parent_field or (old and new and getattr(old, name) == getattr(new, name)):
            continue
        label = str(row._meta.get_field(name).verbose_name)  # type: ignore[union-attr]  # a concrete field has one
        before, after = (_text(side, name, ranks.get(uid)) for side, ranks in zip((old, new), order, strict=True))
        if before != after:
            yield FieldChange(label, before, after)


def _text(row: ConfigurationObject | None, name: str, rank: int | None) -> Text:
    if row is None:
        return ""
    # Positions are sparse; what a person reads is the place in the list.
    return str(rank or "") if name == "position" else row.display(name)


def _name(row: ConfigurationObject, uid: UUID, order: tuple[Ranks, Ranks]) -> str:
    if row.parent_field and not row.identity and _has_order(type(row)):
        return str(order[1].get(uid) or order[0].get(uid) or "")
    return row.display_name()


def _has_order(model: Model) -> bool:
    return "position" in model.value_fields()


def _ranks(model: Model, configuration: Configuration) -> Ranks:
    """Place in its list, from 1, by uid; parts are counted within what they are a part of."""
    group = [model.parent_field] if model.parent_field else []
    manager: Any = model._default_manager
    ranks: Ranks = {}
    last: dict[Any, int] = defaultdict(int)
    for uid, *whole in (
        manager.filter(configuration=configuration).order_by("position", "uid").values_list("uid", *group)
    ):
        last[tuple(whole)] += 1
        ranks[uid] = last[tuple(whole)]
    return ranks


def _names_of_wholes(difference: Difference, sets: tuple[Configuration, Configuration]) -> dict[UUID, str]:
    """Display names of the objects that differing parts belong to; the later set's name goes first."""
    wanted: dict[str, set[UUID]] = defaultdict(set)
    for model, pairs in difference.items():
        if model.parent_model:
            wanted[model.parent_model] |= {row.parent_uid for pair in pairs.values() for row in pair if row} - {None}  # type: ignore[arg-type]
    found: dict[UUID, str] = {}
    for label, uids in wanted.items():
        for configuration in sets:
            found |= rows.names(configuration, apps.get_model(label), uids)
    return found


def _without(these: Text, those: Text) -> tuple[str, ...]:
    if not isinstance(these, tuple):
        return ()
    others = set(those) if isinstance(those, tuple) else set()
    return tuple(entry for entry in these if entry not in others)
