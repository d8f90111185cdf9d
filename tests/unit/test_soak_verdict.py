"""What a soak makes of rows and ledgers."""

from __future__ import annotations

import pytest

from tests.soak.verdict import Arrival, Copy, Verdict, judge

COPY = Copy(1, "r@d1.example")
KILL = 1000.0


def verdict(*states: str, at: tuple[float, ...] = (), kills: tuple[float, ...] = (KILL,)) -> Verdict:
    return judge([COPY], [(COPY, state) for state in states], [Arrival(COPY, each) for each in at], kills)


@pytest.mark.parametrize(("states", "at"), [(["delivered"], (5.0,)), (["bounced"], ()), (["expired"], ())])
def test_rows_that_say_what_the_servers_say_are_good(states: list[str], at: tuple[float, ...]) -> None:
    assert verdict(*states, at=at).is_good


@pytest.mark.parametrize(
    ("states", "at", "fault"),
    [
        ([], (), "lost"),
        (["queued"], (), "unsettled"),
        (["held"], (), "unsettled"),
        (["delivered"], (), "untrue"),
        (["delivered"], (5.0, 6.0), "unexplained"),
        (["bounced"], (5.0,), "unexplained"),
        (["unconfirmed"], (5.0, 6.0), "unexplained"),
        (["delivered"], (KILL + 5, KILL + 50), "unexplained"),
        (["delivered"], (KILL - 20, KILL + 50), "unexplained"),
    ],
)
def test_each_fault_is_found(states: list[str], at: tuple[float, ...], fault: str) -> None:
    found = verdict(*states, at=at)
    assert getattr(found, fault) == [COPY]
    assert not found.is_good


@pytest.mark.parametrize("at", [(), (5.0,)])
def test_an_unconfirmed_copy_may_have_arrived(at: tuple[float, ...]) -> None:
    found = verdict("unconfirmed", at=at)
    assert found.is_good
    assert found.given_up == 1


def test_what_was_taken_right_before_a_kill_may_come_again() -> None:
    found = verdict("delivered", at=(KILL - 2, KILL + 50))
    assert found.is_good
    assert found.doubled == {KILL: 1}
