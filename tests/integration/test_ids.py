"""MIDs, ICIDs and DCIDs are never given twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from seg_console.mail import ids


@pytest.mark.django_db
def test_blocks_follow_each_other_and_the_three_counters_are_apart() -> None:
    assert list(ids.take("MID", 3)) == [1, 2, 3]
    assert list(ids.take("MID", 2)) == [4, 5]
    assert list(ids.take("DCID", 1)) == [1]
    assert ids.latest() == {"MID": 5, "DCID": 1}


@pytest.mark.django_db
def test_a_pool_hands_out_a_block_and_says_when_it_runs_low() -> None:
    pool = ids.Pool("ICID", block=4)
    seen = [(pool.next(), pool.low)]
    pool.refill()
    seen += [(pool.next(), pool.low) for _ in range(3)]
    assert seen == [(None, True), (1, False), (2, False), (3, True)]
    pool.refill()
    assert [pool.next() for _ in range(5)] == [4, 5, 6, 7, None]


@pytest.mark.django_db(transaction=True)
def test_several_takers_at_once_get_different_numbers() -> None:
    def take_some(_: int) -> list[int]:
        try:
            return [number for _ in range(10) for number in ids.take("MID", 3)]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        taken = [number for numbers in threads.map(take_some, range(4)) for number in numbers]
    assert sorted(taken) == list(range(1, 121))
