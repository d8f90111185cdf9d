"""Problems of a set with the objects that they are about: indexes of paths mean nothing to who looks at pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from seg_console.config import registry, rows
from seg_console.config.models import Configuration
from seg_console.config.problems import Problem

_OBJECT = re.compile(r"\w+\[(\d+)\]")


def located(problems: Iterable[Problem], configuration: Configuration) -> list[Problem]:
    """The problems with uid and name of the objects of the set that they are about. Reads the sections that they are
    in."""
    found = list(problems)
    known = {section.key for section in registry.sections()}
    keys = {problem.section for problem in found} & known
    objects = {key: _objects(key, configuration) for key in keys}
    return [_located(problem, objects.get(problem.section, [])) for problem in found]


def _objects(key: str, configuration: Configuration) -> list[tuple[UUID, str]]:
    """Uid and name of a section's objects, in the order of the document."""
    section = registry.section(key)
    found = rows.read(configuration, registry.models_of(key))
    names = {row.uid: row.display_name() for row in found.of(section.model)}
    return [(uid, names.get(uid, "")) for uid, _plain in section.dump(found)]


def _located(problem: Problem, objects: Sequence[tuple[UUID, str]]) -> Problem:
    if not objects:
        return problem
    index = _OBJECT.match(problem.path)
    if registry.section(problem.section).many and not index:
        return problem
    uid, name = objects[int(index[1]) if index else 0]
    return replace(problem, uid=str(uid), name=name)
