"""What the audit log is told of the configuration, in the transaction of the change itself.

Labels are kept in English, whatever the person's language: the page translates them for its reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.utils import translation

from seg_console.audit.models import Act
from seg_console.audit.record import LONGEST_VALUE, Changed, record
from seg_console.config import rows
from seg_console.config.changes import (
    Change,
    Comparison,
    FieldChange,
    Ranks,
    Text,
    compare,
    has_order,
    names_of_wholes,
    ranks,
    worded,
)
from seg_console.config.excerpts import LONGEST_LIST, excerpts
from seg_console.config.models import Configuration, ConfigurationObject
from seg_console.config.rows import Difference, Model

if TYPE_CHECKING:
    from uuid import UUID

    from seg_console.accounts.models import User

Pair = tuple[ConfigurationObject | None, ConfigurationObject | None]


@contextmanager
def submitting(
    user: User,
    pending: Configuration,
    *,
    written: Sequence[ConfigurationObject],
    removed: Sequence[ConfigurationObject],
) -> Iterator[None]:
    """Around the writing into a pending set: record what the objects were before, and are afterwards.

    The number of queries depends on the models concerned alone. What writes the same values again is not recorded.
    """
    difference = _to_be(pending, written, removed)
    with translation.override("en"):
        names, places = names_of_wholes(difference, pending), _places(difference, pending)
    yield
    if not difference:
        return
    with translation.override("en"):
        after = _places(difference, pending)
        orders = {model: (before, after[model]) for model, before in places.items()}
        found = worded(difference, wholes=(names, names_of_wholes(difference, pending)), orders=orders)
        record(Act.SUBMIT, by=user, changes=_changed(found), size=len(found))


def replaced(user: User, found: Sequence[Change], *, size: int) -> None:
    """Record that a list was given anew by the beginning of what differs, with the labels in English, of `size` objects
    in all."""
    record(Act.SUBMIT, by=user, changes=_changed(found), more_changes=size - len(found), size=size)


def changed(
    act: Act, user: User | None, *, before: Configuration, after: Configuration, target: str = "", detail: str = ""
) -> None:
    """Record an act that made one whole set of another: the beginning of what differs, and how many objects do."""
    with translation.override("en"):
        compared(act, user, compare(before, after), target=target, detail=detail)


def compared(act: Act, user: User | None, found: Comparison, *, target: str = "", detail: str = "") -> None:
    """Record an act by the comparison of the sets before and after it, made with the labels in English."""
    record(
        act,
        by=user,
        target=target,
        detail=detail,
        changes=_changed(found.shown),
        more_changes=found.left_out,
        size=found.size.added + found.size.changed + found.size.removed,
    )


def _to_be(
    pending: Configuration, written: Sequence[ConfigurationObject], removed: Sequence[ConfigurationObject]
) -> Difference:
    """What differs in the set once these objects are written and removed; without those that stay as they are."""
    old = _standing(pending, [*written, *removed]) | _parts(pending, removed)
    new = {row.uid: row for row in written}
    pairs: dict[Model, dict[UUID, Pair]] = {}
    for uid in old | new:
        before, after = old.get(uid), new.get(uid)
        row = after or before
        if row is not None and not _equal(before, after):
            pairs.setdefault(type(row), {})[uid] = (before, after)
    return pairs


def _standing(pending: Configuration, objects: Sequence[ConfigurationObject]) -> dict[UUID, ConfigurationObject]:
    """The rows of the set that have the uids of these objects."""
    found: dict[UUID, ConfigurationObject] = {}
    by_label = sorted(objects, key=lambda row: row._meta.label)
    for model, run in groupby(by_label, key=type):
        found |= rows.some(model, pending, [row.uid for row in run])
    return found


def _parts(pending: Configuration, removed: Sequence[ConfigurationObject]) -> dict[UUID, ConfigurationObject]:
    """The rows that go with the objects whose parts they are."""
    labels, uids = {row._meta.label for row in removed}, [row.uid for row in removed]
    found: dict[UUID, ConfigurationObject] = {}
    for model in rows.models():
        if model.parent_model in labels:
            manager: Any = model._default_manager
            of_removed = manager.filter(configuration=pending, **{f"{model.parent_field}__in": uids})
            found |= {row.uid: row for row in of_removed}
    return found


def _equal(one: ConfigurationObject | None, other: ConfigurationObject | None) -> bool:
    if one is None or other is None:
        return one is other
    return all(getattr(one, name) == getattr(other, name) for name in type(one).value_fields())


def _places(difference: Difference, pending: Configuration) -> dict[Model, Ranks]:
    """Places in lists, of the models where a place tells something: an object came, went or moved, or has no name."""
    found: dict[Model, Ranks] = {}
    for model, pairs in difference.items():
        if not has_order(model):
            continue
        if model.parent_field:
            wholes = {row.parent_uid for pair in pairs.values() for row in pair if row and row.parent_uid}
            found[model] = ranks(model, pending, within=wholes)
        elif any(_has_moved(*pair) for pair in pairs.values()):
            found[model] = ranks(model, pending)
        else:
            found[model] = {}
    return found


def _has_moved(old: Any, new: Any) -> bool:
    return old is None or new is None or old.position != new.position


def _changed(changes: Iterable[Change]) -> Iterator[Changed]:
    for change in changes:
        fields = [field for field in change.fields if field.old or field.new] or [FieldChange("", "", "")]
        for field in fields:
            old, new = _sides(field)
            yield Changed(
                change.label, field.label, old, new, name=change.name, within=change.within, is_worded=field.is_worded
            )


def _sides(field: FieldChange) -> tuple[str, str]:
    # A longer list is told by the entries that went and came: the beginning of both sides would hide the change.
    both_lists = isinstance(field.old, tuple) and isinstance(field.new, tuple)
    if both_lists and max(len(field.old), len(field.new)) > LONGEST_LIST:
        return _text(field.gone), _text(field.come)
    old, new = _text(field.old), _text(field.new)
    if max(len(old), len(new)) <= LONGEST_VALUE:
        return old, new
    # The log cuts values at their end; what differs must not be lost there.
    shown_old, shown_new = excerpts(old, new)
    return shown_old, shown_new


def _text(value: Text) -> str:
    return value if isinstance(value, str) else "\n".join(value)
