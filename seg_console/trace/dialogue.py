"""The SMTP dialogue of an imagined client, held with the listener's own state machine, so the replies are real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seg_console.gateway.content import END_OF_DATA
from seg_console.gateway.protocol import (
    MessageReady,
    Output,
    Phase,
    ReceivedMessage,
    Reply,
    Session,
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was asked about and the reply to it, line by line; no `reply` where the connection was gone by then."""

    about: str
    reply: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        return bool(self.reply) and self.reply[-1][:1] in {"2", "3"}

    @property
    def asked(self) -> bool:
        return bool(self.reply)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """`content` is None where no recipient was taken; `message` is what the listener would go on with."""

    sender: Exchange
    recipients: tuple[Exchange, ...]
    content: Exchange | None
    message: ReceivedMessage | None


def converse(
    session: Session, *, helo: str, tls: bool, sender: str, recipients: Sequence[str], content: bytes
) -> Dialogue:
    """Send one message into a session that nobody else uses. The arguments hold no CR, LF or NUL but `content`.

    With `tls` the client starts it first; the handshake itself is left out.
    """
    client = _Client(session)
    client.say(f"EHLO {helo}")
    if tls:
        client.say("STARTTLS")
        session.tls_started()
        client.say(f"EHLO {helo}")
    mail = Exchange(sender, client.say(f"MAIL FROM:<{sender}>"))
    answers = tuple(Exchange(each, client.say(f"RCPT TO:<{each}>")) for each in recipients)
    taken = any(answer.accepted for answer in answers)
    data = Exchange("DATA", client.hand_over(content)) if taken else None
    return Dialogue(mail, answers, data, client.message)


class _Client:
    def __init__(self, session: Session) -> None:
        self._session = session
        self.message: ReceivedMessage | None = None

    def say(self, command: str) -> tuple[str, ...]:
        """The lines of the reply; none when the session has ended."""
        if self._session.phase is Phase.CLOSED:
            return ()
        return self._hear(self._session.receive(command.encode("utf-8", "replace") + b"\r\n"))

    def hand_over(self, content: bytes) -> tuple[str, ...]:
        """DATA and the content; no lines where the message was taken, because its answer is not the session's."""
        go_ahead = self.say("DATA")
        if self._session.phase is not Phase.DATA:
            return go_ahead
        return self._hear(self._session.receive(_on_the_wire(content)))

    def _hear(self, outputs: Sequence[Output]) -> tuple[str, ...]:
        said = b""
        for output in outputs:
            match output:
                case Reply():
                    said += output.data
                case MessageReady():
                    self.message = output.message
                case _:
                    pass  # what the listener only records
        return tuple(said.decode("ascii").splitlines())


def _on_the_wire(content: bytes) -> bytes:
    """Dots stuffed and the end put to it, the line ends left as they are (RFC 5321 4.5.2)."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    head = b"." if stuffed.startswith(b".") else b""
    end = END_OF_DATA.removeprefix(b"\r\n") if stuffed.endswith(b"\r\n") or not stuffed else END_OF_DATA
    return b"".join((head, stuffed, end))
