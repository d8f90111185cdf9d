from __future__ import annotations

from seg_console.supervisor import LONGEST_WAIT_S, SOUND_AFTER_S, Course


def test_waits_double_to_a_minute() -> None:
    course, now, waits = Course(), 1000.0, []
    for _ in range(9):
        course.starts(now)
        waits.append(course.ends(now))
        assert course.due_at == now + waits[-1]
        now = course.due_at

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_what_has_lived_for_minutes_begins_anew() -> None:
    course = Course()
    for _ in range(9):
        course.ends(0.0)
    course.starts(100.0)

    assert course.ends(100.0 + SOUND_AFTER_S - 1) == LONGEST_WAIT_S
    course.starts(200.0)
    assert course.ends(200.0 + SOUND_AFTER_S) == 1
    assert course.endings == 1


def test_it_may_end_for_years() -> None:
    course = Course(endings=1_000_000)

    assert course.ends(0.0) == LONGEST_WAIT_S
