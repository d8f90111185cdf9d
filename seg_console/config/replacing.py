"""One list of a user's pending set given anew, as from an imported file; everything else in the set stays."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from dataclasses import replace as changed
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from seg_console.audit.record import MOST_CHANGES
from seg_console.config import auditing, comparison, document, pending, registry, rows
from seg_console.config.changes import Action, Change, Comparison, Ranks, Size, worded
from seg_console.config.models import Configuration, ConfigurationObject
from seg_console.config.order import staying
from seg_console.config.problems import InvalidConfiguration, Problem, Repeated, index_in, path_of
from seg_console.config.registry import ListSection, Shape
from seg_console.config.rows import Rows

if TYPE_CHECKING:
    from seg_console.accounts.models import User

Pair = tuple[ConfigurationObject | None, ConfigurationObject | None]

# Of each kind of difference; more than this nobody reads before an import.
MOST_PREVIEWED = 50


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
class Preview:
    """What a replacement does, as an administrator reads it: at most MOST_PREVIEWED objects of each kind.

    `staying`: names of those that are in every such list, and whether they are changed."""

    counts: Replacement
    added: Comparison
    changed: Comparison
    moved: Comparison
    removed: Comparison
    staying: tuple[tuple[str, bool], ...]


def checked(section: ListSection[Any], items: Sequence[Any], shown: Configuration) -> tuple[Shape, ...]:
    """The validated objects of a list, checked against the other sections of the set too.

    Raises InvalidConfiguration with all that is wrong; paths begin with the section's key and the index.
    """
    with rows.collector_paused():
        try:
            found: tuple[Shape, ...] = document.value_of(section, items)
        except InvalidConfiguration as invalid:
            raise InvalidConfiguration(_with_those_of_the_others(section, items, shown, invalid.problems)) from None
        problems = _problems_between(section, items, shown)
    if problems:
        raise InvalidConfiguration(problems)
    return found


def _with_those_of_the_others(
    section: ListSection[Any], items: Sequence[Any], shown: Configuration, problems: Sequence[Problem]
) -> list[Problem]:
    """With what is wrong between the other objects, which is only looked at where each is valid by itself: nobody is
    told of it only after all else is mended."""
    faulty = {index_in(problem.path, section.key) for problem in problems}
    if None in faulty:
        return list(problems)
    places = [place for place in range(len(items)) if place not in faulty]
    try:
        checked(section, [items[place] for place in places], shown)
    except InvalidConfiguration as invalid:
        # What other sections miss now may be among the faulty ones.
        here = [problem for problem in invalid.problems if problem.section == section.key]
        return [*problems, *(_moved(problem, section.key, places) for problem in here)]
    return list(problems)


def _moved(problem: Problem, key: str, places: Sequence[int]) -> Problem:
    """A problem of some objects of a list, with their places in the whole of it."""
    path = _path_moved(problem.path, key, places)
    if isinstance(problem, Repeated):
        return changed(problem, path=path, earlier=_path_moved(problem.earlier, key, places))
    return changed(problem, path=path)


def _path_moved(path: str, key: str, places: Sequence[int]) -> str:
    index = index_in(path, key)
    return path if index is None else path_of(key, places[index]) + path.removeprefix(path_of(key, index))


def preview(section: ListSection[Any], values: Sequence[Shape], shown: Configuration) -> Preview:
    """What `replace` would do to the set that is shown. One query."""
    with rows.collector_paused():
        known = rows.read(shown, [section.model])
        _uids, wanted = section.load(values, known)
        found = _difference(section, known, wanted)
    return Preview(
        counts=found.counts(),
        added=_previewed(found, Action.ADDED, found.added),
        changed=_previewed(found, Action.CHANGED, found.changed),
        moved=_previewed(found, Action.CHANGED, found.moved),
        removed=_previewed(found, Action.REMOVED, found.removed),
        staying=tuple((row.display_name(), row.uid in found.changed) for row in section.standing()),
    )


def replace(user: User, section: ListSection[Any], values: Sequence[Shape]) -> Replacement:
    """Make a list of the user's pending set hold these checked values and nothing else.

    Objects whose names stay keep their uids. For lists whose objects have no parts and no extensions. If the set
    equals the committed one afterwards, nothing is pending any more.
    """
    with rows.collector_paused(), transaction.atomic():
        here = pending.open_pending(user)
        known = rows.read(here, [section.model])
        _uids, wanted = section.load(values, known)
        found = _difference(section, known, wanted)
        result = found.counts()
        if result.size:
            manager: Any = section.model._default_manager
            manager.filter(configuration=here).delete()
            rows.insert(here, wanted)
            with translation.override("en"):
                auditing.replaced(user, found.described(found.all()[:MOST_CHANGES]), size=result.size)
        assert here.based_on is not None, "only the first set is based on none"
        if not comparison.differ(here.based_on, here):
            here.delete()
    return result


@dataclass(frozen=True, slots=True)
class _Difference:
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


def _difference(section: ListSection[Any], known: Rows, wanted: Sequence[ConfigurationObject]) -> _Difference:
    old = _listed(section, sorted(known.of(section.model), key=section.sort_key))
    new = _listed(section, wanted if section.ordered else sorted(wanted, key=section.sort_key))
    values = attrgetter("uid", *(name for name in section.model.value_fields() if name != "position"))
    both = [uid for uid in new if uid in old]
    return _Difference(
        section,
        old,
        new,
        added=[uid for uid in new if uid not in old],
        changed=[uid for uid in both if values(old[uid]) != values(new[uid])],
        removed=[uid for uid in old if uid not in new],
        out_of_order=_out_of_order(list(old), list(new), both) if section.ordered else [],
    )


def _listed(section: ListSection[Any], found: Iterable[ConfigurationObject]) -> dict[UUID, ConfigurationObject]:
    listed = {row.uid: row for row in found}
    return listed | {row.uid: row for row in section.standing() if row.uid not in listed}


def _out_of_order(old: Sequence[UUID], new: Sequence[UUID], both: Sequence[UUID]) -> list[UUID]:
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


def _previewed(found: _Difference, action: Action, uids: Sequence[UUID]) -> Comparison:
    shown = uids[:MOST_PREVIEWED]
    count = {action: len(uids)}
    size = Size(count.get(Action.ADDED, 0), count.get(Action.CHANGED, 0), count.get(Action.REMOVED, 0))
    return Comparison(tuple(found.described(shown)), len(uids) - len(shown), size)


def _problems_between(section: ListSection[Any], items: Sequence[Any], shown: Configuration) -> list[Problem]:
    together = [each for each in registry.checks_between() if section.key in each.keys]
    if not together:
        return []
    others = sorted({key for each in together for key in each.keys} - {section.key})
    needed = {model for key in others for model in registry.models_of(key)}
    found = document.prints(rows.read(shown, needed), others)
    plain = {key: json.loads(one.text) for key, one in found.items()} | {section.key: items}
    return [problem for each in together for problem in each.check(*(plain[key] for key in each.keys))]
