from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from seg_console.config.order import STEP, between, place


def test_new_objects_are_placed_a_step_apart() -> None:
    assert place([None, None, None]) == [STEP, 2 * STEP, 3 * STEP]


def test_an_object_that_moves_is_the_only_one_to_change_its_position() -> None:
    # The third moves to the front, then the first to the end.
    assert place([3072, 1024, 2048]) == [0, 1024, 2048]
    assert place([2048, 3072, 1024]) == [2048, 3072, 4096]


def test_an_object_that_is_inserted_takes_the_middle() -> None:
    assert place([1024, None, 2048]) == [1024, 1536, 2048]


def test_all_are_numbered_afresh_when_there_is_no_room() -> None:
    assert place([1, None, 2]) == [STEP, 2 * STEP, 3 * STEP]


@given(st.lists(st.one_of(st.none(), st.integers(-5000, 5000)), max_size=30))
def test_positions_always_rise(positions: list[int | None]) -> None:
    placed = place(positions)
    assert all(one < other for one, other in pairwise(placed))


@given(st.lists(st.integers(), unique=True).map(sorted))
def test_positions_in_order_stay(positions: list[int]) -> None:
    assert place(positions) == positions


def test_a_place_between_two_neighbours() -> None:
    assert between(None, None) == STEP
    assert between(None, 1024) == 0
    assert between(1024, None) == 2048
    assert between(1024, 2048) == 1536
    assert between(1, 2) is None
