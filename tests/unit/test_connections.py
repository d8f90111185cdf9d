"""How many connections a destination gets, as a table (TDC reference 7.3)."""

from __future__ import annotations

import pytest

from seg_console.delivery.connections import Limits, Load, Plan, plan, target

TDC = Limits(least=3, most=20, messages_per_connection=10)
ORDINARY = Limits(least=1, most=20, messages_per_connection=50)


@pytest.mark.parametrize(
    ("limits", "waiting", "in_flight", "wanted"),
    [
        (TDC, 0, 0, 0),
        (TDC, 1, 0, 3),
        (TDC, 0, 1, 3),
        (TDC, 30, 0, 3),
        (TDC, 31, 0, 4),
        (TDC, 1000, 0, 20),
        (Limits(3, 2, 10), 1, 0, 2),
        (ORDINARY, 1, 0, 1),
        (ORDINARY, 51, 0, 2),
    ],
)
def test_the_target_follows_the_queue(limits: Limits, waiting: int, in_flight: int, wanted: int) -> None:
    assert target(Load(waiting=waiting, in_flight=in_flight, open=0, idle=0), limits) == wanted


@pytest.mark.parametrize(
    ("limits", "load", "expected"),
    [
        pytest.param(TDC, Load(1, 0, open=0, idle=0), Plan(open=3), id="one copy opens three"),
        pytest.param(TDC, Load(0, 1, open=3, idle=2), Plan(), id="two stay open unused while it is sent"),
        pytest.param(TDC, Load(0, 0, open=3, idle=3), Plan(close=3), id="all closed when the queue is empty"),
        pytest.param(TDC, Load(5, 3, open=3, idle=0), Plan(open=1), id="one more while all are busy"),
        pytest.param(TDC, Load(5, 2, open=3, idle=1), Plan(), id="none more while one is idle"),
        pytest.param(TDC, Load(5, 3, open=4, idle=0, dialling=1), Plan(), id="none more while one is dialling"),
        pytest.param(TDC, Load(50, 20, open=20, idle=0), Plan(), id="never beyond the limit"),
        pytest.param(TDC, Load(0, 2, open=8, idle=6), Plan(close=5), id="surplus closed when few entries remain"),
        pytest.param(ORDINARY, Load(1, 0, open=0, idle=0), Plan(open=1), id="ordinary mail opens one"),
        pytest.param(ORDINARY, Load(3, 1, open=1, idle=0), Plan(open=1), id="ordinary mail grows too"),
    ],
)
def test_the_plan(limits: Limits, load: Load, expected: Plan) -> None:
    assert plan(load, limits) == expected
