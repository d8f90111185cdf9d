"""What became of one attempt to hand a message to one recipient's server, as a value: code, text, class of failure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from seg_console.mail.lines import visible


class Failure(StrEnum):
    """Why a recipient was not delivered. The classes are those that the retry rules tell apart (TDC reference 6)."""

    REPLY = "reply"  # the server answered 4xx or 5xx
    TLS = "tls"  # not offered, refused, handshake, version or certificate
    NETWORK = "network"  # refused, unreachable, lost or silent before the final dot
    DNS_TEMPORARY = "dns_temporary"  # the resolver gave no answer
    DNS_NEGATIVE = "dns_negative"  # an authoritative answer: there is no such host
    UNKNOWN = "unknown"  # lost after the final dot, before the reply: it may have arrived
    EXPIRED = "expired"  # too old before it could be sent
    EIGHT_BIT = "eight_bit"  # the content or an address needs an extension that the server does not offer
    INTERNAL = "internal"  # our own trouble


class Stage(StrEnum):
    """How far the conversation had come when it was decided."""

    LOOKUP = "lookup"
    CONNECT = "connect"
    GREETING = "greeting"
    STARTTLS = "starttls"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"

    @property
    def is_before_mail(self) -> bool:
        """Whether no message was being handed over yet, so that the trouble is the host's and not a message's."""
        return self in {Stage.LOOKUP, Stage.CONNECT, Stage.GREETING, Stage.STARTTLS}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One recipient's result.

    `code` is the SMTP reply code, 0 when no reply was received; `lines` are the reply's lines without the code;
    `details` and `reason` are the words of a `Connection Error` line (mail-logs 7.2), else "".
    """

    failure: Failure | None
    stage: Stage
    code: int = 0
    lines: tuple[str, ...] = ()
    details: str = ""
    reason: str = ""

    @property
    def delivered(self) -> bool:
        return self.failure is None

    @property
    def text(self) -> str:
        """The reply, or what stands in for one, in a single line."""
        return " ".join(self.lines)

    @property
    def enhanced(self) -> str:
        """The enhanced status code that the server sent (RFC 2034), else ""."""
        found = ENHANCED_STATUS.match(self.lines[0]) if self.lines else None
        return found.group(0) if found else ""

    @property
    def detail(self) -> str:
        """`enhanced` without its class digit, as in `5.3`, else ""."""
        return self.enhanced[2:]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The gateway's own account of a failure: `5.1.0 - Unknown address error ('550', ['...'])` (mail-logs 7.2)."""

    status: str
    reason: str
    code: str  # three digits, "000" when there was no SMTP reply
    lines: tuple[str, ...]


ENHANCED_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")

# Status without its class digit, and the wording that goes with it (mail-logs 7.2; RFC 3463 for those not seen there).
TOO_MANY = ("5.3", "Too many recipients")
UNKNOWN_ADDRESS = ("1.0", "Unknown address error")
OTHER = ("3.0", "Other mail system problem")
NOT_ACCEPTING = ("3.2", "Not accepting messages at this time")
WORDING = {
    Failure.TLS: ("7.5", "Cryptographic failure"),
    Failure.NETWORK: ("4.1", "No answer from host"),
    Failure.DNS_TEMPORARY: ("4.3", "Directory server failure"),
    Failure.DNS_NEGATIVE: ("1.2", "Bad destination host"),
    Failure.UNKNOWN: ("4.2", "Bad connection"),
    Failure.EXPIRED: ("4.7", "Delivery expired (message too old)"),
    Failure.EIGHT_BIT: ("6.3", "Conversion required but not supported"),
    Failure.INTERNAL: OTHER,
}
# A server's own status for a recipient that it does not take now: what is named here, else by its subject (RFC 3463).
# Of subject 1, addresses, nothing is told apart: so AsyncOS has it (mail-logs 7.2).
OWN_WORDING = {
    "2.1": "Mailbox disabled",
    "2.2": "Mailbox full",
    "3.1": "Mail system full",
    "3.2": NOT_ACCEPTING[1],
    "7.1": "Delivery not authorized",
}
SUBJECT_WORDING = {
    "2": "Mailbox status",
    "3": OTHER[1],
    "4": "Network or routing status",
    "5": "Mail delivery protocol status",
    "6": "Message content or media status",
    "7": "Security or policy status",
}

_SPEAKS_OF_TOO_MANY = re.compile(r"\btoo many\b.*\b(?:recipients|rcpts?)\b", re.IGNORECASE)


# Characters of a reply, or of what stands in for one, that are kept: rows, log lines, pages and reports hold them.
LONGEST_TEXT: Final = 1_000


def told(text: str) -> tuple[str, ...]:
    """What somebody else said as lines that can be printed and stored, LONGEST_TEXT characters of it.

    The octets of a server become text in replies.py; here they are cut, and texts of libraries go the same way. What
    stands between two lines in the mail log counts too, or a thousand lines without a word would fill a page of it.
    """
    kept: list[str] = []
    room = LONGEST_TEXT
    for line in text[: 4 * LONGEST_TEXT].split("\n"):
        shown = visible(line)[:room]
        kept.append(shown)
        room -= len(shown) + len("', '")
        if room <= 0:
            break
    return tuple(kept)


def expired() -> Outcome:
    """Too old before it was sent; worded as AsyncOS does (mail-logs 7.2)."""
    return Outcome(Failure.EXPIRED, Stage.MAIL, 0, ("timeout",))


def diagnose(outcome: Outcome, *, final: bool) -> Diagnosis:
    """Describe a failure, as a 5.x.x status when it is `final`, else 4.x.x."""
    detail, reason = _wording(outcome)
    return Diagnosis(f"{5 if final else 4}.{detail}", reason, f"{outcome.code:03d}", outcome.lines)


def too_many_recipients(outcome: Outcome) -> bool:
    """Whether a recipient was refused only because the transaction has enough of them: it may go out in the next one
    (RFC 5321 4.5.3.1.10)."""
    if outcome.failure is not Failure.REPLY or outcome.stage is not Stage.RCPT:
        return False
    if outcome.code == 552 and not outcome.enhanced:
        return bool(_SPEAKS_OF_TOO_MANY.search(outcome.text))
    if outcome.code == 452 and not outcome.enhanced:
        return True
    # OpenSMTPD says 451 4.5.3, which is what the registry of RFC 5248 has too.
    return (outcome.code < 500 or outcome.code == 552) and outcome.detail == TOO_MANY[0]


def _wording(outcome: Outcome) -> tuple[str, str]:
    failure = outcome.failure or Failure.INTERNAL
    if failure is not Failure.REPLY:
        return WORDING[failure]
    if outcome.stage is Stage.RCPT:
        return _wording_of_recipient(outcome)
    return NOT_ACCEPTING if outcome.code == 421 else OTHER


def _wording_of_recipient(outcome: Outcome) -> tuple[str, str]:
    """A refusal for good reads as documented whatever the server's own status; one for now keeps that."""
    detail = outcome.detail
    if detail == TOO_MANY[0] or too_many_recipients(outcome):
        return TOO_MANY
    subject = detail.partition(".")[0]
    if 400 <= outcome.code < 500 and subject in SUBJECT_WORDING:
        return detail, OWN_WORDING.get(detail, SUBJECT_WORDING[subject])
    if outcome.code == 421:
        return detail or NOT_ACCEPTING[0], NOT_ACCEPTING[1]
    return UNKNOWN_ADDRESS
