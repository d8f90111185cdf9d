"""Three-way merge: every pair of what two administrators can do to one object, to its parts and to names."""

from __future__ import annotations

import pytest

from seg_console.config.merge import Clash, Edit, Key, Thing, merge

P, Q = Key("policy", "p"), Key("policy", "q")
C, D = Key("member", "c"), Key("member", "d")
NOTHING: dict[Key, Edit] = {}


def thing(value: int, name: str = "", parent: Key | None = None) -> Thing:
    return Thing((value,), name, parent)


ADDED = Edit(None, thing(1))
CHANGED = Edit(thing(0), thing(1))
CHANGED_OTHERWISE = Edit(thing(0), thing(2))
REMOVED = Edit(thing(0), None)


@pytest.mark.parametrize("edit", [ADDED, CHANGED, REMOVED])
def test_what_only_they_did_is_carried_over(edit: Edit) -> None:
    merged = merge(NOTHING, {P: edit})
    assert (merged.apply, merged.clashes) == (frozenset({P}), ())


@pytest.mark.parametrize("edit", [ADDED, CHANGED, REMOVED])
def test_what_only_i_did_stands(edit: Edit) -> None:
    merged = merge({P: edit}, NOTHING)
    assert (merged.apply, merged.clashes) == (frozenset(), ())


@pytest.mark.parametrize("edit", [ADDED, CHANGED, REMOVED])
def test_the_same_edit_by_both_is_no_collision(edit: Edit) -> None:
    assert merge({P: edit}, {P: edit}).clashes == ()


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [(CHANGED, CHANGED_OTHERWISE), (CHANGED, REMOVED), (REMOVED, CHANGED), (ADDED, Edit(None, thing(9)))],
)
def test_different_edits_of_one_object_collide(mine: Edit, theirs: Edit) -> None:
    merged = merge({P: mine}, {P: theirs})
    assert (merged.apply, merged.clashes) == (frozenset(), (Clash(P, P),))


def test_edits_of_different_objects_merge() -> None:
    merged = merge({P: CHANGED}, {Q: REMOVED, C: ADDED})
    assert (merged.apply, merged.clashes) == (frozenset({Q, C}), ())


def test_a_part_added_to_what_they_removed_collides() -> None:
    merged = merge({C: Edit(None, thing(1, parent=P))}, {P: REMOVED, D: Edit(thing(0, parent=P), None)})
    assert merged.clashes == (Clash(C, P),)
    assert merged.apply == frozenset(), "the whole stays with all its parts"


def test_a_part_that_they_added_to_what_i_removed_collides() -> None:
    merged = merge({P: REMOVED}, {C: Edit(None, thing(1, parent=P)), Q: CHANGED})
    assert merged.clashes == (Clash(P, C),)
    assert merged.apply == {Q}


def test_both_removing_a_whole_with_its_parts_is_no_collision() -> None:
    gone = {P: REMOVED, C: Edit(thing(0, parent=P), None)}
    assert merge(gone, gone).clashes == ()


def test_a_part_and_its_changed_whole_merge() -> None:
    merged = merge({P: CHANGED}, {C: Edit(None, thing(1, parent=P))})
    assert (merged.apply, merged.clashes) == (frozenset({C}), ())


def test_two_new_objects_of_one_name_collide() -> None:
    mine = {P: Edit(None, thing(1, "finance"))}
    theirs = {Q: Edit(None, thing(2, "finance")), C: Edit(None, thing(3, parent=Q))}
    merged = merge(mine, theirs)
    assert merged.clashes == (Clash(P, Q),)
    assert merged.apply == frozenset(), "without the whole, no part of it"


def test_names_of_different_kinds_do_not_collide() -> None:
    assert merge({P: Edit(None, thing(1, "x"))}, {C: Edit(None, thing(2, "x"))}).clashes == ()
