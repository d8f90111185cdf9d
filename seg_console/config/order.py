"""Positions of ordered objects: sparse whole numbers, so that moving one object changes one row."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Protocol, TypeVar
from uuid import UUID

STEP = 1024


class Placed(Protocol):
    uid: UUID
    position: int


Row = TypeVar("Row", bound=Placed)


def between(before: int | None, after: int | None) -> int | None:
    """A free position between two neighbours (None: the end of the list), or None when there is no room left."""
    if before is None:
        return STEP if after is None else after - STEP
    if after is None:
        return before + STEP
    return (before + after) // 2 if after - before > 1 else None


def place(positions: Sequence[int | None]) -> list[int]:
    """Strictly rising positions for objects in the order given, keeping as many of the present ones as possible.

    None stands for an object that is new. All are numbered afresh only where a gap is too narrow.
    """
    kept = staying(positions)
    following: list[int | None] = [None] * len(positions)
    for index in range(len(positions) - 2, -1, -1):
        following[index] = index + 1 if index + 1 in kept else following[index + 1]
    placed: list[int] = []
    for index, present in enumerate(positions):
        if index in kept and present is not None:
            placed.append(present)
            continue
        position = _spread(placed[-1] if placed else None, positions, index=index, following=following[index])
        if position is None:
            return [STEP * (k + 1) for k in range(len(positions))]
        placed.append(position)
    return placed


def inserted(row: Row, others: Sequence[Row], *, at: int, present: int | None) -> list[Row]:
    """The row put at a place (from 0) among others that stand in their order, and those that must make room for it.
    `present`: its own position so far, None of a new one."""
    arranged = [*others[:at], row, *others[at:]]
    positions = place([present if each is row else each.position for each in arranged])
    return _repositioned(arranged, positions, always=row)


def renumbered(rows: Sequence[Row]) -> list[Row]:
    """Those rows of a new order that had to get another position."""
    return _repositioned(rows, place([row.position for row in rows]))


def _repositioned(rows: Sequence[Row], positions: Sequence[int], *, always: Row | None = None) -> list[Row]:
    """The rows that get another position than they have, and the one that is written anyway."""
    changed = []
    for row, position in zip(rows, positions, strict=True):
        if row is always or row.position != position:
            row.position = position
            changed.append(row)
    return changed


def _spread(before: int | None, positions: Sequence[int | None], *, index: int, following: int | None) -> int | None:
    """A position for one of the run of unplaced objects that ends at `following`, leaving room for the rest of it."""
    if following is None:
        return STEP if before is None else before + STEP
    after = positions[following]
    assert after is not None
    run = following - index
    if before is None:
        return after - STEP * run
    gap = (after - before) // (run + 1)
    return before + gap if gap > 0 else None


def staying(positions: Sequence[int | None]) -> set[int]:
    """Indexes of as many objects as can stay where they are while the others are moved: a longest strictly rising
    subsequence (patience sorting). None stands for an object that is new."""
    tails: list[int] = []
    at: list[int] = []
    came_from: dict[int, int | None] = {}
    for index, position in enumerate(positions):
        if position is None:
            continue
        pile = bisect_left(tails, position)
        came_from[index] = at[pile - 1] if pile else None
        tails[pile : pile + 1] = [position]
        at[pile : pile + 1] = [index]
    kept: set[int] = set()
    walk = at[-1] if at else None
    while walk is not None:
        kept.add(walk)
        walk = came_from[walk]
    return kept
