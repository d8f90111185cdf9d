"""One list of a user's pending set given anew, as from an imported file; everything else in the set stays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.utils import translation

from seg_console.audit.record import MOST_CHANGES
from seg_console.config import auditing, comparison, document, pending, registry, rows
from seg_console.config.changes import Action, Comparison, Size
from seg_console.config.list_difference import Difference, Replacement, difference
from seg_console.config.models import Configuration
from seg_console.config.problems import InvalidConfiguration, Problem, Repeated, index_in, path_of
from seg_console.config.registry import ListSection, Shape

if TYPE_CHECKING:
    from seg_console.accounts.models import User

# Of each kind of difference; more than this nobody reads before an import.
MOST_PREVIEWED = 50


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
        found = difference(section, known, wanted)
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
        found = difference(section, known, wanted)
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


def _previewed(found: Difference, action: Action, uids: Sequence[UUID]) -> Comparison:
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
