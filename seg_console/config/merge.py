"""Three-way merge of two administrators' changes to the same set. Pure: knows neither models nor database.

Changes to different objects merge. These collide:

- both changed the same object, and not to the same thing
- one deleted an object while the other changed or added a part of it
- both brought in an object of the same name
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Key(NamedTuple):
    """What an object is in every set."""

    model: str
    uid: str


@dataclass(frozen=True, slots=True)
class Thing:
    """One object: its values, its name (unique among its model, whatever its case; "" if none), what it is part of."""

    values: tuple[object, ...]
    name: str = ""
    parent: Key | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """What one side did to one object: added (before None), removed (after None) or changed it."""

    before: Thing | None
    after: Thing | None

    @property
    def parent(self) -> Key | None:
        thing = self.after or self.before
        return thing.parent if thing else None


Edits = Mapping[Key, Edit]


@dataclass(frozen=True, slots=True)
class Clash:
    """Keys of the edits that exclude each other; they differ where two objects bear one name, or part and whole."""

    mine: Key
    theirs: Key


@dataclass(frozen=True, slots=True)
class Merged:
    """`apply`: keys of their edits to be carried over into my set. `clashes`: in a stable order, empty if none.

    To overwrite is to apply `apply` and leave the rest of their edits out: mine stand, theirs are undone.
    """

    apply: frozenset[Key]
    clashes: tuple[Clash, ...] = field(default=())


def merge(mine: Edits, theirs: Edits) -> Merged:
    """Merge two sides' edits of a common base."""
    clashes = {*_same_object(mine, theirs), *_part_and_whole(mine, theirs), *_same_name(mine, theirs)}
    refused = {clash.theirs for clash in clashes}
    # Leaving out their removal of an object means keeping all its parts; leaving out their addition, bringing in none.
    whole = {key for key in refused if theirs[key].before is None or theirs[key].after is None}
    left_out = {key for key, edit in theirs.items() if key in refused or edit.parent in whole}
    apply = frozenset(key for key in theirs if key not in left_out and key not in mine)
    return Merged(apply, tuple(sorted(clashes, key=lambda clash: (clash.mine, clash.theirs))))


def _same_object(mine: Edits, theirs: Edits) -> list[Clash]:
    return [Clash(key, key) for key in mine.keys() & theirs.keys() if mine[key].after != theirs[key].after]


def _part_and_whole(mine: Edits, theirs: Edits) -> list[Clash]:
    """A part that one side keeps or adds, of a whole that the other side removed."""
    found = [Clash(whole, key) for key, whole in _parts_kept(theirs) if _removed(mine, whole)]
    return found + [Clash(key, whole) for key, whole in _parts_kept(mine) if _removed(theirs, whole)]


def _parts_kept(edits: Edits) -> list[tuple[Key, Key]]:
    """Parts that are there after these edits, each with its whole."""
    return [(key, edit.parent) for key, edit in edits.items() if edit.after and edit.parent]


def _removed(edits: Edits, key: Key) -> bool:
    return key in edits and edits[key].after is None


def _same_name(mine: Edits, theirs: Edits) -> list[Clash]:
    named = {(key.model, edit.after.name): key for key, edit in mine.items() if edit.after and edit.after.name}
    found = []
    for key, edit in theirs.items():
        other = named.get((key.model, edit.after.name)) if edit.after else None
        if other and other != key:
            found.append(Clash(other, key))
    return found
