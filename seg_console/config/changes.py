"""What differs between two sets, as an administrator reads it: objects by name, fields by label, old and new."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.apps import apps
from django.utils.translation import gettext as _

from seg_console.config import comparison, rows
from seg_console.config.comparison import Differing
from seg_console.config.models import Configuration, ConfigurationObject
from seg_console.config.rows import Difference, Model

Text = str | tuple[str, ...]
# Places in a list, from 1; a text where there is more to say of a place.
Ranks = dict[UUID, int | str]
Names = dict[UUID, str]

# More than this nobody reads; a difference of 40,000 routes is shown by its beginning and a count of the rest.
MOST_SHOWN = 200


class Action(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """`old` and `new` are texts, or tuples of texts for a list; "" or () on the side that has no such object.

    `is_worded`: they are words of ours, in the language in force, not what somebody typed."""

    label: str
    old: Text
    new: Text
    is_worded: bool = False

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
    """One object that differs. `within` is the name of the object it is a part of, "" if it stands for itself.

    `belongs_to`: model and uid of that object, or its own. `whole_label`: what kind of object that is."""

    model: str
    uid: UUID
    action: Action
    label: str
    name: str
    within: str
    fields: tuple[FieldChange, ...]
    belongs_to: tuple[str, UUID]
    whole_label: str = ""


@dataclass(frozen=True, slots=True)
class Size:
    """How many objects differ."""

    added: int
    changed: int
    removed: int


NOTHING = Size(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two sets, as far as people read: `left_out` objects more differ than are `shown`."""

    shown: tuple[Change, ...]
    left_out: int
    size: Size


def compare(before: Configuration, after: Configuration) -> Comparison:
    """What differs, at most MOST_SHOWN objects of it. The number of queries does not depend on the sets' size, nor the
    time much on how many objects differ."""
    return comparison_of(comparison.differing(before, after, most=MOST_SHOWN), before=before, after=after)


def comparison_of(
    found: Sequence[Differing], *, before: Configuration, after: Configuration, most: int = MOST_SHOWN
) -> Comparison:
    """The readable form of what `comparison.differing` found between two sets."""
    shown = {one.model: one.uids for one in _fitting(found, most)}
    difference = comparison.pairs(before, after, ((one.model, shown[one.model]) for one in found))
    described = tuple(describe(difference, before=before, after=after))
    total = sum(one.total for one in found)
    if total <= most:
        return Comparison(described, 0, _size(described))
    counted = Size(
        sum(one.added for one in found), sum(one.changed for one in found), sum(one.removed for one in found)
    )
    return Comparison(described, total - sum(len(uids) for uids in shown.values()), counted)


def changes(before: Configuration, after: Configuration) -> list[Change]:
    """Everything that differs, grouped by kind of object. The number of queries does not depend on the sets' size."""
    return describe(rows.difference(before, after), before=before, after=after)


def describe(difference: Difference, *, before: Configuration, after: Configuration) -> list[Change]:
    """The readable form of a difference between two sets. What reads the same on both sides is left out."""
    wholes = (names_of_wholes(difference, before), names_of_wholes(difference, after))
    orders = {
        model: (
            ranks(model, before, within=_lists_of(model, pairs)),
            ranks(model, after, within=_lists_of(model, pairs)),
        )
        for model, pairs in difference.items()
        if has_order(model)
    }
    return worded(difference, wholes=wholes, orders=orders)


def worded(
    difference: Difference, *, wholes: tuple[Names, Names], orders: Mapping[Model, tuple[Ranks, Ranks]]
) -> list[Change]:
    """The readable form of a difference, with the names of the objects that parts belong to and the places in lists,
    both before and after."""
    found = []
    for model, pairs in difference.items():
        order = orders.get(model, ({}, {}))
        of_model = [_change(uid, old, new, wholes=wholes, order=order) for uid, (old, new) in pairs.items()]
        telling = [change for change in of_model if change.fields or change.action != Action.CHANGED]
        found += sorted(telling, key=_by_name)
    return found


def _by_name(change: Change) -> tuple[str, int, str, UUID]:
    """Parts that are called by their place in a list stand in its order: 2 before 10."""
    place = len(change.name) if change.within and change.name.isdecimal() else 0
    return change.within.casefold(), place, change.name.casefold(), change.uid


def _fitting(found: Iterable[Differing], most: int) -> list[Differing]:
    """Only as many uids as there is room for. Small changes go first: a policy is not lost behind 40,000 routes."""
    fitting = []
    for one in sorted(found, key=lambda one: one.total):
        fitting.append(replace(one, uids=one.uids[:most]))
        most -= len(fitting[-1].uids)
    return fitting


def _size(described: Iterable[Change]) -> Size:
    count = Counter(change.action for change in described)
    return Size(count[Action.ADDED], count[Action.CHANGED], count[Action.REMOVED])


def _lists_of(model: Model, pairs: Mapping[UUID, tuple[ConfigurationObject | None, ...]]) -> set[UUID] | None:
    """The objects whose parts these are, None of a model whose rows are one list."""
    if not model.parent_field:
        return None
    return {row.parent_uid for pair in pairs.values() for row in pair if row and row.parent_uid}


def _change(
    uid: UUID,
    old: ConfigurationObject | None,
    new: ConfigurationObject | None,
    *,
    wholes: tuple[Names, Names],
    order: tuple[Ranks, Ranks],
) -> Change:
    row = new or old
    assert row is not None
    old, new = old or _holding(row, wholes, 0), new or _holding(row, wholes, 1)
    action = Action.CHANGED if old and new else Action.ADDED if new else Action.REMOVED
    return Change(
        model=row._meta.label,
        uid=uid,
        action=action,
        label=str(row._meta.verbose_name),
        name=_name(row, uid, order),
        within=_within(row, wholes),
        fields=tuple(_fields(uid, old, new, order)),
        belongs_to=(row.parent_model, row.parent_uid) if row.parent_uid else (row._meta.label, uid),
        whole_label=_whole_label(row, wholes),
    )


def _holding(row: ConfigurationObject, wholes: tuple[Names, Names], side: int) -> ConfigurationObject | None:
    """What holds in the set of that side, which has no row for this object: nothing if it is part of an object that
    the set does not have either."""
    if row.parent_uid and row.parent_uid not in wholes[side] and row.parent_uid in wholes[1 - side]:
        return None
    return row.in_its_absence()


def _within(row: ConfigurationObject, wholes: tuple[Names, Names]) -> str:
    """The name of the whole, as the later set has it."""
    if not row.parent_uid:
        return ""
    return wholes[1].get(row.parent_uid) or wholes[0].get(row.parent_uid) or str(row.parent_without_row)


def _whole_label(row: ConfigurationObject, wholes: tuple[Names, Names]) -> str:
    """The kind of the whole; its name where it has no row, because that one is the only one of its kind."""
    if not row.parent_uid:
        return ""
    if row.parent_uid in wholes[0] or row.parent_uid in wholes[1]:
        return str(apps.get_model(row.parent_model)._meta.verbose_name)
    return str(row.parent_without_row)


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
        if name in row.secret_fields and before and after:
            # Both are the mask; that they are not the same is all that may be said.
            yield FieldChange(label, before, _("changed"), is_worded=True)
        if before != after:
            yield FieldChange(label, before, after, is_worded=_is_worded(row, name))


def _text(row: ConfigurationObject | None, name: str, rank: int | str | None) -> Text:
    if row is None:
        return ""
    # Positions are sparse; what a person reads is the place in the list.
    return str(rank or "") if name == "position" else row.display(name)


def _is_worded(row: ConfigurationObject, name: str) -> bool:
    field: Any = row._meta.get_field(name)
    return bool(field.choices) or isinstance(getattr(row, name), bool)


def _name(row: ConfigurationObject, uid: UUID, order: tuple[Ranks, Ranks]) -> str:
    if row.parent_field and not row.identity and has_order(type(row)):
        return str(order[1].get(uid) or order[0].get(uid) or "")
    return row.display_name()


def has_order(model: Model) -> bool:
    return "position" in model.value_fields()


def ranks(model: Model, configuration: Configuration, *, within: Collection[UUID] | None = None) -> Ranks:
    """Place in its list, from 1, by uid; parts are counted within what they are a part of. `within`: uids of the
    objects whose parts are to be counted; without it, all."""
    group = [model.parent_field] if model.parent_field else []
    manager: Any = model._default_manager
    rows_of_lists = manager.filter(configuration=configuration)
    if within is not None:
        rows_of_lists = rows_of_lists.filter(**{f"{model.parent_field}__in": within})
    places: Ranks = {}
    last: dict[Any, int] = defaultdict(int)
    for uid, *whole in rows_of_lists.order_by("position", "uid").values_list("uid", *group):
        last[tuple(whole)] += 1
        places[uid] = last[tuple(whole)]
    return places


def names_of_wholes(difference: Difference, configuration: Configuration) -> Names:
    """Display names of the objects in a set that differing parts belong to."""
    wanted: dict[str, set[UUID]] = defaultdict(set)
    for model, pairs in difference.items():
        if model.parent_model:
            wanted[model.parent_model] |= {row.parent_uid for pair in pairs.values() for row in pair if row} - {None}  # type: ignore[arg-type]
    return {
        uid: name
        for label, uids in wanted.items()
        for uid, name in rows.names(configuration, apps.get_model(label), uids).items()
    }


def _without(these: Text, those: Text) -> tuple[str, ...]:
    if not isinstance(these, tuple):
        return ()
    others = set(those) if isinstance(those, tuple) else set()
    return tuple(entry for entry in these if entry not in others)
