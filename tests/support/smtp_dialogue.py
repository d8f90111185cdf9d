"""A session driven by a test: what goes in, what comes out, and an answer to every message at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from seg_console.gateway.paths import Parsing
from seg_console.gateway.protocol import (
    AbortedMessage,
    Access,
    ClientNamed,
    Close,
    ContentFailed,
    Limits,
    MessageAborted,
    MessageReady,
    Output,
    ReceivedMessage,
    Refused,
    Reply,
    SenderRefused,
    Session,
    StartTls,
    TlsMissing,
)
from seg_console.gateway.spool import NewFile
from seg_console.gateway.xclient import Claim
from seg_console.mail.values import RefusalKind

OPENING = b"EHLO client.example\r\nMAIL FROM:<alice@example.net>\r\nRCPT TO:<bob@corp.example>\r\nDATA\r\n"


def corp_only(recipient: str) -> Access:
    """The recipient access of the tests: corp.example and postmaster are ours."""
    if recipient.endswith("@corp.example") or recipient.lower() == "postmaster":
        return Access(True)
    return Access(False, 550, "#5.1.0 Address rejected.")


def new_session(
    *,
    limits: Limits | None = None,
    access: Callable[[str], Access] = corp_only,
    tls_available: bool = False,
    tls_required: bool = False,
    bare_line_ends: Literal["clean", "reject"] = "clean",
    parsing: Parsing | None = None,
    has_room: Callable[[], bool] = lambda: True,
    new_file: NewFile | None = None,
    xclient: bool = False,
    first_mid: int = 101,
) -> Session:
    mids = count(first_mid)
    return Session(
        hostname="mx.corp.example",
        access=access,
        next_mid=lambda: next(mids),
        limits=limits,
        tls_available=tls_available,
        tls_required=tls_required,
        bare_line_ends=bare_line_ends,
        parsing=parsing,
        has_room=has_room,
        new_file=new_file,
        xclient=xclient,
    )


@dataclass
class Heard:
    """Everything that came out of a session, replies joined."""

    replies: bytes = b""
    messages: list[ReceivedMessage] = field(default_factory=list)
    aborted: list[AbortedMessage] = field(default_factory=list)
    content_errors: list[OSError] = field(default_factory=list)
    senders_refused: list[Refused] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    tls_requests: int = 0
    tls_missed: int = 0
    closed: Close | None = None

    @property
    def codes(self) -> list[int]:
        """The code of every reply, one for a multi-line reply."""
        return [int(line[:3]) for line in self.replies.splitlines() if line[3:4] != b"-"]

    @property
    def invalid_senders(self) -> list[str]:
        """What MAIL gave that is no address."""
        return [each.address for each in self.senders_refused if each.kind is RefusalKind.INVALID_SENDER]

    def take(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            assert self.closed is None, "nothing may follow Close"
            match output:
                case Reply(data):
                    self.replies += data
                case ContentFailed(error):
                    self.content_errors.append(error)
                case MessageReady(message):
                    self.messages.append(message)
                case MessageAborted(message):
                    self.aborted.append(message)
                case SenderRefused(refused):
                    self.senders_refused.append(refused)
                case ClientNamed(claim):
                    self.claims.append(claim)
                case StartTls():
                    self.tls_requests += 1
                case TlsMissing():
                    self.tls_missed += 1
                case Close():
                    self.closed = output


def talk(session: Session, *chunks: bytes) -> Heard:
    """Send the chunks, answering each message as accepted as soon as it is there."""
    heard = Heard()
    for chunk in chunks:
        outputs = session.receive(chunk)
        heard.take(outputs)
        while outputs and isinstance(outputs[-1], MessageReady | ClientNamed):
            outputs = _answered(session, outputs[-1])
            heard.take(outputs)
    return heard


def _answered(session: Session, asked: MessageReady | ClientNamed) -> list[Output]:
    """Every message is accepted; every client that is named has the same terms."""
    if isinstance(asked, MessageReady):
        return session.answer(250, f"ok:  Message {asked.message.envelope.mid} accepted")
    return session.start_over(asked.claim, access=corp_only, limits=Limits(), tls_available=False, tls_required=False)


def received(content: bytes, *, bare_line_ends: Literal["clean", "reject"] = "clean") -> Heard:
    """What becomes of raw bytes sent after DATA, dots stuffed and end included by the caller."""
    session = new_session(bare_line_ends=bare_line_ends)
    session.receive(OPENING)
    return talk(session, content)
