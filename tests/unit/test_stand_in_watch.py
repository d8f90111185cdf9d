from __future__ import annotations

from datetime import UTC, datetime, timedelta

from seg_console.delivery.stand_in import Watch

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
BEFORE, LATER = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)


def test_one_failure_is_nothing_and_two_in_a_row_are() -> None:
    assert not Watch().missed().stands_in
    assert not Watch().missed().answered(NOW, []).missed().stands_in
    assert Watch().missed().missed().stands_in


def test_it_stands_in_until_a_worker_of_every_queue_was_seen_since_redis_is_back() -> None:
    back = Watch().missed().missed().answered(NOW, [BEFORE, None])

    assert back.stands_in
    assert back.answered(LATER, [LATER, NOW]).stands_in
    assert back.answered(LATER, [LATER, None]).stands_in
    assert back.answered(LATER, [LATER, LATER]) == Watch()


def test_a_failure_while_it_stands_in_puts_the_time_off_from_which_workers_count() -> None:
    back = Watch().missed().missed().answered(BEFORE, [None]).missed().answered(LATER, [NOW])

    assert back.stands_in
    assert back.back_since == LATER
