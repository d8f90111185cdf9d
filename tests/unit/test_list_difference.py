"""Which rows of a list have moved."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seg_console.config.list_difference import Replacement, out_of_order

LISTS = st.lists(st.integers(0, 12), unique=True, max_size=12)


def moved(old: list[int], new: list[int]) -> list[int]:
    return out_of_order(old, new, [each for each in new if each in old])


@given(old=LISTS, new=LISTS)
def test_something_has_moved_exactly_where_the_order_of_those_in_both_is_another(
    old: list[int], new: list[int]
) -> None:
    assert bool(moved(old, new)) is ([each for each in old if each in new] != [each for each in new if each in old])


@given(old=LISTS, new=LISTS)
def test_whatever_has_moved_has_another_place_or_stands_behind_another(old: list[int], new: list[int]) -> None:
    for each in moved(old, new):
        before, after = old.index(each), new.index(each)
        assert before != after or old[before - 1] != new[after - 1]


def test_one_that_is_moved_to_the_top_of_a_thousand_is_the_one_that_has_moved() -> None:
    old = list(range(1_000))
    assert moved(old, [999, *old[:999]]) == [999]
    assert moved(old, [-1, *old]) == []


def test_a_table_is_emptied_when_only_what_every_table_has_is_left() -> None:
    counts = Replacement(added=0, changed=1, moved=0, removed=2, same=0, standing=1)
    assert (counts.empties, counts.removes_most, counts.total, counts.before, counts.size) == (True, True, 1, 2, 3)
    half = Replacement(added=5, changed=0, moved=1, removed=2, same=1)
    assert (half.empties, half.removes_most, half.total, half.before, half.size) == (False, False, 7, 4, 8)
    nothing = Replacement(added=0, changed=0, moved=0, removed=0, same=0)
    assert (nothing.empties, nothing.removes_most) == (False, False)
