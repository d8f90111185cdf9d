"""What ends a message and what does not. Every line end but CRLF that some server somewhere takes for one is tried at
both sides of the dot; the next hop gets CRLF only, so whatever it believes, it sees one message."""

from __future__ import annotations

import pytest

from seg_console.gateway.protocol import AbortReason
from tests.support.smtp_dialogue import new_session, received

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
        (b"a\r.\rb\r\n.\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\r\n.\nb\r\n.\r\n", b"a\r\n\r\nb\r\n"),
        (b"a\r\r\n.\r\n", b"a\r\n\r\n"),
        (b"nul\x00 and \xff stay\r\n.\r\n", b"nul\x00 and \xff stay\r\n"),
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
