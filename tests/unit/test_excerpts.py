"""Long values beside each other: what differs is always among what is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_console.config.excerpts import AROUND, LONGEST_LIST, LONGEST_TEXT, excerpts

LONG = "".join(chr(ord("a") + number % 26) for number in range(5_000))


def test_short_values_are_shown_whole() -> None:
    assert excerpts("a", "", "b" * LONGEST_TEXT) == ("a", "", "b" * LONGEST_TEXT)
    assert excerpts(("a", "b"), "") == ("a\nb", "")


@pytest.mark.parametrize("place", [0, 399, 400, 2_500, 4_999])
def test_of_long_texts_the_part_that_differs_is_shown(place: int) -> None:
    old, new = excerpts(LONG, LONG[:place] + "#" + LONG[place + 1 :])
    assert "#" in new
    assert "#" not in old
    assert max(len(old), len(new)) <= 2 * AROUND + 3


def test_what_is_the_same_before_and_after_is_left_out_with_a_mark() -> None:
    assert excerpts("a" * 500 + "1" + "b" * 500, "a" * 500 + "22" + "b" * 500) == (
        f"…{'a' * AROUND}1{'b' * AROUND}…",
        f"…{'a' * AROUND}22{'b' * AROUND}…",
    )


def test_three_sides_are_cut_at_the_same_place_and_an_empty_one_counts_for_nothing() -> None:
    base, mine, theirs = excerpts(LONG, LONG[:-1] + "#", "")
    assert base.endswith(LONG[-AROUND - 1 :])
    assert mine.endswith("#")
    assert theirs == ""


def test_a_long_text_that_stands_alone_is_shown_by_its_beginning() -> None:
    assert excerpts("", LONG) == ("", LONG[:LONGEST_TEXT] + "…")


def test_of_long_lists_the_entries_that_not_all_have_are_shown() -> None:
    entries = tuple(f"user{number}@example.com" for number in range(100))
    base, mine, theirs = excerpts(entries, (*entries, "mine@example.com"), entries[:-1])
    assert base == "…\nuser99@example.com"
    assert mine == "…\nuser99@example.com\nmine@example.com"
    assert theirs == "…"


def test_of_long_lists_in_another_order_the_first_place_that_differs_is_shown() -> None:
    entries = tuple(f"user{number}" for number in range(50))
    old, new = excerpts(entries, (*entries[:40], entries[41], entries[40], *entries[42:]))
    assert old.splitlines()[:3] == ["…", "user40", "user41"]
    assert new.splitlines()[:3] == ["…", "user41", "user40"]


def test_of_a_list_that_stands_alone_the_rest_is_counted() -> None:
    _none, new = excerpts("", tuple(str(number) for number in range(LONGEST_LIST + 5)))
    assert new.splitlines()[-1] == "and 5 more"


@given(same=st.text(max_size=900), one=st.text(max_size=900), other=st.text(max_size=900), after=st.text(max_size=900))
def test_texts_that_differ_are_never_shown_alike(same: str, one: str, other: str, after: str) -> None:
    texts = (same + one + after, same + other + after)
    shown = excerpts(*texts)
    assert (shown[0] == shown[1]) == (texts[0] == texts[1])
