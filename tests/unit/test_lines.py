from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_console.mail.lines import clean_line_ends, has_bare_line_end, printable, visible

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


@given(pieces)
def test_cleaning_makes_each_bare_line_end_one_crlf_and_changes_nothing_else(content: bytes) -> None:
    cleaned = clean_line_ends(content)
    assert cleaned == re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    assert not has_bare_line_end(cleaned)
    assert clean_line_ends(cleaned) == cleaned


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
