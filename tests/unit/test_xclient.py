"""XCLIENT: what may be said, dialogues with it, and that it does not matter how the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_console.gateway.protocol import ClientNamed, Close, CloseReason, Limits, Session
from seg_console.gateway.xclient import BadClaim, Claim, read_claim
from tests.support.smtp_dialogue import OPENING, Heard, corp_only, new_session, talk

GREETING = "220 mx.corp.example ESMTP"
FROM_ALICE = "MAIL FROM:<alice@example.net>"

SAID = {
    "ADDR=192.0.2.1": Claim(ip="192.0.2.1"),
    "addr=192.0.2.1": Claim(ip="192.0.2.1"),
    "ADDR=IPV6:2001:DB8:0::1": Claim(ip="2001:db8::1"),
    "ADDR=ipv6:2001:db8::1": Claim(ip="2001:db8::1"),
    "ADDR=2001:db8::1": Claim(ip="2001:db8::1"),
    "ADDR=IPV6:::ffff:192.0.2.1": Claim(ip="192.0.2.1"),
    "ADDR=[UNAVAILABLE]": Claim(ip=""),
    "ADDR=[tempunavail]": Claim(ip=""),
    "NAME=mx.example.net": Claim(name="mx.example.net"),
    "NAME=mx.example.net.": Claim(name="mx.example.net"),
    "NAME=mx_1.example.net": Claim(name="mx_1.example.net"),
    "NAME=[UNAVAILABLE]": Claim(name=""),
    "NAME=[TEMPUNAVAIL]": Claim(name=""),
    "PORT=0": Claim(port=0),
    "PORT=65535": Claim(port=65_535),
    "PORT=[UNAVAILABLE]": Claim(),
    "HELO=mx.example.net": Claim(helo="mx.example.net"),
    "HELO=[192.0.2.1]": Claim(helo="[192.0.2.1]"),
    "HELO=a+20b+3D+2B+28c+29": Claim(helo="a?b=+?c?"),
    "HELO=a+0D+0Ab+00": Claim(helo="a??b?"),
    "HELO=" + "x" * 300: Claim(helo="x" * 255),
    "HELO=[UNAVAILABLE]": Claim(helo=""),
    "HELO=[UNAVAILABLE+5D": Claim(helo="[UNAVAILABLE]"),
    "PROTO=SMTP": Claim(esmtp=False),
    "PROTO=esmtp": Claim(esmtp=True),
    "NAME=mx.example.net  ADDR=192.0.2.1 PORT=25 PROTO=ESMTP HELO=mx": Claim(
        name="mx.example.net", ip="192.0.2.1", port=25, esmtp=True, helo="mx"
    ),
}
NOT_SAID = {
    "": "Syntax: XCLIENT attribute=value",
    "ADDR": "Malformed attribute",
    "ADDR=": "Malformed attribute",
    "=192.0.2.1": "Malformed attribute",
    "HELO=a+2": "Malformed attribute",
    "HELO=a+xx": "Malformed attribute",
    "HELO=a=b": "Malformed attribute",
    "ADDR=192.0.2.1 addr=192.0.2.2": "Malformed attribute",
    "LOGIN=bob": "Attribute not supported",
    "DESTADDR=192.0.2.1": "Attribute not supported",
    "ADDR=192.0.2.256": "Bad address",
    "ADDR=192.0.2.1/32": "Bad address",
    "ADDR=mx.example.net": "Bad address",
    "ADDR=fe80::1%eth0": "Bad address",
    "ADDR=+0A": "Bad address",
    "NAME=mx..": "Bad name",
    "NAME=a+20b": "Bad name",
    "NAME=a+0D+0A": "Bad name",
    "NAME=" + "a" * 256: "Bad name",
    "PORT=65536": "Bad port",
    "PORT=-1": "Bad port",
    "PORT=025": "Bad port",
    "PROTO=LMTP": "PROTO must be SMTP or ESMTP",
}


@pytest.mark.parametrize("text", SAID)
def test_what_a_proxy_says_is_read(text: str) -> None:
    assert read_claim(text) == SAID[text]


@pytest.mark.parametrize("text", NOT_SAID)
def test_what_cannot_be_believed_is_refused(text: str) -> None:
    with pytest.raises(BadClaim) as error:
        read_claim(text)
    assert str(error.value) == NOT_SAID[text]


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=250))
def test_every_helo_comes_through_its_coding_without_what_headers_may_not_hold(helo: str) -> None:
    coded = "".join(f"+{ord(each):02X}" for each in helo)
    read = read_claim(f"HELO={coded}").helo
    assert read is not None
    assert len(read) == len(helo)
    assert all(after in (before, "?") for before, after in zip(helo, read, strict=True))
    assert not set(read) & set('()<>"\\,;\r\n')


def say(session: Session, line: str) -> str:
    return talk(session, line.encode() + b"\r\n").replies.decode().removesuffix("\r\n").replace("\r\n", "\n")


DIALOGUES = {
    "it is offered, and starts the session over": [
        ("EHLO proxy.corp.example", "250-mx.corp.example\n250-8BITMIME\n250-SIZE 10485760\n250-PIPELINING\n"
         "250-ENHANCEDSTATUSCODES\n250 XCLIENT NAME ADDR PORT PROTO HELO"),
        ("XCLIENT ADDR=192.0.2.1", GREETING),
        (FROM_ALICE, "503 5.5.1 Say HELO or EHLO first"),
        ("HELO client.example", "250 mx.corp.example"),
        (FROM_ALICE, "250 2.1.0 sender <alice@example.net> ok"),
    ],
    "before HELO, and again": [
        ("XCLIENT ADDR=192.0.2.1", GREETING),
        ("XCLIENT ADDR=192.0.2.2", GREETING),
    ],
    "the client's HELO is as good as said": [
        ("XCLIENT HELO=client.example PROTO=ESMTP", GREETING),
        (FROM_ALICE, "250 2.1.0 sender <alice@example.net> ok"),
    ],
    "a HELO that is not known": [
        ("HELO proxy.corp.example", "250 mx.corp.example"),
        ("XCLIENT HELO=[UNAVAILABLE]", GREETING),
        (FROM_ALICE, "503 5.5.1 Say HELO or EHLO first"),
    ],
    "not within a message": [
        ("HELO proxy.corp.example", "250 mx.corp.example"),
        (FROM_ALICE, "250 2.1.0 sender <alice@example.net> ok"),
        ("XCLIENT ADDR=192.0.2.1", "503 5.5.1 MAIL transaction in progress"),
        ("RSET", "250 2.0.0 reset"),
        ("XCLIENT ADDR=192.0.2.1", GREETING),
    ],
    "what is wrong changes nothing": [
        ("HELO proxy.corp.example", "250 mx.corp.example"),
        ("XCLIENT", "501 5.5.4 Syntax: XCLIENT attribute=value"),
        ("XCLIENT LOGIN=bob", "501 5.5.4 Attribute not supported"),
        ("XCLIENT ADDR=x", "501 5.5.4 Bad address"),
        ("XCLIENT ADDR=\u00fc", "501 5.5.2 Only ASCII is allowed"),
        (FROM_ALICE, "250 2.1.0 sender <alice@example.net> ok"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue(name: str) -> None:
    session = new_session(xclient=True)
    for said, heard in DIALOGUES[name]:
        assert say(session, said) == heard, said


def test_nobody_else_is_offered_it() -> None:
    session = new_session()
    assert "XCLIENT" not in say(session, "EHLO client.example")
    assert say(session, "XCLIENT ADDR=192.0.2.1") == "550 5.7.0 XCLIENT is not allowed from here"


def test_the_message_has_the_clients_helo_and_protocol() -> None:
    opening = OPENING.partition(b"\r\n")[2]
    for proto, esmtp in (("SMTP", False), ("ESMTP", True)):
        session = new_session(xclient=True)
        named = f"XCLIENT HELO=client.example PROTO={proto}\r\n".encode()
        [message] = talk(session, b"EHLO proxy.corp.example\r\n" + named + opening + b"x\r\n.\r\n").messages
        assert (message.helo, message.esmtp) == ("client.example", esmtp)


def test_tls_stays_and_the_clients_own_terms_hold() -> None:
    session = new_session(xclient=True, tls_available=True)
    talk(session, b"EHLO proxy.corp.example\r\nSTARTTLS\r\n")
    session.tls_started()
    session.receive(b"XCLIENT HELO=client.example\r\n")
    limits = Limits(max_recipients=1)
    session.start_over(Claim(helo="c"), access=corp_only, limits=limits, tls_available=True, tls_required=True)
    assert session.tls
    assert say(session, FROM_ALICE).startswith("250 ")
    assert say(session, "RCPT TO:<bob@corp.example>").startswith("250 ")
    assert say(session, "RCPT TO:<eve@corp.example>") == "452 4.5.3 Too many recipients"


def test_a_proxy_that_names_clients_without_end_and_sends_no_mail_is_hung_up_on() -> None:
    session = new_session(xclient=True)
    heard = talk(session, b"XCLIENT ADDR=192.0.2.1\r\n" * 101)
    assert heard.closed is not None
    assert heard.closed.reason is CloseReason.ERRORS
    assert len(heard.claims) == 100


def test_the_session_waits_for_our_decision() -> None:
    session = new_session(xclient=True)
    assert session.receive(b"XCLIENT ADDR=192.0.2.1\r\nNOOP\r\n") == [ClientNamed(Claim(ip="192.0.2.1"))]
    assert session.receive(b"NOOP\r\n") == []
    assert session.timed_out() == []
    assert session.shut_down() == []
    heard = Heard()
    heard.take(session.start_over(Claim(), access=corp_only, limits=Limits(), tls_available=False, tls_required=False))
    assert heard.codes == [421]
    assert heard.closed == Close(CloseReason.SHUTDOWN)
    with pytest.raises(RuntimeError, match="no client was named"):
        new_session().start_over(Claim(), access=corp_only, limits=Limits(), tls_available=False, tls_required=False)


STREAM = (
    b"EHLO proxy.corp.example\r\nXCLIENT ADDR=192.0.2.1 HELO=client.example\r\n"
    b"MAIL FROM:<alice@example.net>\r\nRCPT TO:<bob@corp.example>\r\nDATA\r\nhello\r\n.\r\n"
    b"XCLIENT ADDR=192.0.2.2\r\nXCLIENT ADDR=x\r\nEHLO two.example\r\nNOOP\r\n"
)


@pytest.mark.parametrize("place", range(len(STREAM)))
def test_it_does_not_matter_where_the_bytes_are_cut(place: int) -> None:
    whole = talk(new_session(xclient=True), STREAM)
    assert talk(new_session(xclient=True), STREAM[:place], STREAM[place:]) == whole
    assert len(whole.claims) == 2
