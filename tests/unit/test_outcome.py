"""How the gateway words a failure (mail-logs 7.2)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seg_console.delivery.outcome import Diagnosis, Failure, Outcome, Stage, diagnose, too_many_recipients
from seg_console.delivery.reports import _failed


@pytest.mark.parametrize(
    ("outcome", "final", "expected"),
    [
        (
            Outcome(Failure.REPLY, Stage.RCPT, 550, ("5.1.1 no such user",)),
            True,
            Diagnosis("5.1.0", "Unknown address error", "550", ("5.1.1 no such user",)),
        ),
        (
            Outcome(Failure.REPLY, Stage.RCPT, 466, ("Mailbox temporarily full.",)),
            False,
            Diagnosis("4.1.0", "Unknown address error", "466", ("Mailbox temporarily full.",)),
        ),
        (
            Outcome(Failure.REPLY, Stage.CONTENT, 451, ("later",)),
            False,
            Diagnosis("4.3.0", "Other mail system problem", "451", ("later",)),
        ),
        (
            Outcome(Failure.REPLY, Stage.MAIL, 421, ("busy",)),
            False,
            Diagnosis("4.3.2", "Not accepting messages at this time", "421", ("busy",)),
        ),
        (
            Outcome(Failure.DNS_NEGATIVE, Stage.LOOKUP, 0, ("DNS Hard Error looking up x (MX) : NXDomain",)),
            True,
            Diagnosis("5.1.2", "Bad destination host", "000", ("DNS Hard Error looking up x (MX) : NXDomain",)),
        ),
        (
            Outcome(Failure.EXPIRED, Stage.MAIL, 0, ("timeout",)),
            True,
            Diagnosis("5.4.7", "Delivery expired (message too old)", "000", ("timeout",)),
        ),
        (
            Outcome(Failure.EIGHT_BIT, Stage.MAIL, 0, ("8BITMIME is not offered",)),
            True,
            Diagnosis("5.6.3", "Conversion required but not supported", "000", ("8BITMIME is not offered",)),
        ),
    ],
)
def test_a_failure_reads_as_the_mail_log_has_it(outcome: Outcome, final: bool, expected: Diagnosis) -> None:
    assert diagnose(outcome, final=final) == expected


def test_every_failure_has_a_wording() -> None:
    for failure in Failure:
        assert diagnose(Outcome(failure, Stage.CONNECT, 0), final=True).reason


@pytest.mark.parametrize(
    ("line", "status"), [("5.1.1 no such user", "5.1.1"), ("no such user", ""), ("5.1.1.1 x", ""), ("2.0.0", "2.0.0")]
)
def test_the_servers_own_status_is_read_from_its_reply(line: str, status: str) -> None:
    assert Outcome(Failure.REPLY, Stage.RCPT, 550, (line,)).enhanced == status


UNKNOWN = "Unknown address error"
MANY = "Too many recipients"


@pytest.mark.parametrize(
    ("code", "line", "status", "wording"),
    [
        (452, "too much for one message", "4.5.3", MANY),
        (452, "4.5.3 Error: too many recipients", "4.5.3", MANY),
        (451, "4.5.3 enough", "4.5.3", MANY),
        (550, "5.5.3 enough", "5.5.3", MANY),
        (552, "5.5.3 enough", "5.5.3", MANY),
        (552, "Too many recipients for this message", "5.5.3", MANY),
        (552, "mailbox over quota", "5.1.0", UNKNOWN),
        (552, "5.2.2 mailbox full, too many recipients complained", "5.1.0", UNKNOWN),
        (452, "4.2.2 mailbox full", "4.2.2", "Mailbox full"),
        (450, "4.2.0 greylisted", "4.2.0", "Mailbox status"),
        (450, "4.2.1 off", "4.2.1", "Mailbox disabled"),
        (452, "4.3.1 no room", "4.3.1", "Mail system full"),
        (451, "4.3.0 look-up failed", "4.3.0", "Other mail system problem"),
        (451, "4.3.2 not now", "4.3.2", "Not accepting messages at this time"),
        (451, "4.4.3 directory", "4.4.3", "Network or routing status"),
        (451, "4.5.1 what", "4.5.1", "Mail delivery protocol status"),
        (451, "4.6.7 address", "4.6.7", "Message content or media status"),
        (451, "4.7.1 greylisted", "4.7.1", "Delivery not authorized"),
        (450, "4.7.25 no reverse name", "4.7.25", "Security or policy status"),
        (421, "4.7.0 slow down", "4.7.0", "Security or policy status"),
        (421, "busy", "4.3.2", "Not accepting messages at this time"),
        (450, "4.1.1 not yet known", "4.1.0", UNKNOWN),
        (450, "4.21.1 no such subject", "4.1.0", UNKNOWN),
        (466, "Mailbox temporarily full.", "4.1.0", UNKNOWN),
        (550, "5.1.1 nobody", "5.1.0", UNKNOWN),
        (550, "5.7.1 relaying denied", "5.1.0", UNKNOWN),
    ],
)
def test_a_refused_recipient_keeps_the_status_of_a_server_that_will_take_it_later(
    code: int, line: str, status: str, wording: str
) -> None:
    found = diagnose(_refusal(code, line), final=code >= 500)
    assert (found.status, found.reason) == (status, wording)


@pytest.mark.parametrize(
    ("code", "line", "expected"),
    [
        (452, "", True),
        (452, "no room", True),
        (452, "4.5.3 enough", True),
        (452, "4.2.2 full", False),
        (452, "4.3.1 full", False),
        (552, "5.5.3 enough", True),
        (552, "Too many recipients", True),
        (552, "too many RCPTs in one go", True),
        (552, "5.2.2 too many recipients", False),
        (552, "over quota", False),
        (552, "too manyrecipients", False),
        (451, "4.5.3 Too many recipients", True),
        (451, "too many recipients", False),
        (550, "5.5.3 enough", False),
        (550, "too many recipients", False),
    ],
)
def test_only_a_full_transaction_is_too_many_recipients(code: int, line: str, expected: bool) -> None:
    assert too_many_recipients(_refusal(code, line)) is expected
    assert not too_many_recipients(Outcome(Failure.REPLY, Stage.CONTENT, code, (line,)))
    assert not too_many_recipients(Outcome(None, Stage.RCPT, code, (line,)))


CODES = st.integers(400, 599)
OWN = st.builds("{}.{}.{}".format, st.integers(4, 5), st.integers(0, 9), st.integers(0, 30))


@given(CODES, OWN | st.just(""), st.text(max_size=40))
@example(421, "4.0.0", "")
@example(421, "4.9.17", "busy")
def test_every_refused_recipient_has_one_status_in_log_and_report(code: int, own: str, text: str) -> None:
    outcome = _refusal(code, f"{own} {text}".strip())
    soft, hard = diagnose(outcome, final=False), diagnose(outcome, final=True)
    assert (soft.status[0], hard.status[0]) == ("4", "5")
    assert (soft.status[1:], soft.reason) == (hard.status[1:], hard.reason)
    assert hard.reason
    if too_many_recipients(outcome):
        assert (hard.status, hard.reason) == ("5.5.3", MANY)
    # The log's 5.1.0 is documented whatever the server's own status; the report has the server's, which says more.
    if hard.status != "5.1.0":
        assert _failed("bob@corp.example", outcome, "192.0.2.1").status == hard.status


def _refusal(code: int, line: str) -> Outcome:
    return Outcome(Failure.REPLY, Stage.RCPT, code, (line,))
