"""What the session tells of those it turns away: dialogues read as tables, with the reply as it was sent."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from seg_console.gateway.protocol import AbortReason, Access, Limits, Refused, Session
from seg_console.mail.values import RefusalKind
from tests.support.smtp_dialogue import Heard, new_session, talk

HELO = "HELO client.example"
FROM_ALICE = "MAIL FROM:<alice@example.net>"
TO_BOB = "RCPT TO:<bob@corp.example>"
LIMITS = Limits(max_message_size=1000, max_recipients=2, max_messages=1)


def access(recipient: str) -> Access:
    """Those of corp.example are taken; some others get replies of their own."""
    if recipient.startswith("busy@"):
        return Access(False, 452, "4.7.1 Too many recipients received this hour", throttled=True)
    if recipient.startswith("gone@"):
        return Access(False, 553, "Moved.\r\nWrite to caf\xe9@new.example")
    if "%" in recipient:
        return Access(False, 550, "5.7.1 Relaying denied")
    return Access(recipient.endswith("@corp.example"))


def session(*, tls_required: bool = False) -> Session:
    return new_session(limits=LIMITS, access=access, tls_available=True, tls_required=tls_required)


def hear(*lines: str, tls_required: bool = False) -> Heard:
    return talk(session(tls_required=tls_required), *(line.encode("latin-1") + b"\r\n" for line in lines))


@dataclass(frozen=True)
class Case:
    """What is said, and what is told of senders, and of recipients in the transaction that a last RSET ends."""

    lines: tuple[str, ...]
    senders: tuple[Refused, ...] = ()
    recipients: tuple[Refused, ...] = ()
    tls_required: bool = False


def recipient(kind: RefusalKind, address: str, code: int, text: str) -> tuple[Refused, ...]:
    return (Refused(kind, address, code, text),)


CASES = {
    "a recipient of somebody else": Case(
        (HELO, FROM_ALICE, "RCPT TO:<x@Elsewhere.example>"),
        recipients=recipient(RefusalKind.RECIPIENT, "x@Elsewhere.example", 550, "#5.1.0 Address rejected."),
    ),
    "a recipient before accepted ones": Case(
        (HELO, FROM_ALICE, "RCPT TO:<x@elsewhere.example>", TO_BOB),
        recipients=recipient(RefusalKind.RECIPIENT, "x@elsewhere.example", 550, "#5.1.0 Address rejected."),
    ),
    "a form of relaying": Case(
        (HELO, FROM_ALICE, "RCPT TO:<a%b@corp.example>"),
        recipients=recipient(RefusalKind.RECIPIENT, "a%b@corp.example", 550, "5.7.1 Relaying denied"),
    ),
    "a reply of several lines, as the client got it": Case(
        (HELO, FROM_ALICE, "RCPT TO:<gone@corp.example>"),
        recipients=recipient(RefusalKind.RECIPIENT, "gone@corp.example", 553, "Moved.\nWrite to caf?@new.example"),
    ),
    "a recipient for which there were too many in the hour": Case(
        (HELO, FROM_ALICE, "RCPT TO:<busy@corp.example>"),
        recipients=recipient(
            RefusalKind.THROTTLED, "busy@corp.example", 452, "4.7.1 Too many recipients received this hour"
        ),
    ),
    "no address": Case(
        (HELO, FROM_ALICE, "RCPT TO:<bob@@corp.example> X=1"),
        recipients=recipient(
            RefusalKind.INVALID_RECIPIENT, "<bob@@corp.example> X=1", 501, "5.1.3 Bad recipient address syntax"
        ),
    ),
    "no ASCII": Case(
        (HELO, FROM_ALICE, "RCPT TO:<caf\xe9@corp.example>"),
        recipients=recipient(
            RefusalKind.INVALID_RECIPIENT, r"<caf\xe9@corp.example>", 553, "5.6.7 Only ASCII addresses are supported"
        ),
    ),
    "a parameter of RCPT": Case(
        (HELO, FROM_ALICE, TO_BOB + " NOTIFY=NEVER"),
        recipients=recipient(RefusalKind.PARAMETER, "bob@corp.example", 555, "5.5.4 Parameter not supported"),
    ),
    "more recipients than a message may have": Case(
        (HELO, FROM_ALICE, TO_BOB, TO_BOB, TO_BOB, "RCPT TO:<@a.example:c@corp.example>", "RCPT TO: d"),
        recipients=(
            Refused(RefusalKind.TOO_MANY, "bob@corp.example", 452, "4.5.3 Too many recipients"),
            Refused(RefusalKind.TOO_MANY, "c@corp.example", 452, "4.5.3 Too many recipients"),
            Refused(RefusalKind.TOO_MANY, "d", 452, "4.5.3 Too many recipients"),
        ),
    ),
    "no address in MAIL": Case(
        (HELO, "MAIL FROM: <alice>"),
        senders=recipient(RefusalKind.INVALID_SENDER, "<alice>", 501, "5.1.7 Bad sender address syntax"),
    ),
    "no ASCII in MAIL": Case(
        (HELO, "MAIL FROM:<caf\xe9@example.net>"),
        senders=recipient(
            RefusalKind.INVALID_SENDER, r"<caf\xe9@example.net>", 553, "5.6.7 Only ASCII addresses are supported"
        ),
    ),
    "parameters of MAIL": Case(
        (
            HELO,
            FROM_ALICE + " =",
            FROM_ALICE + " SMTPUTF8",
            FROM_ALICE + " BODY=X",
            FROM_ALICE + " SIZE=x",
            FROM_ALICE + " X=1",
        ),
        senders=tuple(
            Refused(RefusalKind.PARAMETER, "alice@example.net", code, text)
            for code, text in (
                (501, "5.5.4 Malformed parameter"),
                (555, "5.6.7 SMTPUTF8 is not supported"),
                (501, "5.5.4 BODY must be 7BIT or 8BITMIME"),
                (501, "5.5.4 SIZE must be a number of at most 20 digits"),
                (555, "5.5.4 Parameter not supported"),
            )
        ),
    ),
    "a size that is too large for us": Case(
        (HELO, FROM_ALICE + " SIZE=1001"),
        senders=recipient(RefusalKind.OVERSIZE, "alice@example.net", 552, "5.3.4 Message size exceeds limit"),
    ),
    "MAIL in clear": Case(
        (HELO, FROM_ALICE, "MAIL FROM:<>", "MAIL FROM: alice "),
        senders=tuple(
            Refused(RefusalKind.TLS_MISSING, address, 530, "5.7.0 Must issue a STARTTLS command first")
            for address in ("alice@example.net", "", "alice")
        ),
        tls_required=True,
    ),
    "one message too many": Case(
        (HELO, FROM_ALICE, TO_BOB, "DATA", ".", "MAIL FROM:<carol@example.net>"),
        senders=recipient(
            RefusalKind.MESSAGE_LIMIT,
            "carol@example.net",
            421,
            "4.7.0 Too many messages in this connection, open another one",
        ),
    ),
    "commands that name nobody": Case(
        (
            "EHLO",
            FROM_ALICE,
            HELO,
            TO_BOB,
            "DATA",
            "MAIL alice",
            FROM_ALICE,
            "RCPT bob",
            "RCPT TO:<bob\x00@corp.example>",
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_who_is_turned_away_is_told_with_the_reply(name: str) -> None:
    case = CASES[name]
    heard = hear(*case.lines, *(() if name == "one message too many" else ("RSET",)), tls_required=case.tls_required)
    assert tuple(heard.senders_refused) == case.senders
    assert sum((message.envelope.refused for message in heard.aborted), ()) == case.recipients
    replies = heard.replies.decode("ascii").replace("\r\n", "\n")
    for each in (*case.senders, *case.recipients):
        first, *rest = each.text.split("\n")
        assert f"{each.code}{'-' if rest else ' '}{first}\n" in replies


def test_recipients_beyond_the_limit_are_not_remembered_without_end() -> None:
    heard = hear(HELO, FROM_ALICE, *[TO_BOB] * 1000, "RSET")
    assert heard.codes.count(452) == 998
    assert len(heard.aborted[0].envelope.refused) == LIMITS.max_recipients + 100


def test_a_message_that_is_accepted_tells_of_those_who_were_refused() -> None:
    heard = hear(HELO, FROM_ALICE, "RCPT TO:<x@elsewhere.example>", TO_BOB, "DATA", ".")
    [message] = heard.messages
    assert message.envelope.recipients == ("bob@corp.example",)
    assert message.envelope.refused == recipient(
        RefusalKind.RECIPIENT, "x@elsewhere.example", 550, "#5.1.0 Address rejected."
    )


ENDS = {
    "RSET": (("RSET",), AbortReason.SENDER, 0, ""),
    "another name": (("HELO other.example",), AbortReason.SENDER, 0, ""),
    "too large": (("DATA", "x" * 1001 + "\r\n."), AbortReason.TOO_BIG, 552, "5.3.4 Message size exceeds limit"),
    "too many errors": (
        ("FOO",) * 20,
        AbortReason.HUNG_UP,
        421,
        "4.7.0 Too many errors, closing connection",
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_how_a_message_ended_is_told_with_the_reply_and_the_name_it_was_begun_under(name: str) -> None:
    lines, reason, code, text = ENDS[name]
    [aborted] = hear(HELO, FROM_ALICE, TO_BOB, *lines).aborted
    assert (aborted.reason, aborted.helo, aborted.code, aborted.text) == (reason, "client.example", code, text)


def test_a_bare_line_end_is_told_where_it_is_refused() -> None:
    strict = new_session(bare_line_ends="reject")
    talk(strict, b"HELO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<bob@corp.example>\r\nDATA\r\n")
    [aborted] = talk(strict, b"x\ny\r\n.\r\n").aborted
    assert (aborted.code, aborted.text) == (550, "5.6.0 Message contains bare CR or LF")


def test_a_time_out_and_our_own_end_are_told_with_their_last_words() -> None:
    told = []
    for end in (Session.timed_out, Session.shut_down, Session.lost):
        begun = session()
        talk(begun, b"HELO client.example\r\nMAIL FROM:<>\r\n")
        heard = Heard()
        heard.take(end(begun))
        told += [(message.reason, message.code, message.text) for message in heard.aborted]
    assert told == [
        (AbortReason.TIMED_OUT, 421, "4.4.2 mx.corp.example Timeout, closing connection"),
        (AbortReason.HUNG_UP, 421, "4.3.2 mx.corp.example Service shutting down, closing connection"),
        (AbortReason.SENDER, 0, ""),
    ]
