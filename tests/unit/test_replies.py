"""Octets of a server, cut anywhere, as replies whose text can be printed and stored."""

from __future__ import annotations

import pytest
from aiosmtplib.response import SMTPResponse
from hypothesis import given
from hypothesis import strategies as st

from seg_console.delivery.outcome import LONGEST_TEXT, told
from seg_console.delivery.replies import LONGEST_REPLY, MOST_OF_A_LINE, ReplyReader


def read(octets: bytes, *, cut: int = 0) -> tuple[list[tuple[int, str]], str]:
    """Replies as pairs, and the fault. `cut`: how many octets arrive at once, 0 for all."""
    reader = ReplyReader()
    step = cut or max(len(octets), 1)
    replies = [reply for at in range(0, len(octets), step) for reply in reader.feed(octets[at : at + step])]
    return [(reply.code, reply.message) for reply in replies], reader.fault


@pytest.mark.parametrize("cut", [0, 1, 2, 7])
@pytest.mark.parametrize(
    ("octets", "replies"),
    [
        (b"250 Ok\r\n", [(250, "Ok")]),
        (b"250-a\r\n250-b\r\n250 c\r\n", [(250, "a\nb\nc")]),
        (b"250\r\n", [(250, "")]),
        (b"250-\r\n250\r\n", [(250, "\n")]),
        (b"\r\n\r\n250 Ok\r\n \r\n354 go on\r\n\r\n", [(250, "Ok"), (354, "go on")]),
        (b"250-a\r\n\r\n250 b\r\n", [(250, "a\nb")]),
        (b"250 Ok\n550 no\n", [(250, "Ok"), (550, "no")]),
        (b"550 5.1.1 Empf\xe4nger unbekannt\r\n", [(550, r"5.1.1 Empf\xe4nger unbekannt")]),
        ("550 5.1.1 Empfänger unbekannt\r\n".encode(), [(550, "5.1.1 Empfänger unbekannt")]),
        ("550 用户\r\n".encode("gbk"), [(550, r"\xd3\xc3\xbb\xa7")]),
        ("550 用户".encode()[:-1] + b"\r\n", [(550, r"用\xe6\x88")]),
        (b"250 a\x00b\x1b[2Jc\x7f\x9b\r\n", [(250, r"a\x00b\x1b[2Jc\x7f\x9b")]),
        (b"250 a\rb\r\n", [(250, r"a\rb")]),
        ("250 a\u202eb\u2028c\r\n".encode(), [(250, r"a\u202eb\u2028c")]),
        (b"250 \xed\xa0\x80\r\n", [(250, r"\xed\xa0\x80")]),
    ],
)
def test_any_octets_may_stand_behind_a_code(octets: bytes, replies: list[tuple[int, str]], cut: int) -> None:
    assert read(octets, cut=cut) == (replies, "")


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        (b"hello\r\n", "Malformed SMTP response line: hello"),
        (b"2500 what\r\n", "Malformed SMTP response line: 2500 what"),
        (b"\x00250 Ok\r\n", r"Malformed SMTP response line: \x00250 Ok"),
        (b"25\xb2 Ok\r\n", r"Malformed SMTP response line: 25\xb2 Ok"),
    ],
)
def test_what_is_no_reply_ends_the_reading_behind_those_before_it(octets: bytes, fault: str) -> None:
    assert read(b"250 Ok\r\n" + octets + b"250 late\r\n") == ([(250, "Ok")], fault)


@pytest.mark.parametrize("cut", [0, 1, 4096])
def test_a_long_reply_is_read_to_its_end_and_the_beginning_of_a_line_is_kept(cut: int) -> None:
    line = b"250 " + b"x" * 65_000 + b"\r\n"
    many = b"".join(b"250-%d %s\r\n" % (number, b"y" * 500) for number in range(129)) + b"250 end\r\n"
    replies, fault = read(line + many + b"354 go on\r\n", cut=cut)
    assert [code for code, _ in replies] == [250, 250, 354]
    assert replies[0][1] == "x" * (MOST_OF_A_LINE - len("250 "))
    assert (replies[1][1].count("\n"), fault) == (129, "")


def test_a_reply_without_an_end_is_not_kept() -> None:
    for endless in (b"x" * 65_536, b"250-y\r\n" * 8192):
        reader = ReplyReader()
        for _ in range(40):
            assert reader.feed(b"250-" + endless) == []
        assert reader.fault == "Response too long"
        assert sum(map(len, reader._lines)) + len(reader._line) <= LONGEST_REPLY // 4


@given(st.binary(max_size=400), st.integers(1, 9))
def test_no_octets_break_the_reader_and_its_text_is_storable(octets: bytes, cut: int) -> None:
    (whole, fault), (cut_up, fault_again) = read(octets), read(octets, cut=cut)
    assert (whole, fault) == (cut_up, fault_again)
    for text in [*(message for _, message in whole), fault]:
        text.encode()
        assert all(line.isprintable() for line in text.split("\n"))
        kept = told(text)
        assert len("\n".join(kept)) <= LONGEST_TEXT
        assert kept == told("\n".join(kept))


def test_of_a_long_text_as_much_is_kept_as_is_worth_reading() -> None:
    assert told("a\nb") == ("a", "b")
    assert told("x" * 70_000) == ("x" * LONGEST_TEXT,)
    assert len("\n".join(told("0123456789\n" * 5_000))) <= LONGEST_TEXT
    assert told("\udc80\x00") == (r"\udc80\x00",)


def test_a_reply_in_the_middle_is_known() -> None:
    reader = ReplyReader()
    said = [(reader.feed(octets), reader.is_in_the_middle) for octets in (b"42", b"1 bye\r", b"\n", b"\r\n")]
    assert said == [([], True), ([], True), ([SMTPResponse(421, "bye")], False), ([], False)]
