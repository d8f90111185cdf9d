"""Pasted entries: bad ones by line, duplicates counted, nothing lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.matching import check_entry
from seg_console.tables.entries import parse


def read(text: str) -> tuple[tuple[str, ...], list[tuple[int, str]], int]:
    parsed = parse(text, check_entry, most=20_000)
    return parsed.entries, [(bad.line, bad.value) for bad in parsed.bad], parsed.dropped


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("a@, b@\nc@", ("a@", "b@", "c@")),
        ("a@\r\nb@\rc@", ("a@", "b@", "c@")),
        (" , a@ ,, \n\n", ("a@",)),
        ('"x,y"@corp.example, b@', ('"x,y"@corp.example', "b@")),
        ("", ()),
    ],
)
def test_entries_are_separated_by_comma_or_new_line(text: str, entries: tuple[str, ...]) -> None:
    assert read(text) == (entries, [], 0)


def test_bad_entries_are_told_with_line_and_value_and_the_good_ones_are_kept() -> None:
    assert read("a@\n\nnope, b@, also bad\n*@x.example") == (
        ("a@", "b@"),
        [(3, "nope"), (3, "also bad"), (4, "*@x.example")],
        0,
    )


def test_an_entry_that_stands_twice_is_kept_once_whatever_its_case() -> None:
    assert read("Joe@corp.example\nb@\njoe@CORP.example, B@") == (("joe@corp.example", "b@"), [], 2)


@given(st.lists(st.sampled_from(["a@", "b@x.example", "@x.example", "bad", "A@", "@.x.example", "*"]), max_size=40))
def test_nothing_is_lost(values: list[str]) -> None:
    for separator in (",", "\n", ", \n"):
        parsed = parse(separator.join(values), check_entry, most=20_000)
        assert parsed.count == len(values)
        assert set(parsed.entries) == {value.lower() for value in values if "@" in value}
        assert [bad.value for bad in parsed.bad] == [value for value in values if "@" not in value]


def test_ten_thousand_entries_are_read() -> None:
    text = "\n".join(f"user{n}@part{n % 50}.corp.example" for n in range(10_000))
    parsed = parse(text, check_entry, most=20_000)
    assert len(parsed.entries) == 10_000


@pytest.mark.parametrize(
    "hostile", ['"' * 1_000_000, '"\\' * 500_000, ("," * 999 + '"\\"') * 1000, "\u202e" * 1_000_000]
)
def test_a_megabyte_of_nonsense_gives_no_entry(hostile: str) -> None:
    assert not parse(hostile, check_entry, most=20_000).entries


def test_more_than_there_may_be_is_counted_and_not_checked() -> None:
    checked = []

    def check(text: str) -> str:
        checked.append(text)
        return check_entry(text)

    parsed = parse("bad\n" * 240_000, check, most=10_000)
    assert (len(checked), len(parsed.bad), parsed.unread, parsed.count) == (10_000, 10_000, 230_000, 240_000)
