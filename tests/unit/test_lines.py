from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_console.mail.lines import Cleaning, clean_line_ends, has_bare_line_end, printable, shortened, visible

pieces = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b".", b"\0"])).map(b"".join)


@pytest.mark.parametrize(
    ("content", "bare"),
    [
        (b"", False),
        (b"a\r\nb\r\n", False),
        (b"no line end", False),
        (b"a\nb", True),
        (b"a\rb", True),
        (b"a\r\r\nb", True),
        (b"a\r\n\nb", True),
        (b"a\n\rb", True),
        (b"a\r", True),
        (b"\n", True),
    ],
)
def test_bare_line_ends_are_found(content: bytes, bare: bool) -> None:
    assert has_bare_line_end(content) is bare


@given(pieces)
def test_finding_agrees_with_the_definition(content: bytes) -> None:
    assert has_bare_line_end(content) is bool(re.search(rb"\r(?!\n)|(?<!\r)\n", content))


@pytest.mark.parametrize(
    ("content", "cleaned"),
    [
        (b"", b""),
        (b"a\nb", b"a\r\nb"),
        (b"a\r\r\nb", b"a\r\nb"),
        (b"a\r\r\r\r\r\nb", b"a\r\nb"),
        (b"a\n\nb", b"a\r\n\r\nb"),
        (b"a\r\r\n\r\r\nb", b"a\r\n\r\nb"),
        (b"a\n\rb", b"a\r\n b"),
        (b"a\rb\r\rc", b"a b  c"),
        (b"\ra\r", b" a "),
        (b"\r\r", b"  "),
        (b"a\r\0\nb", b"a\r\nb"),
        (b"a\0\r\0\r\n\0b\0", b"a\r\nb"),
        (b"\0", b""),
    ],
)
def test_crs_before_lf_are_one_line_end_another_cr_is_a_blank_and_nul_goes(content: bytes, cleaned: bytes) -> None:
    assert clean_line_ends(content) == cleaned


def one_by_one(content: bytes) -> bytes:
    """The definition of cleaning, in the simplest words."""
    ends = re.compile(rb"\r*\n|\r")
    return ends.sub(lambda end: b"\r\n" if end[0].endswith(b"\n") else b" ", content.replace(b"\0", b""))


@given(pieces)
def test_cleaning_agrees_with_the_definition_and_cleans_once_for_all(content: bytes) -> None:
    cleaned = clean_line_ends(content)
    assert cleaned == one_by_one(content)
    assert not has_bare_line_end(cleaned)
    assert b"\0" not in cleaned
    assert clean_line_ends(cleaned) is cleaned


@given(st.lists(pieces))
def test_cleaning_in_pieces_is_cleaning_the_whole(parts: list[bytes]) -> None:
    whole = b"".join(parts)
    cleaning = Cleaning()
    assert b"".join([cleaning.take(part) for part in parts]) + cleaning.end() == one_by_one(whole)
    assert cleaning.nul is (b"\0" in whole)
    assert cleaning.bare_line_end is has_bare_line_end(whole.replace(b"\0", b""))


@pytest.mark.parametrize("run", [*range(1, 70), 1_000_000])
def test_a_run_of_crs_of_any_length_before_lf_is_one_line_end(run: int) -> None:
    assert clean_line_ends(b"a" + b"\r" * run + b"\nb" + b"\r" * run + b"c") == b"a\r\nb" + b" " * run + b"c"
    assert clean_line_ends(b"\r" * run + b"\n") == b"\r\n"


def test_clean_content_is_not_copied() -> None:
    content = b"Subject: x\r\n\r\nbody\r\n"
    assert clean_line_ends(content) is content


def test_a_smuggled_end_of_data_becomes_ordinary_lines() -> None:
    assert clean_line_ends(b"a\n.\nMAIL FROM:<x>") == b"a\r\n.\r\nMAIL FROM:<x>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Grüße", "Grüße"),
        ("a\r\nb", "a\\r\\nb"),
        ("tab\there", "tab\\there"),
        ("\x00\x07\x1b[31m\x7f\x85", "\\x00\\x07\\x1b[31m\\x7f\\x85"),
        ("a\u2028b", "a\\u2028b"),
        ("\ud800", "\\ud800"),
        ("back\\slash", "back\\slash"),
    ],
)
def test_control_characters_are_written_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(alphabet=st.characters()))
def test_printable_text_is_one_line_of_utf_8(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("bücher, 邮件, שלום", "bücher, 邮件, שלום"),
        ("a\u202eb", "a\\u202eb"),
        ("\u2066x\u2069\u200e", "\\u2066x\\u2069\\u200e"),
        ("co\u200brp\ufeff\u2060\u00ad", "co\\u200brp\\ufeff\\u2060\\xad"),
        ("mi\u200cravam 👩\u200d🔬", "mi\u200cravam 👩\u200d🔬"),
        ("a\r\n", "a\\r\\n"),
    ],
)
def test_what_nobody_sees_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(), st.integers(min_value=30, max_value=60))
def test_a_shortened_line_has_its_beginning_and_says_what_is_missing(text: str, most: int) -> None:
    line = text.encode(errors="backslashreplace")
    short = shortened(line, most)
    assert len(short) <= most
    if len(line) <= most:
        assert short is line
        return
    kept, _mark, cut = short.rpartition(b"... [")
    assert line.startswith(kept)
    assert cut == b"%d octets cut]" % (len(line) - len(kept))
    assert most - len(short) < 5
