"""Where what is wrong with a configuration is mended: the page, and the object on it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.urls import reverse

from seg_console.config import registry
from seg_console.config.models import Configuration
from seg_console.config.problems import Problem
from seg_console.config.registry import MendedAt

# Where a path is mended that belongs to no section.
NOWHERE_ELSE = MendedAt("configuration:file")


@dataclass(frozen=True, slots=True)
class Mend:
    """A problem with the URL of the page where it is mended. `name`: of the object there, "" for a page of many."""

    path: str
    message: str
    url: str
    name: str = ""


def mends(problems: Iterable[Problem], shown: Configuration) -> list[Mend]:
    """`shown` is the set that the pages show: an object that it does not have is mended where all of them are. A query
    for each section that something is wrong with."""
    found = list(problems)
    there = _there(found, shown)
    return [_mend(problem, there) for problem in found]


def _mend(problem: Problem, there: set[str]) -> Mend:
    page = _page(problem)
    if page.object_view and problem.uid in there:
        return Mend(problem.path, problem.message, reverse(page.object_view, args=[problem.uid]), problem.name)
    return Mend(problem.path, problem.message, reverse(page.view))


def _page(problem: Problem) -> MendedAt:
    """That of the extension which the path leads into, else of the section."""
    here = next((each for each in registry.sections() if each.key == problem.section), None)
    if here is None:
        return NOWHERE_ELSE
    behind = re.match(r"(?:\[\d+\])?\.([a-z_]+)", problem.path.removeprefix(here.key))
    inside = behind[1] if behind else ""
    return next((each.mended_at for each in registry.extensions(here.key) if each.key == inside), here.mended_at)


def _there(problems: Iterable[Problem], shown: Configuration) -> set[str]:
    by_section: dict[str, set[str]] = defaultdict(set)
    for problem in problems:
        if problem.uid:
            by_section[problem.section].add(problem.uid)
    there: set[str] = set()
    for key, uids in by_section.items():
        section = registry.section(key)
        if not section.many:
            there |= uids  # the one object that every set has
            continue
        manager: Any = section.model._default_manager
        wanted = manager.filter(configuration=shown, uid__in=[UUID(uid) for uid in uids])
        there |= {str(uid) for uid in wanted.values_list("uid", flat=True)}
    return there
