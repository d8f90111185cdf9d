"""How a list that is given anew differs from the one that is there: what comes, changes, moves, goes and stays."""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar, cast
from uuid import UUID

from django.utils.translation import gettext as _

from seg_console.config.changes import Change, Ranks, worded
from seg_console.config.models import ConfigurationObject
from seg_console.config.order import staying
from seg_console.config.registry import ListSection
from seg_console.config.rows import Rows

Pair = tuple[ConfigurationObject | None, ConfigurationObject | None]
Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Replacement:
    """How many objects of a list come, change, change their place alone, go and stay. `standing`: how many of them are
    in every such list, whatever is given."""

    added: int
    changed: int
    moved: int
    removed: int
    same: int
    standing: int = 0

    @property
    def total(self) -> int:
        """Objects in the list afterwards."""
        return self.added + self.changed + self.moved + self.same

    @property
    def before(self) -> int:
        """Objects in the list that can go."""
        return self.changed + self.moved + self.removed + self.same - self.standing

    @property
    def size(self) -> int:
        return self.added + self.changed + self.moved + self.removed

    @property
    def empties(self) -> bool:
        return self.removed > 0 and self.total == self.standing

    @property
    def removes_most(self) -> bool:
        """Whether more than half of the objects go."""
        return self.removed * 2 > self.before


@dataclass(frozen=True, slots=True)
class Difference:
    """Two lists by uid, each in its order, and the uids of what differs. Those `out_of_order` stand otherwise among the
    rows that both lists have; those `moved` differ in nothing else. Of a list whose order says nothing none do."""

    section: ListSection[Any]
    old: dict[UUID, ConfigurationObject]
    new: dict[UUID, ConfigurationObject]
    added: list[UUID]
    changed: list[UUID]
    removed: list[UUID]
    out_of_order: list[UUID]

    @property
    def moved(self) -> list[UUID]:
        changed = set(self.changed)
        return [uid for uid in self.out_of_order if uid not in changed]

    def all(self) -> list[UUID]:
        return [*self.changed, *self.moved, *self.added, *self.removed]

    def counts(self) -> Replacement:
        added, changed, moved = len(self.added), len(self.changed), len(self.moved)
        return Replacement(
            added=added,
            changed=changed,
            moved=moved,
            removed=len(self.removed),
            same=len(self.new) - added - changed - moved,
            standing=len(self.section.standing()),
        )

    def described(self, uids: Sequence[UUID]) -> list[Change]:
        """Some of the objects in words. The place in the list is told of what comes, goes or moves, not of what others
        push up or down."""
        moved = set(self.out_of_order)
        pairs = {uid: self._pair(uid, moves=uid in moved) for uid in uids}
        places = [_places(each, pairs, moved) if self.section.ordered else {} for each in (self.old, self.new)]
        order = {self.section.model: (places[0], places[1])}
        return worded({self.section.model: pairs}, wholes=({}, {}), orders=order)

    def _pair(self, uid: UUID, *, moves: bool) -> Pair:
        old, new = self.old.get(uid), self.new.get(uid)
        if not self.section.ordered or old is None or new is None:
            return old, new
        # Positions are sparse, and sometimes all are given anew: whether they are the same says nothing.
        return _at(old, 0), _at(new, int(moves))


def difference(section: ListSection[Any], known: Rows, wanted: Sequence[ConfigurationObject]) -> Difference:
    old = _listed(section, sorted(known.of(section.model), key=section.sort_key))
    new = _listed(section, wanted if section.ordered else sorted(wanted, key=section.sort_key))
    values = [name for name in section.model.value_fields() if name != "position"]
    value = attrgetter(*values)
    both = [uid for uid in new if uid in old]
    return Difference(
        section,
        old,
        new,
        added=[uid for uid in new if uid not in old],
        changed=[
            uid for uid in both if value(old[uid]) != value(new[uid]) and not _read_the_same(old[uid], new[uid], values)
        ],
        removed=[uid for uid in old if uid not in new],
        out_of_order=out_of_order(list(old), list(new), both) if section.ordered else [],
    )


def _read_the_same(old: ConfigurationObject, new: ConfigurationObject, values: Iterable[str]) -> bool:
    """Whether values that differ say the same all the same, as hosts of one priority in another order."""
    differing = [name for name in values if getattr(old, name) != getattr(new, name)]
    # Only lists may; those of 40,000 routes need not be put into words to be told apart.
    return all(
        isinstance(here := getattr(old, name), list)
        and len(here) == len(getattr(new, name)) > 1
        and old.display(name) == new.display(name)
        for name in differing
    )


def _listed(section: ListSection[Any], found: Iterable[ConfigurationObject]) -> dict[UUID, ConfigurationObject]:
    listed = {row.uid: row for row in found}
    return listed | {row.uid: row for row in section.standing() if row.uid not in listed}


def out_of_order(old: Sequence[Name], new: Sequence[Name], both: Sequence[Name]) -> list[Name]:
    """The fewest that must be moved for the order to be the new one, without those that were only taken along: they
    have their place and stand behind the same row."""
    places = {uid: place for place, uid in enumerate(old)}
    kept = staying([places[uid] for uid in both])
    behind = dict(zip(old, [None, *old], strict=False)), dict(zip(new, [None, *new], strict=False))
    new_places = {uid: place for place, uid in enumerate(new)}
    return [
        uid
        for index, uid in enumerate(both)
        if index not in kept and (places[uid], behind[0][uid]) != (new_places[uid], behind[1][uid])
    ]


def _places(listed: dict[UUID, ConfigurationObject], wanted: Container[UUID], moved: Container[UUID]) -> Ranks:
    """The places of some rows, from 1; of those that move also behind which one, since the first match decides."""
    places: Ranks = {}
    before: ConfigurationObject | None = None
    for place, (uid, row) in enumerate(listed.items(), start=1):
        if uid in wanted:
            behind = before.display_name() if before and uid in moved else ""
            places[uid] = _("%(place)s, behind %(name)s") % {"place": place, "name": behind} if behind else place
        before = row
    return places


def _at(row: ConfigurationObject, position: int) -> ConfigurationObject:
    """A copy of a row in an ordered list."""
    moved: Any = copy(row)
    moved.position = position
    return cast(ConfigurationObject, moved)
