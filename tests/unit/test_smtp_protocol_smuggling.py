"""What ends a message and what does not. Every line end but CRLF that some server somewhere takes for one is tried at
both sides of the dot; the next hop gets CRLF only, so whatever it believes, it sees one message."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_console.delivery.session import dot_stuffed
from seg_console.gateway.content import Content
from seg_console.gateway.protocol import AbortReason, Limits
from seg_console.mail.lines import clean_line_ends, has_bare_line_end
from tests.support.smtp_dialogue import OPENING, new_session, received, talk

SMUGGLED = b"MAIL FROM:<admin@corp.example>\r\nRCPT TO:<bob@corp.example>\r\nDATA\r\nFrom: forged\r\n"
TRUE_END = b"\r\n.\r\n"
LINE_ENDS = [b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n", b"\x00\r\n", b"\r\x00\n", b"\x0b", b"\x0c", b"\xc2\x85", b""]
FALSE_ENDS = [before + b"." + after for before in LINE_ENDS for after in LINE_ENDS if before + after != b"\r\n\r\n"]
# CR CR LF "." CRLF holds the true end: its last CR and LF are a CRLF whatever stood before.
FALSE_ENDS = [end for end in FALSE_ENDS if TRUE_END not in end]


@pytest.mark.parametrize("end", FALSE_ENDS, ids=repr)
def test_only_crlf_dot_crlf_ends_a_message(end: bytes) -> None:
    heard = received(b"Subject: x\r\n\r\nhello" + end + SMUGGLED + b".\r\n")
    [message] = heard.messages
    assert b"From: forged\r\n" in message.content
    assert message.envelope.recipients == ("bob@corp.example",)
    assert message.envelope.mid == 101
    assert heard.codes == [250]


@pytest.mark.parametrize("end", FALSE_ENDS, ids=repr)
def test_after_cleaning_no_bare_line_end_is_left_and_nothing_is_lost(end: bytes) -> None:
    [message] = received(b"a" + end + b"b" + TRUE_END).messages
    rest = message.content.replace(b"\r\n", b"")
    assert b"\r" not in rest
    assert b"\n" not in rest


@pytest.mark.parametrize("bare", [b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\n.\n", b"\n.\r\n", b"\r.\r"], ids=repr)
def test_bare_line_ends_can_be_refused(bare: bytes) -> None:
    heard = received(b"a" + bare + b"b" + TRUE_END, bare_line_ends="reject")
    assert heard.replies == b"550 5.6.0 Message contains bare CR or LF\r\n"
    assert heard.messages == []
    assert [message.reason for message in heard.aborted] == [AbortReason.BARE_LINE_END]


@pytest.mark.parametrize(
    ("sent", "said", "reason"),
    [
        (b"a\0b", b"550 5.6.0 Message contains NUL\r\n", AbortReason.NUL),
        (b"\0", b"550 5.6.0 Message contains NUL\r\n", AbortReason.NUL),
        (b"a\r\0\nb", b"550 5.6.0 Message contains NUL\r\n", AbortReason.NUL),
        (b"a\0b\nc", b"550 5.6.0 Message contains bare CR or LF\r\n", AbortReason.BARE_LINE_END),
    ],
)
def test_nul_is_refused_where_bare_line_ends_are(sent: bytes, said: bytes, reason: AbortReason) -> None:
    heard = received(sent + TRUE_END, bare_line_ends="reject")
    assert heard.replies == said
    assert heard.messages == []
    assert [message.reason for message in heard.aborted] == [reason]


@pytest.mark.parametrize(
    ("content", "setting", "codes", "size"),
    [
        (b"x" * 98 + b"\r\n", "clean", [250], 100),
        (b"x" * 99 + b"\r\n", "clean", [552], 0),
        # Small as it was sent, too large when cleaned.
        (b"\n" * 49 + b"\r\n", "clean", [250], 100),
        (b"\n" * 50 + b"\r\n", "clean", [552], 0),
        (b"\n" * 98 + b"\r\n", "clean", [552], 0),
        (b"\n" * 98 + b"\r\n", "reject", [550], 0),
        # Too large as it was sent, small when cleaned.
        (b"\r" * 99 + b"\n", "clean", [250], 2),
        (b"\r" * 100 + b"\n", "clean", [552], 0),
        (b"\0" * 99 + b"\r\n", "clean", [552], 0),
        (b"\n" * 100 + b"\r\n", "reject", [552], 0),
    ],
)
def test_the_limit_of_size_holds_as_sent_and_as_cleaned(
    content: bytes, setting: Literal["clean", "reject"], codes: list[int], size: int
) -> None:
    for cut in range(len(content)):
        session = new_session(limits=Limits(max_message_size=100), bare_line_ends=setting)
        session.receive(OPENING)
        heard = talk(session, content[:cut], content[cut:] + b".\r\nNOOP\r\n")
        assert heard.codes == [*codes, 250]
        assert [len(message.content) for message in heard.messages] == ([size] if size else [])


def test_a_large_message_is_worked_on_as_it_comes_and_not_at_its_end() -> None:
    content = Content(max_size=100_000)
    for count in range(1, 51):
        assert content.take(b"x\ny\r" * 10) is None
        # As cleaned: five octets of every four. The last CR waits for what follows it.
        assert content.kept == count * 50
    assert content.take(b"\n.\r\nNOOP\r\n") == b"NOOP\r\n"
    assert content.cleaned().read() == b"x\r\ny " * 499 + b"x\r\ny\r\n"


WIRE = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"\r\r\n", b".", b"..", b"\0", b"a", b"\n.\n"])).map(b"".join)


@given(WIRE)
def test_what_leaves_has_no_bare_line_end_and_no_nul_and_ends_once_for_every_reader(sent: bytes) -> None:
    for content in [sent, *(message.content for message in received(sent + TRUE_END).messages)]:
        wire = dot_stuffed(content)
        assert b"\0" not in wire
        assert b"\r" not in wire.replace(b"\r\n", b"")
        assert b"\n" not in wire.replace(b"\r\n", b"")
        # Whatever ends a line for the next server, the only dot alone on one is the last.
        lines = re.split(rb"\r\n|\r|\n", wire)
        assert lines[-2:] == [b".", b""]
        assert b"." not in lines[:-2]


@given(WIRE, st.sampled_from(["clean", "reject"]))
def test_a_relay_before_us_that_stuffs_truly_gets_one_message_through(
    sent: bytes, setting: Literal["clean", "reject"]
) -> None:
    stuffed = (b"\r\n" + sent).replace(b"\r\n.", b"\r\n..")[2:]
    heard = received(stuffed + TRUE_END + b"NOOP\r\n", bare_line_ends=setting)
    unclean = b"\0" in sent or has_bare_line_end(sent.replace(b"\0", b"") + b"\r\n")
    assert heard.codes == [550 if unclean and setting == "reject" else 250, 250]
    assert [message.content for message in heard.messages] == (
        [] if unclean and setting == "reject" else [clean_line_ends(sent + b"\r\n")]
    )


def test_a_message_of_crlf_only_is_never_refused_for_its_line_ends() -> None:
    [message] = received(b"a\r\n\r\nb\r\n.\r\n", bare_line_ends="reject").messages
    assert message.content == b"a\r\n\r\nb\r\n"


@pytest.mark.parametrize(
    ("sent", "content"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...\r\n.\r\n", b"..\r\n"),
        (b"a\r\n..\r\n..b\r\n.\r\n", b"a\r\n.\r\n.b\r\n"),
        (b".lonely\r\n.\r\n", b"lonely\r\n"),
        (b"a\r\n.lonely\r\n.\r\n", b"a\r\nlonely\r\n"),
        (b"a..b\r\nc.\r\n.\r\n", b"a..b\r\nc.\r\n"),
        (b"a\r\n..\r\n\r\n.\r\n", b"a\r\n.\r\n\r\n"),
        # A dot that a bare line end brings to the front of a line was never stuffed and stays.
        (b"a\n..b\r\n.\r\n", b"a\r\n..b\r\n"),
        (b"a\n.\nb\r\n.\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\r.\rb\r\n.\r\n", b"a . b\r\n"),
        (b"a\r\n.\nb\r\n.\r\n", b"a\r\n\r\nb\r\n"),
        (b"a\r\r\n.\r\n", b"a\r\n"),
        # Programs that convert twice: header and body are as they were meant.
        (b"Subject: x\r\r\n\r\r\nbody\r\r\n..\r\r\n.\r\n", b"Subject: x\r\n\r\nbody\r\n.\r\n"),
        (b"a\r\r\n.\r\r\nb\r\n.\r\n", b"a\r\n\r\nb\r\n"),
        (b"a\rb\r\r\rc\r\n.\r\n", b"a b   c\r\n"),
        (b"nul\x00 goes and \xff stays\r\n.\r\n", b"nul goes and \xff stays\r\n"),
        (b"a\r\n\x00.\r\nb\r\n.\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\r\x00\nb\r\n.\r\n", b"a\r\nb\r\n"),
        (b"\x00\r\n.\r\n", b"\r\n"),
    ],
)
def test_content_of_dots_and_line_ends(sent: bytes, content: bytes) -> None:
    heard = received(sent)
    assert [message.content for message in heard.messages] == [content]
    assert heard.codes == [250]


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\n\r"], ids=repr)
def test_only_crlf_ends_a_command(line_end: bytes) -> None:
    session = new_session()
    assert session.receive(b"NOOP" + line_end + b"NOOP" + line_end) == []
