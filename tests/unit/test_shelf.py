"""What waits at one destination, and when more of it is looked for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from seg_console.delivery.kinds import Claimed, Destination
from seg_console.delivery.shelf import LOOK_S, MOST_BACKLOG, Shelf

NOW = 1_000.0


def claimed(number: int) -> Claimed:
    return Claimed(
        id=number,
        mid=number,
        destination=Destination("ordinary", "corp.example"),
        address="",
        attempt=1,
        recipients=((0, "bob@corp.example"),),
        size=100,
        enqueued_at=datetime(2026, 1, 1, tzinfo=UTC),
        expires_at=datetime(2026, 1, 4, tzinfo=UTC),
        envelope_sender="alice@example.net",
        subject="Hello",
        message_id="<1@example.net>",
        icid=1,
        content=b"",
    )


def shelf(ready: int = 0, *, found_nothing_at: float | None = None) -> Shelf:
    made = Shelf()
    made.put(map(claimed, range(ready)))
    if found_nothing_at is not None:
        made.found(0, asked=10, now=found_nothing_at)
    return made


@pytest.mark.parametrize(
    ("filled", "connections", "by_the_way", "rows"),
    [
        pytest.param(shelf(), 0, False, 10, id="an empty one is filled"),
        pytest.param(shelf(3), 12, False, 7, id="up to what is wanted, when a quarter of the connections has work"),
        pytest.param(shelf(4), 12, False, 0, id="none for its own sake as long as there is more"),
        pytest.param(shelf(4), 12, True, 6, id="but beside another transaction"),
        pytest.param(shelf(11), 100, True, 0, id="none beyond what is wanted"),
        pytest.param(shelf(found_nothing_at=NOW - LOOK_S / 2), 0, True, 0, id="a dry queue rests"),
        pytest.param(shelf(found_nothing_at=NOW - LOOK_S), 0, False, 10, id="but now and then"),
    ],
)
def test_room(filled: Shelf, connections: int, by_the_way: bool, rows: int) -> None:
    assert filled.room(10, connections=connections, now=NOW, by_the_way=by_the_way) == rows


def test_a_limit_of_recipients_bounds_what_is_claimed() -> None:
    limited = shelf()
    limited.allow(3)
    assert limited.room(10, connections=0, now=NOW, by_the_way=True) == 3

    limited.allow(0)
    assert limited.room(10, connections=0, now=NOW, by_the_way=True) == 0


def test_a_pause_claims_nothing_before_its_end_and_keeps_what_is_there() -> None:
    paused = shelf(2)
    paused.found(5, asked=5, now=NOW)
    paused.pause(NOW + 60, now=NOW)

    assert paused.opens_at == NOW + 60
    assert paused.room(10, connections=0, now=NOW + 59.9, by_the_way=True) == 0
    assert paused.room(10, connections=0, now=NOW + 60, by_the_way=True) == 8
    assert (len(paused), paused.waiting) == (2, 2)
    assert paused.has_been_dry(0, NOW)


def test_full_claims_make_the_queue_behind_seem_longer_each_time() -> None:
    growing = shelf(1)
    seen = []
    for rows in (10, 10, 10, 3):
        growing.found(rows, asked=10, now=NOW)
        seen.append(growing.waiting)

    assert seen == [11, 21, 41, 1]


def test_what_seems_to_be_behind_is_bounded_and_nothing_without_work_at_hand() -> None:
    growing = shelf(1)
    for _ in range(40):
        growing.found(10, asked=10, now=NOW)
    assert growing.waiting == 1 + MOST_BACKLOG

    growing.take()
    assert growing.waiting == 0


def test_dryness_begins_with_the_first_look_in_vain_and_ends_with_a_row() -> None:
    drying = shelf()
    assert not drying.has_been_dry(0, NOW)

    drying.found(0, asked=10, now=NOW)
    drying.found(0, asked=10, now=NOW + 0.4)
    assert not drying.has_been_dry(0.5, NOW + 0.4)
    assert drying.has_been_dry(0.5, NOW + 0.5)

    drying.found(1, asked=10, now=NOW + 0.6)
    assert not drying.has_been_dry(0, NOW + 0.6)


def test_they_begin_in_order_and_one_that_goes_on_comes_first() -> None:
    ordered = shelf(3)
    first = ordered.take()
    ordered.put_first(first)

    assert [each.id for each in ordered] == [0, 1, 2]
    assert ordered.take().id == 0
    assert [each.id for each in ordered.clear()] == [1, 2]
    assert len(ordered) == 0
    with pytest.raises(IndexError):
        ordered.take()
