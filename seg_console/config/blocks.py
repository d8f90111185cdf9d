"""What differs, a block for each object that stands for itself: first the object, then what is part of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from seg_console.config.changes import Action, Change, FieldChange


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a block: the beginning of a part, a field, or neither where an object differs in no field."""

    part: Change | None = None
    field: FieldChange | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """`whole` is None where the object itself is the same and only parts of it differ."""

    label: str
    name: str
    whole: Change | None
    parts: tuple[Change, ...]

    @property
    def action(self) -> Action:
        return self.whole.action if self.whole else Action.CHANGED

    @property
    def rows(self) -> list[Row]:
        found = _fields(self.whole) if self.whole else []
        for part in self.parts:
            found += [Row(part=part), *_fields(part)]
        return found or [Row()]


def blocks(changes: Iterable[Change]) -> list[Block]:
    """The blocks by kind of object, in the order in which the kinds come, then by name."""
    kinds: dict[str, dict[UUID, list[Change]]] = {}
    for change in changes:
        model, uid = change.belongs_to
        kinds.setdefault(model, {}).setdefault(uid, []).append(change)
    return [block for of_kind in kinds.values() for block in sorted(map(_block, of_kind.values()), key=_by_name)]


def _block(changes: list[Change]) -> Block:
    whole = next((change for change in changes if not change.within), None)
    parts = tuple(change for change in changes if change.within)
    label, name = (whole.label, whole.name) if whole else (parts[0].whole_label, parts[0].within)
    return Block(label, name, whole, parts)


def _by_name(block: Block) -> str:
    return block.name.casefold()


def _fields(change: Change) -> list[Row]:
    """Only what says something: an added object's empty fields do not."""
    return [Row(field=field) for field in change.fields if field.old or field.new]
