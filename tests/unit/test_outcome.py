"""How the gateway words a failure (mail-logs 7.2)."""

from __future__ import annotations

import pytest

from seg_console.delivery.outcome import Diagnosis, Failure, Outcome, Stage, diagnose


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
