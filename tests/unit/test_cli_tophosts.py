"""The screen of `tophosts`, blank for blank (asyncos-cli 4.1)."""

from __future__ import annotations

import pytest

from seg_console.cli.tophosts import SORT_KEYS, HostRow, menu, screen, sort_key

AS_OF = "Fri Feb 16 21:20:18 2024 CST"
ROWS = [
    HostRow("partner.example", True, 7, 0, 182, 38, 13),
    HostRow("the.tdc.queue", False, 12, 3, 4560, 7, 2),
    HostRow("corp.example", False, 0, 2, 9812, 0, 2),
]

GOLDEN_MENU = """
Sort results by:

1. Active Recipients
2. Connections Out
3. Delivered Recipients
4. Hard Bounced Recipients
5. Soft Bounced Events
"""

GOLDEN_SCREEN = """
Status as of:                   Fri Feb 16 21:20:18 2024 CST
Hosts marked with '*' were down as of the last delivery attempt.

                                  Active  Conn.     Deliv.       Soft       Hard
 #   Recipient Host               Recip.    Out     Recip.    Bounced    Bounced

 1   the.tdc.queue                    12      3      4,560          7          2
 2*  partner.example                   7      0        182         38         13
 3   corp.example                      0      2      9,812          0          2
"""


def test_the_menu_is_as_the_reference_shows_it() -> None:
    assert menu() == GOLDEN_MENU


def test_the_screen_is_as_the_reference_shows_it() -> None:
    assert screen(ROWS, SORT_KEYS[0], status_as_of=AS_OF) == GOLDEN_SCREEN


@pytest.mark.parametrize(
    ("word", "first"),
    [
        ("active_rcpts", "the.tdc.queue"),
        ("conn_out", "the.tdc.queue"),
        ("delivered_rcpts", "corp.example"),
        ("hard_bounced_rcpts", "partner.example"),
        ("soft_bounced_evts", "partner.example"),
        ("4", "partner.example"),
        ("", "the.tdc.queue"),
    ],
)
def test_each_key_puts_its_highest_number_first(word: str, first: str) -> None:
    key = sort_key(word)
    assert key is not None
    assert screen(ROWS, key, status_as_of=AS_OF).splitlines()[7].split()[1] == first


def test_ties_are_sorted_by_name() -> None:
    key = sort_key("hard_bounced_rcpts")
    assert key is not None
    names = [line[5:].split()[0] for line in screen(ROWS, key, status_as_of=AS_OF).splitlines()[7:]]
    assert names == ["partner.example", "corp.example", "the.tdc.queue"]


@pytest.mark.parametrize("answer", ["0", "6", "size", "active"])
def test_an_unknown_key_is_no_key(answer: str) -> None:
    assert sort_key(answer) is None


def test_no_more_than_twenty_rows_are_shown_and_the_rank_keeps_its_place() -> None:
    many = [HostRow(f"d{number:02}.example", False, 100 - number, 0, 0, 0, 0) for number in range(30)]
    lines = screen(many, SORT_KEYS[0], status_as_of=AS_OF).splitlines()[7:]
    assert len(lines) == 20
    assert lines[9].startswith("10   d09.example")


def test_a_long_name_pushes_the_numbers_and_all_five_are_there() -> None:
    name = "a-very-long-name-of-a-destination.example"
    line = screen([HostRow(name, True, 1, 2, 3, 4, 5)], SORT_KEYS[0], status_as_of=AS_OF).splitlines()[7]
    assert line.split() == ["1*", name, "1", "2", "3", "4", "5"]
