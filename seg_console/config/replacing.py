"""One list of a user's pending set given anew, as from an imported file; everything else in the set stays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction

from seg_console.audit.record import MOST_CHANGES
from seg_console.config import auditing, comparison, document, pending, registry, rows
from seg_console.config.changes import Ranks, has_order, ranks
from seg_console.config.models import Configuration, ConfigurationObject
from seg_console.config.problems import InvalidConfiguration, Problem, Repeated, index_in, path_of
from seg_console.config.registry import ListSection, Shape
from seg_console.config.rows import Rows

if TYPE_CHECKING:
    from seg_console.accounts.models import User

Pair = tuple[ConfigurationObject | None, ConfigurationObject | None]


@dataclass(frozen=True, slots=True)
class Replacement:
    """How many objects of a list come, change, go and stay."""

    added: int
    changed: int
    removed: int
    same: int

    @property
    def total(self) -> int:
        """Objects in the list afterwards."""
        return self.added + self.changed + self.same

    @property
    def size(self) -> int:
        return self.added + self.changed + self.removed


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


def preview(section: ListSection[Any], values: Sequence[Shape], shown: Configuration) -> Replacement:
    """What `replace` would do to the set that is shown. One query."""
    with rows.collector_paused():
        known = rows.read(shown, [section.model])
        _uids, wanted = section.load(values, known)
        return _counted(_difference(known, wanted, section), len(wanted))


def replace(user: User, section: ListSection[Any], values: Sequence[Shape]) -> Replacement:
    """Make a list of the user's pending set hold these checked values and nothing else.

    Objects whose names stay keep their uids. For lists whose objects have no parts and no extensions. If the set
    equals the committed one afterwards, nothing is pending any more.
    """
    with rows.collector_paused(), transaction.atomic():
        here = pending.open_pending(user)
        known = rows.read(here, [section.model])
        _uids, wanted = section.load(values, known)
        difference = _difference(known, wanted, section)
        result = _counted(difference, len(wanted))
        if result.size:
            before = _places(section, here)
            manager: Any = section.model._default_manager
            manager.filter(configuration=here).delete()
            rows.insert(here, wanted)
            shown = dict(islice(difference.items(), MOST_CHANGES))
            auditing.replaced(user, {section.model: shown}, (before, _places(section, here)), size=result.size)
        assert here.based_on is not None, "only the first set is based on none"
        if not comparison.differ(here.based_on, here):
            here.delete()
    return result


def _difference(known: Rows, wanted: Sequence[ConfigurationObject], section: ListSection[Any]) -> dict[UUID, Pair]:
    values = attrgetter("uid", *section.model.value_fields())
    old = {row.uid: row for row in known.of(section.model)}
    new = {row.uid: row for row in wanted}
    found: dict[UUID, Pair] = {}
    for uid, row in new.items():
        before = old.get(uid)
        if before is None or values(before) != values(row):
            found[uid] = (before, row)
    return found | {uid: (row, None) for uid, row in old.items() if uid not in new}


def _counted(difference: dict[UUID, Pair], total: int) -> Replacement:
    added = sum(old is None for old, _new in difference.values())
    removed = sum(new is None for _old, new in difference.values())
    changed = len(difference) - added - removed
    return Replacement(added=added, changed=changed, removed=removed, same=total - added - changed)


def _places(section: ListSection[Any], configuration: Configuration) -> Ranks:
    return ranks(section.model, configuration) if has_order(section.model) else {}


def _problems_between(section: ListSection[Any], items: Sequence[Any], shown: Configuration) -> list[Problem]:
    together = [each for each in registry.checks_between() if section.key in each.keys]
    if not together:
        return []
    others = sorted({key for each in together for key in each.keys} - {section.key})
    needed = {model for key in others for model in registry.models_of(key)}
    found = document.prints(rows.read(shown, needed), others)
    plain = {key: json.loads(one.text) for key, one in found.items()} | {section.key: items}
    return [problem for each in together for problem in each.check(*(plain[key] for key in each.keys))]
