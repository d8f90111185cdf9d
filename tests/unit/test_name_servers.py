"""Which DNS server is asked first, after some stayed silent."""

from __future__ import annotations

from seg_console.delivery.name_servers import SILENT_S, Turns


def silent(turns: Turns, *servers: int, at: float) -> None:
    for server in servers:
        turns.was_silent(server, at, asked_at=at - 1)


def test_servers_are_asked_as_they_are_configured() -> None:
    assert Turns(3).order(0.0, trial_s=1) == [0, 1, 2]


def test_silent_ones_are_last_for_a_minute() -> None:
    turns = Turns(3)
    silent(turns, 0, 1, at=100)
    assert turns.order(100, trial_s=1) == turns.order(100 + SILENT_S - 1, trial_s=1) == [2, 0, 1]


def test_after_the_minute_one_look_up_finds_out_and_the_others_do_not_wait() -> None:
    turns = Turns(2)
    silent(turns, 0, at=100)
    now = 100 + SILENT_S
    assert [turns.order(now, trial_s=2) for _ in range(3)] == [[0, 1], [1, 0], [1, 0]]
    assert turns.order(now + 2, trial_s=2) == [0, 1]


def test_one_that_answers_is_back_in_its_place() -> None:
    turns = Turns(2)
    silent(turns, 0, at=100)
    turns.answered(0, 101)
    assert turns.order(102, trial_s=1) == [0, 1]


def test_one_that_answered_others_meanwhile_is_not_silent() -> None:
    turns = Turns(2)
    turns.answered(0, 100)
    turns.was_silent(0, 101, asked_at=99)
    assert turns.order(102, trial_s=1) == [0, 1]


def test_when_all_are_silent_all_are_asked_in_order() -> None:
    turns = Turns(3)
    silent(turns, 0, 1, 2, at=100)
    assert turns.order(101, trial_s=1) == [0, 1, 2]
