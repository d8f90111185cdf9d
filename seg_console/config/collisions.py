"""Two changes that exclude each other, field by field: what both began from, mine and theirs. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from seg_console.config.changes import Action, Change, FieldChange, Text
from seg_console.config.pending import Collision


@dataclass(frozen=True, slots=True)
class CollidingField:
    """`base`: the value that both sides began from. "" where a side has no such object."""

    label: str
    base: Text
    mine: Text
    theirs: Text

    @property
    def differs(self) -> bool:
        return self.mine != self.theirs


@dataclass(frozen=True, slots=True)
class CollidingObjects:
    """`mine` and `theirs` are mostly changes of one object; they differ where a part collides with its whole or two
    new objects bear one name. None where that side's object itself did not change."""

    mine: Change | None
    theirs: Change | None
    fields: tuple[CollidingField, ...]

    @property
    def are_one(self) -> bool:
        return _are_one(self.mine, self.theirs)


def side_by_side(collision: Collision) -> CollidingObjects:
    mine, theirs = collision.mine, collision.theirs
    sides = [side for side in (mine, theirs) if side]
    # What a removal takes away says nothing beside what the other side made of the object.
    telling = [side for side in sides if side.action != Action.REMOVED] or sides
    labels = dict.fromkeys(field.label for side in telling for field in side.fields)
    return CollidingObjects(mine, theirs, tuple(_field(label, mine, theirs) for label in labels))


def _field(label: str, mine: Change | None, theirs: Change | None) -> CollidingField:
    my_field, their_field = _named(mine, label), _named(theirs, label)
    changed = my_field or their_field
    base = changed.old if changed else ""
    # An object that only one side has does not lend the other its values.
    kept = base if _are_one(mine, theirs) else ""
    return CollidingField(label, base, _value(mine, my_field, kept), _value(theirs, their_field, kept))


def _value(side: Change | None, field: FieldChange | None, kept: Text) -> Text:
    if side is None or side.action == Action.REMOVED:
        return ""
    return field.new if field else kept


def _named(change: Change | None, label: str) -> FieldChange | None:
    return next((field for field in change.fields if field.label == label), None) if change else None


def _are_one(mine: Change | None, theirs: Change | None) -> bool:
    return bool(mine and theirs and (mine.model, mine.uid) == (theirs.model, theirs.uid))
