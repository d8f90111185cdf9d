"""Dialogues with the SMTP session, read as tables: what the client says, what it hears."""

from __future__ import annotations

from typing import Any

import pytest

from seg_console.gateway.document import Access as Row
from seg_console.gateway.paths import Parsing
from seg_console.gateway.protocol import (
    AbortReason,
    Access,
    Close,
    CloseReason,
    Limits,
    MessageAborted,
    MessageReady,
    Phase,
    Refused,
    Reply,
    Session,
    StartTls,
    reply,
)
from seg_console.gateway.running import RecipientAccessTable
from seg_console.mail.values import RefusalKind
from tests.support.smtp_dialogue import OPENING, Heard, new_session, talk

EHLO_LINES = [
    "250-mx.corp.example",
    "250-8BITMIME",
    "250-SIZE 10485760",
    "250-PIPELINING",
    "250 ENHANCEDSTATUSCODES",
]
FROM_ALICE = "MAIL FROM:<alice@example.net>"
TO_BOB = "RCPT TO:<bob@corp.example>"


def say(session: Session, line: str) -> str:
    """Send one line; the reply without its last CRLF, lines parted by LF."""
    return talk(session, line.encode("latin-1") + b"\r\n").replies.decode().removesuffix("\r\n").replace("\r\n", "\n")


# Each dialogue is a conversation from the greeting on.
DIALOGUES = {
    "a whole message": [
        ("EHLO client.example", "\n".join(EHLO_LINES)),
        (FROM_ALICE, "250 2.1.0 sender <alice@example.net> ok"),
        (TO_BOB, "250 2.1.5 recipient <bob@corp.example> ok"),
        ("DATA", "354 go ahead"),
        ("Subject: x\r\n\r\nhello\r\n.", "250 ok:  Message 101 accepted"),
        ("QUIT", "221 2.0.0 mx.corp.example"),
    ],
    "HELO has one line": [("HELO client.example", "250 mx.corp.example")],
    "verbs and parameters in any case, blanks as real clients set them": [
        ("ehlo client.example ", "\n".join(EHLO_LINES)),
        ("mail from: <a@example.net> size=100  body=8bitmime ", "250 2.1.0 sender <a@example.net> ok"),
        ("Rcpt To: <bob@corp.example>\t", "250 2.1.5 recipient <bob@corp.example> ok"),
        ("rset", "250 2.0.0 reset"),
    ],
    "HELO needs one name": [
        ("HELO", "501 5.5.4 Syntax: one name of a host is needed"),
        ("HELO one two", "501 5.5.4 Syntax: one name of a host is needed"),
        ("EHLO evil.example)", "501 5.5.4 Syntax: one name of a host is needed"),
        (FROM_ALICE, "503 5.5.1 Say HELO or EHLO first"),
        ("EHLO [192.0.2.1]", "\n".join(EHLO_LINES)),
    ],
    "commands out of their order": [
        (FROM_ALICE, "503 5.5.1 Say HELO or EHLO first"),
        (TO_BOB, "503 5.5.1 MAIL first"),
        ("DATA", "503 5.5.1 MAIL first"),
        ("HELO client.example", "250 mx.corp.example"),
        (TO_BOB, "503 5.5.1 MAIL first"),
        (FROM_ALICE, "250 2.1.0 sender <alice@example.net> ok"),
        (FROM_ALICE, "503 5.5.1 Sender was already given"),
        ("DATA", "554 5.5.1 No valid recipients"),
        (TO_BOB, "250 2.1.5 recipient <bob@corp.example> ok"),
        ("DATA", "354 go ahead"),
    ],
    "a foreign recipient is refused and the others stay": [
        ("HELO client.example", "250 mx.corp.example"),
        ("MAIL FROM:<>", "250 2.1.0 sender <> ok"),
        ("RCPT TO:<x@elsewhere.example>", "550 #5.1.0 Address rejected."),
        ("DATA", "554 5.5.1 No valid recipients"),
        ("RCPT TO:<Postmaster>", "250 2.1.5 recipient <Postmaster> ok"),
        ("DATA", "354 go ahead"),
    ],
    "forms of relaying": [
        ("HELO client.example", "250 mx.corp.example"),
        (FROM_ALICE, "250 2.1.0 sender <alice@example.net> ok"),
        ("RCPT TO:<user%elsewhere.example@corp.example>", "550 5.7.1 Relaying denied"),
        ("RCPT TO:<elsewhere.example!user@corp.example>", "550 5.7.1 Relaying denied"),
        ('RCPT TO:<"user@elsewhere.example"@corp.example>', "550 5.7.1 Relaying denied"),
        (r'RCPT TO:<"user\%elsewhere.example"@corp.example>', "550 5.7.1 Relaying denied"),
        ("RCPT TO:<@corp.example:user@elsewhere.example>", "550 #5.1.0 Address rejected."),
        ("RCPT TO:<user@elsewhere.example@corp.example>", "501 5.1.3 Bad recipient address syntax"),
        ("RCPT TO:<half%price@corp.example>", "250 2.1.5 recipient <half%price@corp.example> ok"),
        (r'RCPT TO:<"hal\f%price"@corp.example>', r'250 2.1.5 recipient <"hal\f%price"@corp.example> ok'),
        ("RCPT TO:<half%price@sub.corp.example>", "550 5.7.1 Relaying denied"),
    ],
    "where the characters of relaying are ordinary": [
        ("HELO client.example", "250 mx.corp.example"),
        (FROM_ALICE, "250 2.1.0 sender <alice@example.net> ok"),
        (
            "RCPT TO:<user%elsewhere.example@corp.example>",
            "250 2.1.5 recipient <user%elsewhere.example@corp.example> ok",
        ),
        (
            "RCPT TO:<elsewhere.example!user@corp.example>",
            "250 2.1.5 recipient <elsewhere.example!user@corp.example> ok",
        ),
        ('RCPT TO:<"user@elsewhere.example"@corp.example>', "550 5.7.1 Relaying denied"),
        ("RCPT TO:<user%corp.example@elsewhere.example>", "550 #5.1.0 Address rejected."),
    ],
    "addresses as careless programs write them": [
        ("EHLO client.example", "\n".join(EHLO_LINES)),
        ("MAIL FROM : alice@example.net SIZE=9", "250 2.1.0 sender <alice@example.net> ok"),
        ("RCPT TO:bob@corp.example", "250 2.1.5 recipient <bob@corp.example> ok"),
        ("RCPT TO: <<bob@corp.example>>", "250 2.1.5 recipient <bob@corp.example> ok"),
        ("RCPT TO:< bob@corp.example > (Bob (sales))", "250 2.1.5 recipient <bob@corp.example> ok"),
        ("RCPT TO:<bob@corp.example.>", "250 2.1.5 recipient <bob@corp.example> ok"),
        ("RCPT TO:<bob>", "501 5.1.3 Bad recipient address syntax"),
        ("RCPT TO:bob@corp.example NOTIFY=NEVER", "555 5.5.4 Parameter not supported"),
        ("RCPT TO:<bob@corp.example> (Bob) NOTIFY=NEVER", "555 5.5.4 Parameter not supported"),
        ("RCPT TO <bob@corp.example>", "501 5.5.4 Syntax: RCPT TO:<address>"),
    ],
    "a default domain": [
        ("EHLO client.example", "\n".join(EHLO_LINES)),
        ("MAIL FROM:<alice>", "250 2.1.0 sender <alice@corp.example> ok"),
        ("RCPT TO:<bob>", "250 2.1.5 recipient <bob@corp.example> ok"),
        ("RCPT TO:bob@", "250 2.1.5 recipient <bob@corp.example> ok"),
        ("RCPT TO:<bob%elsewhere.example>", "550 5.7.1 Relaying denied"),
        ("RCPT TO:<Postmaster>", "250 2.1.5 recipient <Postmaster> ok"),
        ('RCPT TO:<"postmaster">', '250 2.1.5 recipient <"postmaster"> ok'),
        ("RCPT TO:<>", "501 5.1.3 Bad recipient address syntax"),
    ],
    "Strict takes what RFC 5321 has": [
        ("EHLO client.example", "\n".join(EHLO_LINES)),
        ("MAIL FROM :<alice@example.net>", "501 5.5.4 Syntax: MAIL FROM:<address>"),
        ("MAIL FROM:alice@example.net", "501 5.1.7 Bad sender address syntax"),
        ("MAIL FROM:<alice@example.net.>", "501 5.1.7 Bad sender address syntax"),
        ("MAIL FROM:<alice@example.net> (Alice)", "501 5.5.4 Malformed parameter"),
        ("MAIL FROM:<alice>", "501 5.1.7 Bad sender address syntax"),
        ("MAIL FROM: <taro..y@example_a.net>", "250 2.1.0 sender <taro..y@example_a.net> ok"),
        ("RCPT TO:<postmaster>", "250 2.1.5 recipient <postmaster> ok"),
    ],
    "a source route is dropped": [
        ("HELO client.example", "250 mx.corp.example"),
        ("MAIL FROM:<@a.example,@b.example:alice@example.net>", "250 2.1.0 sender <alice@example.net> ok"),
        ("RCPT TO:<@a.example:bob@corp.example>", "250 2.1.5 recipient <bob@corp.example> ok"),
    ],
    "parameters of MAIL": [
        ("EHLO client.example", "\n".join(EHLO_LINES)),
        (FROM_ALICE + " SIZE=10485761", "552 5.3.4 Message size exceeds limit"),
        (FROM_ALICE + " SIZE=", "501 5.5.4 Malformed parameter"),
        (FROM_ALICE + " SIZE", "501 5.5.4 SIZE must be a number of at most 20 digits"),
        (FROM_ALICE + " SIZE=-1", "501 5.5.4 SIZE must be a number of at most 20 digits"),
        (FROM_ALICE + " SIZE=" + "1" * 21, "501 5.5.4 SIZE must be a number of at most 20 digits"),
        (FROM_ALICE + " SIZE=1 SIZE=1", "501 5.5.4 Malformed parameter"),
        (FROM_ALICE + " BODY=BINARYMIME", "501 5.5.4 BODY must be 7BIT or 8BITMIME"),
        (FROM_ALICE + " BODY", "501 5.5.4 BODY must be 7BIT or 8BITMIME"),
        (FROM_ALICE + " SMTPUTF8", "555 5.6.7 SMTPUTF8 is not supported"),
        (FROM_ALICE + " AUTH=<>", "555 5.5.4 Parameter not supported"),
        (FROM_ALICE + " =x", "501 5.5.4 Malformed parameter"),
        (FROM_ALICE + "SIZE=1", "501 5.1.7 Bad sender address syntax"),
        (FROM_ALICE + " SIZE=10485760 BODY=7BIT", "250 2.1.0 sender <alice@example.net> ok"),
        (TO_BOB + " NOTIFY=NEVER", "555 5.5.4 Parameter not supported"),
        ("DATA now", "501 5.5.4 Syntax: DATA"),
    ],
    "commands that move no mail": [
        ("NOOP", "250 2.0.0 ok"),
        ("NOOP anything", "250 2.0.0 ok"),
        ("VRFY bob", "252 2.5.2 Cannot verify the address, but will take mail for it and attempt delivery"),
        ("VRFY", "501 5.5.4 Syntax: VRFY address"),
        ("EXPN list", "502 5.5.1 EXPN is not available"),
        ("RSET", "250 2.0.0 reset"),
        ("RSET x", "501 5.5.4 Syntax: RSET"),
        ("HELP", "214 2.0.0 Commands: HELO EHLO MAIL RCPT DATA RSET NOOP QUIT VRFY HELP STARTTLS (RFC 5321)"),
        ("ETRN x", "500 5.5.1 Command not recognized"),
        ("BDAT 10 LAST", "500 5.5.1 Command not recognized"),
        ("", "500 5.5.1 Command not recognized"),
        ("STARTTLS", "502 5.5.1 STARTTLS is not available"),
        ("QUIT now", "501 5.5.4 Syntax: QUIT"),
        ("quit", "221 2.0.0 mx.corp.example"),
    ],
    "characters that belong in no command": [
        ("HELO caf\xe9.example", "501 5.5.2 Only ASCII is allowed"),
        ("HELO client.example", "250 mx.corp.example"),
        ("MAIL FROM:<a\x00@example.net>", "501 5.5.2 Control characters are not allowed"),
        ("MAIL FROM:<a@example.net>\nRSET", "501 5.5.2 Control characters are not allowed"),
        ("MAIL FROM:<a@example.net>\rRSET", "501 5.5.2 Control characters are not allowed"),
        ("MAIL FROM:<caf\xe9@example.net>", "553 5.6.7 Only ASCII addresses are supported"),
        (FROM_ALICE, "250 2.1.0 sender <alice@example.net> ok"),
        ("RCPT TO:<caf\xe9@corp.example>", "553 5.6.7 Only ASCII addresses are supported"),
        ("RCPT TO:<bob\x00@corp.example>", "501 5.5.2 Control characters are not allowed"),
        ("RCPT TO:<bob\x7f@corp.example>", "501 5.5.2 Control characters are not allowed"),
        ("DATA", "554 5.5.1 No valid recipients"),
    ],
    "a new EHLO forgets the message begun": [
        ("HELO client.example", "250 mx.corp.example"),
        (FROM_ALICE, "250 2.1.0 sender <alice@example.net> ok"),
        ("EHLO client.example", "\n".join(EHLO_LINES)),
        (TO_BOB, "503 5.5.1 MAIL first"),
        (FROM_ALICE, "250 2.1.0 sender <alice@example.net> ok"),
    ],
    "a bad EHLO changes nothing": [
        ("HELO client.example", "250 mx.corp.example"),
        (FROM_ALICE, "250 2.1.0 sender <alice@example.net> ok"),
        ("EHLO", "501 5.5.4 Syntax: one name of a host is needed"),
        (TO_BOB, "250 2.1.5 recipient <bob@corp.example> ok"),
    ],
    "a request from a browser": [
        ("POST / HTTP/1.1", "500 5.5.1 This is a mail server\n421 4.7.0 Too many errors, closing connection"),
        (FROM_ALICE, ""),
    ],
}


ROWS = tuple(
    Row(recipient=recipient, action="accept")
    for recipient in ("corp.example", ".corp.example", "half%price@corp.example")
)
OPTIONS: dict[str, dict[str, Any]] = {
    "forms of relaying": {"access": RecipientAccessTable(ROWS).decide},
    "where the characters of relaying are ordinary": {
        "access": RecipientAccessTable(ROWS, reject_characters="@").decide
    },
    "a default domain": {
        "access": RecipientAccessTable(ROWS).decide,
        "parsing": Parsing(default_domain="corp.example"),
    },
    "Strict takes what RFC 5321 has": {"parsing": Parsing(loose=False, default_domain="corp.example")},
}


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue(name: str) -> None:
    session = new_session(**OPTIONS.get(name, {}))
    for line, expected in DIALOGUES[name]:
        assert say(session, line) == expected, line


def test_the_greeting_names_the_host() -> None:
    assert new_session().greeting() == b"220 mx.corp.example ESMTP\r\n"


@pytest.mark.parametrize(
    "address",
    [
        "alice@example.net",
        "Alice.O'Hara+tag=x@Example.NET",
        '"alice smith"@example.net',
        r'"a\"b\\c"@example.net',
        '"a>b"@example.net',
        "dots..anywhere.@example.net",
        "under_score@host_name.example.net",
        "alice@xn--bcher-kva.example",
        "alice@[192.0.2.1]",
        "alice@[IPv6:2001:db8::1]",
        "a" * 242 + "@example.net",
        "a@" + "b" * 63 + ".example",
        "a@" + ".".join(["b" * 62] * 4),
        "a@b",
        "",
    ],
)
def test_an_address_stays_as_it_was_written(address: str) -> None:
    session = new_session(access=lambda recipient: Access(True))
    heard = talk(session, b"EHLO c.example\r\nMAIL FROM:<%s>\r\nRCPT TO:<bob@corp.example>\r\n" % address.encode())
    assert heard.codes == [250, 250, 250]
    heard = talk(session, b"DATA\r\n.\r\n")
    assert heard.messages[0].envelope.sender == address


TAKEN_IF_LOOSE = {"alice@example.net", "<alice@example.net.>", "<<alice@example.net>>"}


@pytest.mark.parametrize(
    "path",
    [
        "alice@example.net",
        "<alice@example.net",
        "alice@example.net>",
        "<alice>",
        "<@example.net>",
        "<alice@>",
        "<a@b@example.net>",
        "<a b@example.net>",
        "<alice@example..net>",
        "<alice@.example.net>",
        "<alice@example.net.>",
        "<alice@-example.net>",
        "<alice@example.net-.org>",
        "<alice@exa mple.net>",
        "<alice@[192.0.2.300]>",
        "<alice@[IPv6:::::]>",
        "<alice@[example]>",
        '<"alice@example.net>',
        '<"a"b@example.net>',
        "<a,b@example.net>",
        "<a@example.net,b@example.net>",
        "<<alice@example.net>>",
        "<" + "a" * 243 + "@example.net>",
        "<a@" + "b" * 64 + ".example>",
        "<aaa@" + ".".join(["b" * 62] * 4) + ">",
        "<@:alice@example.net>",
        "",
    ],
)
@pytest.mark.parametrize("loose", [False, True])
def test_a_malformed_address_is_refused_on_both_sides(path: str, loose: bool) -> None:
    if loose and path in TAKEN_IF_LOOSE:
        return
    parsing = Parsing(loose=loose)
    session = new_session(access=lambda recipient: Access(True), limits=Limits(max_errors=1000), parsing=parsing)
    session.receive(b"EHLO c.example\r\n")
    heard = talk(session, b"MAIL FROM:%s\r\n" % path.encode())
    assert heard.replies == b"501 5.1.7 Bad sender address syntax\r\n"
    assert heard.invalid_senders == [path]
    session.receive(b"MAIL FROM:<alice@example.net>\r\n")
    heard = talk(session, b"RCPT TO:%s\r\nRSET\r\n" % path.encode())
    assert heard.replies.startswith(b"501 5.1.3 Bad recipient address syntax\r\n")
    text = "5.1.3 Bad recipient address syntax"
    assert heard.aborted[0].envelope.refused == (Refused(RefusalKind.INVALID_RECIPIENT, path, 501, text),)


def test_the_null_recipient_is_refused() -> None:
    assert talk(new_session(), OPENING.replace(b"bob@corp.example", b"")).codes == [250, 250, 501, 554]


def test_a_message_carries_its_envelope() -> None:
    session = new_session()
    talk(session, b"EHLO client.example\r\nMAIL FROM:<alice@example.net> SIZE=99 BODY=8BITMIME\r\n")
    talk(session, b"RCPT TO:<bob@corp.example>\r\nRCPT TO:<x@elsewhere.example>\r\nRCPT TO:<nobody>\r\n")
    talk(session, b"RCPT TO:<carol@corp.example>\r\n")
    [message] = talk(session, b"DATA\r\nSubject: \xfc\r\n\r\nx\r\n.\r\n").messages
    assert (message.envelope.mid, message.envelope.sender) == (101, "alice@example.net")
    assert message.envelope.recipients == ("bob@corp.example", "carol@corp.example")
    assert message.envelope.refused == (
        Refused(RefusalKind.RECIPIENT, "x@elsewhere.example", 550, "#5.1.0 Address rejected."),
        Refused(RefusalKind.INVALID_RECIPIENT, "<nobody>", 501, "5.1.3 Bad recipient address syntax"),
    )
    assert message.content == b"Subject: \xfc\r\n\r\nx\r\n"
    assert (message.helo, message.esmtp, message.tls) == ("client.example", True, False)
    assert (message.body_8bitmime, message.declared_size) == (True, 99)


def test_without_extensions_the_message_says_so() -> None:
    session = new_session()
    [message] = talk(session, OPENING.replace(b"EHLO", b"HELO") + b".\r\n").messages
    assert (message.esmtp, message.body_8bitmime, message.declared_size) == (False, False, 0)


def test_each_message_has_its_own_mid_and_its_own_envelope() -> None:
    session = new_session()
    heard = talk(session, OPENING + b"one\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<carol@corp.example>\r\nDATA\r\ntwo\r\n.\r\n")
    told = [(m.envelope.mid, m.envelope.sender, m.envelope.recipients, m.content) for m in heard.messages]
    assert told == [
        (101, "alice@example.net", ("bob@corp.example",), b"one\r\n"),
        (102, "", ("carol@corp.example",), b"two\r\n"),
    ]


def test_mail_is_deferred_while_no_mid_can_be_had() -> None:
    session = Session(hostname="mx.corp.example", access=lambda recipient: Access(True), next_mid=lambda: None)
    heard = talk(session, OPENING)
    assert heard.codes == [250, 451, 503, 503]
    assert heard.aborted == []


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        (Access(False, 450, "4.2.0 Greylisted"), b"450 4.2.0 Greylisted\r\n"),
        (Access(False), b"550 #5.1.0 Address rejected.\r\n"),
        (Access(False, 550, "one\r\n250 two\x00"), b"550-one\r\n550 250 two?\r\n"),
        (Access(False, 550, "caf\xe9"), b"550 caf?\r\n"),
        (Access(True, 251, "2.1.5 User not local"), b"251 2.1.5 User not local\r\n"),
        (Access(True, 550, "mistaken"), b"250 mistaken\r\n"),
    ],
)
def test_the_recipient_access_words_its_reply(access: Access, expected: bytes) -> None:
    session = new_session(access=lambda recipient: access)
    session.receive(b"EHLO c.example\r\nMAIL FROM:<>\r\n")
    assert talk(session, b"RCPT TO:<bob@corp.example>\r\n").replies == expected


def test_a_reply_of_no_text_is_still_a_reply() -> None:
    assert reply(250, "") == b"250 \r\n"
    assert reply(250, "\r\n") == b"250 \r\n"


# -- waiting for the answer


def test_commands_behind_a_message_wait_for_its_answer() -> None:
    session = new_session()
    session.receive(OPENING)
    [output] = session.receive(b"x\r\n.\r\nNOOP\r\n")
    assert isinstance(output, MessageReady)
    assert session.phase is Phase.ANSWER
    assert session.receive(b"QUIT\r\n") == []
    outputs = session.answer(452, "4.3.1 Disk full")
    assert outputs == [
        Reply(b"452 4.3.1 Disk full\r\n250 2.0.0 ok\r\n221 2.0.0 mx.corp.example\r\n"),
        Close(CloseReason.QUIT),
    ]


def test_an_answer_nobody_asked_for_is_a_mistake_of_ours() -> None:
    with pytest.raises(RuntimeError):
        new_session().answer(250, "ok")


def test_too_much_pipelined_behind_a_message_is_dropped_and_the_message_still_answered() -> None:
    session = new_session(limits=Limits(max_pipelined=100))
    session.receive(OPENING)
    session.receive(b".\r\n")
    assert session.receive(b"NOOP\r\n" * 10) == []
    assert session.receive(b"NOOP\r\n" * 10) == []
    outputs = session.answer(250, "ok:  Message 101 accepted")
    assert outputs == [
        Reply(b"250 ok:  Message 101 accepted\r\n421 4.7.0 Too many errors, closing connection\r\n"),
        Close(CloseReason.ERRORS),
    ]


# -- messages that never became whole


@pytest.mark.parametrize("command", [b"RSET", b"EHLO again.example", b"HELO again.example", b"QUIT"])
def test_a_message_begun_and_given_up_is_reported(command: bytes) -> None:
    session = new_session()
    talk(session, OPENING.removesuffix(b"DATA\r\n") + b"RCPT TO:<x@elsewhere.example>\r\n")
    [aborted] = talk(session, command + b"\r\n").aborted
    assert (aborted.envelope.mid, aborted.envelope.sender) == (101, "alice@example.net")
    assert aborted.envelope.recipients == ("bob@corp.example",)
    assert [each.address for each in aborted.envelope.refused] == ["x@elsewhere.example"]
    assert (aborted.reason, aborted.code, aborted.text) == (AbortReason.SENDER, 0, "")


def test_commands_without_a_message_report_nothing() -> None:
    heard = talk(new_session(), b"EHLO c.example\r\nRSET\r\nEHLO c.example\r\nQUIT\r\n")
    assert heard.aborted == []


@pytest.mark.parametrize("sent", [OPENING.removesuffix(b"DATA\r\n"), OPENING, OPENING + b"Subject: half\r\n"])
def test_a_lost_connection_aborts_the_message(sent: bytes) -> None:
    session = new_session()
    session.receive(sent)
    [output] = session.lost()
    assert isinstance(output, MessageAborted)
    assert output.message.reason is AbortReason.SENDER
    assert session.receive(b"x\r\n.\r\n") == []
    assert session.lost() == []


def test_a_message_handed_over_is_not_aborted_by_a_lost_connection() -> None:
    session = new_session()
    session.receive(OPENING + b".\r\n")
    assert session.lost() == []
    assert session.answer(250, "ok") == []


def test_time_out_says_421_and_aborts_the_message() -> None:
    session = new_session()
    session.receive(OPENING + b"half a mess")
    heard = Heard()
    heard.take(session.timed_out())
    assert heard.replies == b"421 4.4.2 mx.corp.example Timeout, closing connection\r\n"
    assert heard.closed == Close(CloseReason.TIMED_OUT)
    assert [message.reason for message in heard.aborted] == [AbortReason.TIMED_OUT]


def test_shutting_down_says_421_to_an_idle_client() -> None:
    assert new_session().shut_down() == [
        Reply(b"421 4.3.2 mx.corp.example Service shutting down, closing connection\r\n"),
        Close(CloseReason.SHUTDOWN),
    ]


def test_shutting_down_lets_a_message_get_its_answer_and_nothing_behind_it() -> None:
    session = new_session()
    session.receive(OPENING + b"one\r\n")
    assert session.shut_down() == []
    [ready] = session.receive(b"two\r\n.\r\n" + OPENING)
    assert isinstance(ready, MessageReady)
    assert ready.message.content == b"one\r\ntwo\r\n"
    assert session.answer(250, "ok:  Message 101 accepted") == [
        Reply(
            b"250 ok:  Message 101 accepted\r\n421 4.3.2 mx.corp.example Service shutting down, closing connection\r\n"
        ),
        Close(CloseReason.SHUTDOWN),
    ]


def test_nothing_is_heard_after_quit() -> None:
    session = new_session()
    assert talk(session, b"QUIT\r\nNOOP\r\n").codes == [221]
    assert session.receive(b"NOOP\r\n") == []
    assert session.timed_out() == []
    assert session.shut_down() == []


# -- limits


def test_a_command_may_have_2048_octets_and_no_more() -> None:
    assert talk(new_session(), b"NOOP " + b"x" * 2043 + b"\r\n").codes == [250]
    assert talk(new_session(), b"NOOP " + b"x" * 2044 + b"\r\nNOOP\r\n").codes == [500, 250]


def test_an_endless_command_line_uses_no_memory_and_gets_one_reply() -> None:
    session = new_session()
    for _ in range(100):
        assert session.receive(b"x" * 65_536) == []
    assert len(session._input) < 10
    assert session.receive(b"x\r") == []
    assert session.receive(b"\nNOOP\r\n") == [Reply(b"500 5.5.2 Line too long\r\n250 2.0.0 ok\r\n")]


def test_recipients_beyond_the_limit_are_put_off_and_the_others_kept() -> None:
    session = new_session(limits=Limits(max_recipients=2))
    heard = talk(session, OPENING.replace(b"DATA\r\n", b"RCPT TO:<c@corp.example>\r\nRCPT TO:<d@corp.example>\r\n"))
    assert heard.replies.endswith(b"452 4.5.3 Too many recipients\r\n")
    [message] = talk(session, b"DATA\r\n.\r\n").messages
    assert message.envelope.recipients == ("bob@corp.example", "c@corp.example")
    assert message.envelope.refused == (
        Refused(RefusalKind.TOO_MANY, "d@corp.example", 452, "4.5.3 Too many recipients"),
    )


def test_refused_recipients_are_not_stored_without_end() -> None:
    session = new_session(limits=Limits(max_recipients=3))
    heard = talk(session, b"EHLO c.example\r\nMAIL FROM:<>\r\n" + b"RCPT TO:<x@elsewhere.example>\r\n" * 5)
    assert heard.codes == [250, 250, 550, 550, 550, 452, 452]
    [aborted] = talk(session, b"RSET\r\n").aborted
    assert [each.code for each in aborted.envelope.refused] == [550, 550, 550, 452, 452]


def test_many_refused_recipients_do_not_end_a_transaction_that_has_good_ones() -> None:
    session = new_session(limits=Limits(max_errors=3))
    refused = b"RCPT TO:<x@elsewhere.example>\r\n" * 50
    heard = talk(session, OPENING.replace(b"DATA\r\n", refused + b"DATA\r\n") + b".\r\n")
    assert len(heard.messages) == 1
    assert len(heard.messages[0].envelope.refused) == 50


def test_a_client_that_only_tries_foreign_recipients_is_hung_up_on() -> None:
    session = new_session(limits=Limits(max_errors=3))
    attempt = b"MAIL FROM:<>\r\nRCPT TO:<x@elsewhere.example>\r\nRSET\r\n"
    heard = talk(session, b"EHLO c.example\r\n" + attempt * 4)
    assert heard.codes == [250, *[250, 550, 250] * 3, 421]
    assert heard.closed == Close(CloseReason.ERRORS)
    assert len(heard.aborted) == 3


def test_too_many_errors_end_the_session() -> None:
    heard = talk(new_session(limits=Limits(max_errors=3)), b"FOO\r\n" * 10)
    assert heard.codes == [500, 500, 500, 421]
    assert heard.closed == Close(CloseReason.ERRORS)


def test_errors_that_end_the_session_abort_the_message() -> None:
    session = new_session(limits=Limits(max_errors=2))
    heard = talk(session, OPENING.removesuffix(b"DATA\r\n") + b"FOO\r\nFOO\r\n")
    assert [message.reason for message in heard.aborted] == [AbortReason.HUNG_UP]


@pytest.mark.parametrize("junk", [b"NOOP", b"RSET", b"VRFY bob", b"HELP", b"EHLO c.example"])
def test_too_many_junk_commands_end_the_session(junk: bytes) -> None:
    session = new_session(limits=Limits(max_junk=5))
    session.receive(b"EHLO c.example\r\n")
    heard = talk(session, (junk + b"\r\n") * 10)
    assert heard.codes[-1] == 421
    assert len(heard.codes) == 6


def test_an_accepted_message_clears_the_counts() -> None:
    session = new_session(limits=Limits(max_errors=3, max_junk=3))
    for _ in range(5):
        heard = talk(session, b"NOOP\r\nFOO\r\n" + OPENING + b".\r\n")
        assert heard.closed is None


def test_a_message_of_the_very_limit_is_taken_and_one_octet_more_is_not() -> None:
    session = new_session(limits=Limits(max_message_size=1000))
    session.receive(OPENING)
    assert talk(session, b"x" * 998 + b"\r\n.\r\n").codes == [250]
    session.receive(OPENING)
    heard = talk(session, b"x" * 999 + b"\r\n.\r\n")
    assert heard.replies == b"552 5.3.4 Message size exceeds limit\r\n"
    assert [message.reason for message in heard.aborted] == [AbortReason.TOO_BIG]


def test_stuffed_dots_do_not_count() -> None:
    session = new_session(limits=Limits(max_message_size=999))
    session.receive(OPENING)
    [message] = talk(session, b"..\r\n" * 333 + b".\r\n").messages
    assert message.content == b".\r\n" * 333


def test_what_follows_a_message_that_is_too_big_is_thrown_away_and_the_session_goes_on() -> None:
    session = new_session(limits=Limits(max_message_size=1000))
    session.receive(OPENING)
    for _ in range(100):
        assert session.receive(b"x" * 10_000) == []
        assert session._content.kept < 10
    assert session.receive(b"\r\n") == []
    heard = talk(session, b".\r\nNOOP\r\n")
    assert heard.codes == [552, 250]


def test_a_long_line_is_accepted_whole() -> None:
    session = new_session()
    session.receive(OPENING)
    line = b"x" * 500_000 + b"\r\n"
    assert talk(session, line + b".\r\n").messages[0].content == line


# -- STARTTLS


def test_starttls_is_offered_only_while_it_can_be_had() -> None:
    session = new_session(tls_available=True)
    assert b"250 STARTTLS\r\n" in talk(session, b"EHLO c.example\r\n").replies
    assert session.receive(b"STARTTLS\r\n") == [Reply(b"220 2.0.0 Go ahead with TLS\r\n"), StartTls()]
    session.tls_started()
    assert session.tls
    heard = talk(session, b"EHLO c.example\r\nSTARTTLS\r\n")
    assert b"STARTTLS" not in heard.replies.partition(b"503 ")[0]
    assert heard.codes == [250, 503]


def test_starttls_forgets_everything_said_before() -> None:
    session = new_session(tls_available=True)
    talk(session, OPENING.removesuffix(b"DATA\r\n"))
    heard = talk(session, b"STARTTLS\r\n")
    assert [message.reason for message in heard.aborted] == [AbortReason.SENDER]
    session.tls_started()
    assert session.helo is None
    assert talk(session, FROM_ALICE.encode() + b"\r\nDATA\r\n").codes == [503, 503]


@pytest.mark.parametrize("in_the_same_chunk", [True, False])
def test_commands_injected_behind_starttls_are_never_executed(in_the_same_chunk: bool) -> None:
    session = new_session(tls_available=True)
    session.receive(b"EHLO c.example\r\n")
    injected = b"EHLO evil.example\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<bob@corp.exa"
    chunks = [b"STARTTLS\r\n" + injected] if in_the_same_chunk else [b"STARTTLS\r\n", injected]
    heard = talk(session, *chunks)
    assert heard.codes == [220]
    assert heard.tls_requests == 1
    session.tls_started()
    # Not even the half command is there to be completed.
    assert talk(session, b"mple>\r\n").codes == [500]
    assert talk(session, b"RSET\r\n").aborted == []
    assert session.helo is None


def test_starttls_takes_no_argument() -> None:
    assert talk(new_session(tls_available=True), b"STARTTLS now\r\n").codes == [501]


def test_tls_that_was_not_asked_for_is_a_mistake_of_ours() -> None:
    with pytest.raises(RuntimeError):
        new_session().tls_started()
