"""The server's side of an SMTP conversation as a state machine: bytes in; replies, finished messages and requests to
the transport out. It knows no socket, no clock and no database, so every dialogue can be tested as a table.

Nothing depends on how the bytes were cut on their way: the same stream gives the same outputs. Only CRLF ends a command
and only CRLF "." CRLF ends a message, so nothing can be smuggled past whoever read the stream before us.

RFC 5321, with SIZE (1870), 8BITMIME (6152), PIPELINING (2920), ENHANCEDSTATUSCODES (2034) and STARTTLS (3207), and for
named proxies Postfix's XCLIENT.
SMTPUTF8 is not offered, since the servers we deliver to may lack it: its parameter and non-ASCII addresses are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final, Literal, TypedDict, Unpack

from seg_console.gateway.content import END_OF_DATA, Content
from seg_console.gateway.paths import Parsing, after_colon, read_path
from seg_console.gateway.spool import KEPT, NewFile, Spool
from seg_console.gateway.xclient import ATTRIBUTES, BadClaim, Claim, read_claim
from seg_console.mail.addresses import LONGEST_ADDRESS
from seg_console.mail.values import RefusalKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one session may ask of us. Sizes are octets; the counts start anew after every accepted message."""

    max_message_size: int = 10_485_760
    max_recipients: int = 1_000
    max_messages: int | None = None
    """Messages accepted before the next one is turned away with the connection; None: no limit."""
    max_errors: int = 20
    """Replies of 5xx, and transactions that ended with no recipient but refused ones, before we hang up."""
    max_junk: int = 100
    """Commands that move no mail (NOOP, VRFY, RSET, ...) before we hang up."""
    max_line: int = 2_048
    """Length of a command without its CRLF. RFC 5321 4.5.3.1.4 asks for 512; extensions and long paths need more."""
    max_pipelined: int = 1_048_576
    """Input kept while a message waits for its answer; a transport that pauses reading stays far below."""


@dataclass(frozen=True, slots=True)
class Access:
    """Whether a recipient is taken. `code` and `text` are the reply; an empty text stands for our usual one.
    `throttled`: it is refused because there were too many, not because of who it is."""

    accepted: bool
    code: int = 250
    text: str = ""
    throttled: bool = False


class Terms(TypedDict):
    """What holds for one client; see Session."""

    access: Callable[[str], Access]
    limits: Limits
    tls_available: bool
    tls_required: bool


class AbortReason(StrEnum):
    """Why a message that had its MID was never received. The values end a mail-log line (mail-logs 4.2)."""

    SENDER = "Receiving aborted by sender"
    TIMED_OUT = "Receiving timed out"
    TOO_BIG = "Message size exceeds limit"
    LOOP = "Message loop"
    BARE_LINE_END = "Bare CR or LF in message"
    NUL = "NUL in message"
    NO_SPACE = "Insufficient storage"
    HUNG_UP = "Connection closed by this gateway"
    DENIED = "Rejected by Host Access Table"
    THROTTLED = "Rejected by Receiving Control"


class CloseReason(StrEnum):
    """Why the session ended the conversation."""

    QUIT = "quit"
    TIMED_OUT = "timed out"
    ERRORS = "too many errors"
    MESSAGES = "too many messages"
    SHUTDOWN = "shutting down"


@dataclass(frozen=True, slots=True)
class Refused:
    """Somebody who was turned away, and the reply: `text` as it was sent, lines parted by LF; `code` 0: not a word.
    `address` is what the client gave, which may be no address and hold any character; "" for a host."""

    kind: RefusalKind
    address: str
    code: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What MAIL and RCPT said.

    Addresses are ASCII as the client wrote them, without what `paths` takes away; "" is the null sender, and
    `postmaster` may stand without a domain (RFC 5321 4.1.1.3). `refused` are the recipients turned away; of those
    beyond the limit only as many as may be kept.
    """

    mid: int
    sender: str
    recipients: tuple[str, ...]
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMessage:
    """A whole message. `spool` holds its content, which has CRLF line ends, no NUL and no stuffed dots, and ends with
    CRLF unless it is empty. `declared_size` is the SIZE of MAIL in octets, 0 where none was given."""

    envelope: Envelope
    spool: Spool
    helo: str
    esmtp: bool
    tls: bool
    body_8bitmime: bool
    declared_size: int

    @property
    def content(self) -> bytes:
        """All of it, which may be read from a file each time. Raises OSError."""
        return self.spool.read()


@dataclass(frozen=True, slots=True)
class AbortedMessage:
    """A message that was begun with MAIL and never became whole. `code` and `text` are the reply that said so, as in
    Refused; 0 where the client itself gave up."""

    envelope: Envelope
    reason: AbortReason
    helo: str = ""
    code: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes for the client: one or more whole replies."""

    data: bytes


@dataclass(frozen=True, slots=True)
class StartTls:
    """The 220 has been said. The transport must start the handshake, reading nothing more in clear, then call
    `tls_started`."""


@dataclass(frozen=True, slots=True)
class ClientNamed:
    """A proxy says who its client is. The session waits until `start_over` is called. Always the last output of a
    call."""

    claim: Claim


@dataclass(frozen=True, slots=True)
class MessageReady:
    """The session waits until `answer` is called. Always the last output of a call."""

    message: ReceivedMessage


@dataclass(frozen=True, slots=True)
class MessageAborted:
    message: AbortedMessage


@dataclass(frozen=True, slots=True)
class ContentFailed:
    """A message could not be kept while it came, which is our trouble; the client has been told to come again."""

    error: OSError


@dataclass(frozen=True, slots=True)
class SenderRefused:
    """MAIL was turned away; there was no MID to go with it."""

    refused: Refused
    helo: str


@dataclass(frozen=True, slots=True)
class TlsMissing:
    """A message was begun in clear where TLS is demanded. Said once in a session."""


@dataclass(frozen=True, slots=True)
class Close:
    """The transport must close the connection once the replies are out. Always the last output of a session."""

    reason: CloseReason


Output = (
    Reply | StartTls | ClientNamed | MessageReady | MessageAborted | ContentFailed | SenderRefused | TlsMissing | Close
)


class Phase(Enum):
    """What the session expects next from outside."""

    COMMAND = "a command"
    DATA = "the content of a message"
    ANSWER = "our own answer to a message"
    TLS = "the end of the TLS handshake"
    CLIENT = "our own decision about the client that was named"
    CLOSED = "nothing more"


def reply(code: int, text: str) -> bytes:
    """One SMTP reply; several lines of text become a multi-line reply. Characters that could end a line or are not
    ASCII, which an administrator's own wording may hold, never reach the wire."""
    if text.isascii() and text.isprintable():
        return f"{code} {text}\r\n".encode("ascii")
    lines = as_sent(text).split("\n")
    start = "".join(f"{code}-{line}\r\n" for line in lines[:-1])
    return f"{start}{code} {lines[-1]}\r\n".encode("ascii")


def as_sent(text: str) -> str:
    """The text of a reply as the client gets it, lines parted by LF."""
    if text.isascii() and text.isprintable():
        return text
    return "\n".join(re.sub(r"[^ -~]", "?", line) for line in text.splitlines() if line.strip())


_PARAMETER: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?")
# What could close a comment or start one in the Received header that carries the name is left out.
_HELO_NAME: Final = re.compile(r"""[^\s()<>"\\,;]{1,255}""")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def _named(text: str, parsing: Parsing) -> str:
    """Whom a command names that is refused whatever it says, as far as that can be read; else what stands there, as
    much of it as could be an address with its brackets."""
    path = read_path(text, parsing)
    return text.strip()[: LONGEST_ADDRESS + 2] if path is None else path.address


def _parameters(text: str) -> dict[str, str | None] | None:
    """ESMTP parameters by their upper-cased keyword; None if one is malformed or stands twice."""
    found: dict[str, str | None] = {}
    for word in text.split():
        parameter = _PARAMETER.fullmatch(word)
        if parameter is None or parameter[1].upper() in found:
            return None
        found[parameter[1].upper()] = parameter[2]
    return found


# -- the session -------------------------------------------------------------------------------------------------------

# Browsers can be made to speak to us by any web page; the header lines of their request must not wear out the error
# limit and let commands hidden in the body through.
_WEB_VERBS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "OPTIONS", "CONNECT"})

_GO_AHEAD: Final = reply(354, "go ahead")
_NO_SPACE: Final = (452, "4.3.1 Insufficient system storage, try again later")
_NO_CODE: Final = reply(451, "4.3.0 Cannot take mail now, try again later")
# Refusals that are errors of the client's, each by itself; of others only a transaction that had nothing else is one.
_ERRORS: Final = frozenset({RefusalKind.INVALID_RECIPIENT, RefusalKind.PARAMETER})
_TURNED_AWAY: Final = frozenset({RefusalKind.RECIPIENT, RefusalKind.THROTTLED})
# Recipients beyond the limit that a transaction remembers: a client may send them without end.
_MOST_PUT_OFF: Final = 100


@dataclass(slots=True)
class _Transaction:
    mid: int
    sender: str
    body_8bitmime: bool
    declared_size: int
    recipients: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    put_off: bool = False  # for want of memory

    def envelope(self) -> Envelope:
        return Envelope(
            mid=self.mid,
            sender=self.sender,
            recipients=tuple(self.recipients),
            refused=tuple(self.refused),
        )


class Session:
    """One conversation.

    `access` says whether a recipient is taken; `next_mid` gives the MID of a message that begins, or None when there is
    none to be had, which is answered 451. `bare_line_ends` says what becomes of bare CR and LF and of NUL inside a
    message: cleaned as `clean_line_ends` does ("clean"), or the message refused with 550 ("reject"). With
    `tls_required` no message may begin in clear. `parsing` says how forgiving MAIL and RCPT are. `has_room` says
    whether there is memory for one more message; where there is none, DATA is answered 452. Long messages go into files
    that `new_file` makes. With `xclient` the client may say that it speaks for another.

    Every method that returns outputs expects the caller to act on them in order.
    """

    def __init__(
        self,
        *,
        hostname: str,
        access: Callable[[str], Access],
        next_mid: Callable[[], int | None],
        limits: Limits | None = None,
        tls_available: bool = False,
        tls_required: bool = False,
        bare_line_ends: Literal["clean", "reject"] = "clean",
        parsing: Parsing | None = None,
        has_room: Callable[[], bool] = lambda: True,
        new_file: NewFile | None = None,
        xclient: bool = False,
    ) -> None:
        self._hostname = hostname
        self._access = access
        self._next_mid = next_mid
        self._limits = limits or Limits()
        self._tls_available = tls_available
        self._tls_required = tls_required
        self._told_tls_missing = False
        self._bare_line_ends = bare_line_ends
        self._parsing = parsing or Parsing()
        self._has_room_for_content = has_room
        self._new_file = new_file
        self._xclient = xclient
        self._phase = Phase.COMMAND
        self._helo: str | None = None
        self._esmtp = False
        self._tls = False
        self._transaction: _Transaction | None = None
        self._accepted = 0
        self._errors = 0
        self._junk = 0
        self._closing = False
        self._input = b""  # received, not yet looked at from `_at` on
        self._at = 0
        self._in_long_line = False
        self._overflowed = False
        self._content = self._new_content()
        self._replies: list[bytes] = []
        self._outputs: list[Output] = []

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def tls(self) -> bool:
        return self._tls

    @property
    def helo(self) -> str | None:
        """The name the client gave, None before HELO."""
        return self._helo

    @property
    def held(self) -> int:
        """Octets of memory that its message in hand may take, and those of what was not looked at yet."""
        return len(self._input) + (KEPT if self._phase in (Phase.DATA, Phase.ANSWER) else 0)

    def greeting(self) -> bytes:
        return reply(220, f"{self._hostname} ESMTP")

    def receive(self, data: bytes | memoryview) -> list[Output]:
        """Go on with what the client sent. While a message waits for its answer the data is only kept."""
        if self._phase is Phase.DATA:
            self._read_content(data)
        elif self._phase is Phase.COMMAND:
            self._input += data
        elif self._phase in (Phase.ANSWER, Phase.CLIENT):
            self._keep(data)
        return self._run()

    def answer(self, code: int, text: str) -> list[Output]:
        """Answer the message handed out last, then go on with the commands that came meanwhile.

        Nothing happens if the client is gone by now. Raises RuntimeError if no message waits.
        """
        if self._phase is Phase.CLOSED:
            return []
        if self._phase is not Phase.ANSWER:
            raise RuntimeError("no message waits for an answer")
        self._phase = Phase.COMMAND
        self._say(code, text)
        if 200 <= code < 300:
            self._errors = self._junk = 0
            self._accepted += 1
        if self._closing:
            self._hang_up(CloseReason.SHUTDOWN)
        elif self._overflowed:
            self._hang_up(CloseReason.ERRORS)
        return self._run()

    def start_over(self, claim: Claim, **terms: Unpack[Terms]) -> list[Output]:
        """Go on as after the greeting of the client that was named, on its terms. What the proxy has done so far stays:
        TLS, and its errors. Nothing happens if it is gone by now. Raises RuntimeError if no client was named."""
        if self._phase is Phase.CLOSED:
            return []
        if self._phase is not Phase.CLIENT:
            raise RuntimeError("no client was named")
        self._phase = Phase.COMMAND
        self._access, self._limits = terms["access"], terms["limits"]
        self._tls_available, self._tls_required = terms["tls_available"], terms["tls_required"]
        self._told_tls_missing = False
        self._accepted = 0
        self._helo, self._esmtp = claim.helo or None, bool(claim.esmtp)
        if self._closing:
            self._hang_up(CloseReason.SHUTDOWN)
        elif self._overflowed:
            self._hang_up(CloseReason.ERRORS)
        else:
            self._replies.append(self.greeting())
            self._hang_up_if_tired()
        return self._run()

    def tls_started(self) -> None:
        """The handshake is done. Everything the client said before is forgotten (RFC 3207 4.2)."""
        if self._phase is not Phase.TLS:
            raise RuntimeError("no handshake was asked for")
        self._phase = Phase.COMMAND
        self._tls = True
        self._helo = None
        self._esmtp = False

    def timed_out(self) -> list[Output]:
        """The client was silent for too long."""
        return self._end(CloseReason.TIMED_OUT)

    def shut_down(self) -> list[Output]:
        """Say goodbye as soon as no message is in hand: now, or after the answer to the one being received."""
        if self._phase in (Phase.DATA, Phase.ANSWER, Phase.CLIENT):
            self._closing = True
            return []
        return self._end(CloseReason.SHUTDOWN)

    def lost(self) -> list[Output]:
        """The connection is gone. A message that waits for its answer is not aborted: it has been handed over."""
        if self._phase is not Phase.ANSWER:
            self._abort(AbortReason.SENDER)
        self._phase = Phase.CLOSED
        self._forget_input()
        return self._take_outputs()

    # -- reading

    def _run(self) -> list[Output]:
        """Work through the input until it ends or something must happen outside first."""
        going_on = True
        while going_on:
            if self._phase is Phase.COMMAND:
                going_on = self._read_command()
            elif self._phase is Phase.DATA and self._at < len(self._input):
                self._read_pipelined_content()
            else:
                going_on = False
        if self._at == len(self._input) or self._phase in (Phase.TLS, Phase.CLOSED):
            # Bytes that came in clear behind STARTTLS are an injection and never looked at (CVE-2011-0411).
            self._input, self._at = b"", 0
        return self._take_outputs()

    def _read_command(self) -> bool:
        """Carry out the next command line of the input; False if there is no whole one."""
        end = self._input.find(b"\r\n", self._at)
        if end < 0:
            self._keep_partial_line()
            return False
        line = self._input[self._at : end]
        self._at = end + 2
        if self._in_long_line or len(line) > self._limits.max_line:
            self._in_long_line = False
            self._error(500, "5.5.2 Line too long")
        else:
            self._command(line)
        self._hang_up_if_tired()
        return True

    def _keep_partial_line(self) -> None:
        partial = self._input[self._at :]
        self._at = 0
        ending = partial.endswith(b"\r")
        if self._in_long_line or len(partial) - ending > self._limits.max_line:
            # Only what could be half of the CRLF is still of interest.
            self._in_long_line = True
            partial = b"\r" if ending else b""
        self._input = partial

    def _keep(self, data: bytes | memoryview) -> None:
        if len(self._input) - self._at + len(data) > self._limits.max_pipelined:
            self._overflowed = True
            self._forget_input()
        if not self._overflowed:
            self._input += data

    def _forget_input(self) -> None:
        self._input, self._at = b"", 0
        self._content = self._new_content()

    def _new_content(self) -> Content:
        return Content(max_size=self._limits.max_message_size, new_file=self._new_file)

    def _read_pipelined_content(self) -> None:
        """Take content that came behind its DATA command, whose CRLF is the two octets before it.

        Only as much as belongs to it: many small messages may have come at once.
        """
        end = self._input.find(END_OF_DATA, self._at - 2)
        until = len(self._input) if end < 0 else end + len(END_OF_DATA)
        with memoryview(self._input) as view:
            rest = self._content.take(view[self._at : until])
        self._at = until
        if rest is not None:
            self._end_of_content()

    def _read_content(self, data: bytes | memoryview) -> None:
        """Take data up to the end of the message and leave what follows in the input."""
        rest = self._content.take(data)
        if rest is not None:
            self._input = rest
            self._end_of_content()

    def _end_of_content(self) -> None:
        transaction = self._transaction
        assert transaction is not None
        self._phase = Phase.COMMAND
        content, self._content = self._content, self._new_content()
        is_refused = self._bare_line_ends == "reject"
        if content.received > self._limits.max_message_size:
            self._refuse_content(AbortReason.TOO_BIG, 552, "5.3.4 Message size exceeds limit")
            return
        if is_refused and content.bare_line_end:
            self._refuse_content(AbortReason.BARE_LINE_END, 550, "5.6.0 Message contains bare CR or LF")
            return
        if is_refused and content.nul:
            self._refuse_content(AbortReason.NUL, 550, "5.6.0 Message contains NUL")
            return
        if content.failure:
            self._abort(AbortReason.NO_SPACE, *_NO_SPACE)
            self._say(*_NO_SPACE)
            self._put(ContentFailed(content.failure))
            if self._closing:
                self._hang_up(CloseReason.SHUTDOWN)
            return
        if content.is_dropped:
            self._refuse_content(AbortReason.TOO_BIG, 552, "5.3.4 Message size exceeds limit")
            return
        self._transaction = None
        self._phase = Phase.ANSWER
        self._put(
            MessageReady(
                ReceivedMessage(
                    envelope=transaction.envelope(),
                    spool=content.cleaned(),
                    helo=self._helo or "",
                    esmtp=self._esmtp,
                    tls=self._tls,
                    body_8bitmime=transaction.body_8bitmime,
                    declared_size=transaction.declared_size,
                )
            )
        )

    def _refuse_content(self, reason: AbortReason, code: int, text: str) -> None:
        self._abort(reason, code, text)
        self._error(code, text)
        if self._closing:
            self._hang_up(CloseReason.SHUTDOWN)
        self._hang_up_if_tired()

    # -- answering

    def _put(self, output: Output) -> None:
        if self._replies:
            self._outputs.append(Reply(b"".join(self._replies)))
            self._replies.clear()
        self._outputs.append(output)

    def _take_outputs(self) -> list[Output]:
        if self._replies:
            self._outputs.append(Reply(b"".join(self._replies)))
            self._replies.clear()
        outputs, self._outputs = self._outputs, []
        return outputs

    def _say(self, code: int, text: str) -> None:
        self._replies.append(reply(code, text))

    def _error(self, code: int, text: str) -> None:
        self._errors += 1
        self._say(code, text)

    def _hang_up_if_tired(self) -> None:
        if self._phase is Phase.COMMAND and (
            self._errors >= self._limits.max_errors or self._junk >= self._limits.max_junk
        ):
            self._hang_up(CloseReason.ERRORS)

    def _hang_up(self, reason: CloseReason) -> None:
        text = self._last_words(reason)
        self._abort(AbortReason.TIMED_OUT if reason is CloseReason.TIMED_OUT else AbortReason.HUNG_UP, 421, text)
        self._say(421, text)
        self._phase = Phase.CLOSED
        self._put(Close(reason))

    def _last_words(self, reason: CloseReason) -> str:
        if reason is CloseReason.ERRORS:
            return "4.7.0 Too many errors, closing connection"
        if reason is CloseReason.MESSAGES:
            return "4.7.0 Too many messages in this connection, open another one"
        if reason is CloseReason.TIMED_OUT:
            return f"4.4.2 {self._hostname} Timeout, closing connection"
        return f"4.3.2 {self._hostname} Service shutting down, closing connection"

    def _abort(self, reason: AbortReason, code: int = 0, text: str = "") -> None:
        """Forget the transaction, if there is one, and say so; the reply that goes with it, if any, is the caller's."""
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            return
        if not transaction.recipients and any(each.kind in _TURNED_AWAY for each in transaction.refused):
            # Single refusals are no error of the client's: a list with some stale recipients is ordinary mail.
            self._errors += 1
        if transaction.put_off and reason is AbortReason.SENDER:
            # The client ended it, but because of what it had been told.
            reason, (code, text) = AbortReason.NO_SPACE, _NO_SPACE
        envelope = transaction.envelope()
        self._put(MessageAborted(AbortedMessage(envelope, reason, self._helo or "", code, as_sent(text))))

    # -- commands (RFC 5321 4.1.1)

    def _command(self, line: bytes) -> None:
        # What is no UTF-8 is shown escaped, what is stays readable: both are refused below.
        text = line.decode("utf-8", "backslashreplace").rstrip(" \t")
        verb, _, argument = text.partition(" ")
        verb = verb.upper()
        if verb in _WEB_VERBS:
            self._error(500, "5.5.1 This is a mail server")
            self._hang_up(CloseReason.ERRORS)
            return
        command = _COMMANDS.get(verb)
        if command is None:
            self._error(500, "5.5.1 Command not recognized")
        elif not line.isascii():
            self._refuse_non_ascii(verb, argument)
        elif _CONTROL.search(text):
            self._error(501, "5.5.2 Control characters are not allowed")
        else:
            command(self, argument.strip(" \t"))

    def _refuse_non_ascii(self, verb: str, argument: str) -> None:
        address, reason = argument.partition(":")[2].strip(), "5.6.7 Only ASCII addresses are supported"
        transaction = self._transaction
        if verb == "MAIL":
            self._refuse_sender(RefusalKind.INVALID_SENDER, address, 553, reason)
        elif verb == "RCPT" and transaction is not None and self._has_room(transaction):
            self._refuse_recipient(transaction, RefusalKind.INVALID_RECIPIENT, address, 553, reason)
        elif verb == "RCPT":
            self._error(553, reason)
        else:
            self._error(501, "5.5.2 Only ASCII is allowed")

    def _helo_command(self, argument: str) -> None:
        if self._greet(argument, esmtp=False):
            self._say(250, self._hostname)

    def _ehlo_command(self, argument: str) -> None:
        if not self._greet(argument, esmtp=True):
            return
        lines = [
            self._hostname,
            "8BITMIME",
            f"SIZE {self._limits.max_message_size}",
            "PIPELINING",
            "ENHANCEDSTATUSCODES",
        ]
        if self._tls_available and not self._tls:
            lines.append("STARTTLS")
        if self._xclient:
            lines.append(f"XCLIENT {' '.join(ATTRIBUTES)}")
        self._say(250, "\n".join(lines))

    def _greet(self, name: str, *, esmtp: bool) -> bool:
        if _HELO_NAME.fullmatch(name) is None:
            self._error(501, "5.5.4 Syntax: one name of a host is needed")
            return False
        if self._helo is not None:
            self._junk += 1
        self._abort(AbortReason.SENDER)
        self._helo = name
        self._esmtp = esmtp
        return True

    def _mail_command(self, argument: str) -> None:
        if self._helo is None:
            self._error(503, "5.5.1 Say HELO or EHLO first")
            return
        if self._transaction is not None:
            self._error(503, "5.5.1 Sender was already given")
            return
        if self._tls_required and not self._tls:
            self._refuse_clear_text(argument)
            return
        if self._limits.max_messages is not None and self._accepted >= self._limits.max_messages:
            self._refuse_message_too_many(argument)
            return
        text = after_colon(argument, "FROM", self._parsing)
        if text is None:
            self._error(501, "5.5.4 Syntax: MAIL FROM:<address>")
            return
        path = read_path(text, self._parsing)
        if path is None or not path.is_whole:
            reason = "5.1.7 Bad sender address syntax"
            self._refuse_sender(RefusalKind.INVALID_SENDER, text.strip(), 501, reason)
            return
        parameters = _parameters(path.parameters)
        if parameters is None:
            self._refuse_sender(RefusalKind.PARAMETER, path.address, 501, "5.5.4 Malformed parameter")
            return
        self._begin(path.address, parameters)

    def _refuse_clear_text(self, argument: str) -> None:
        if not self._told_tls_missing:
            self._told_tls_missing = True
            self._put(TlsMissing())
        sender = _named(argument.partition(":")[2], self._parsing)
        self._refuse_sender(RefusalKind.TLS_MISSING, sender, 530, "5.7.0 Must issue a STARTTLS command first")

    def _refuse_message_too_many(self, argument: str) -> None:
        sender, text = _named(argument.partition(":")[2], self._parsing), self._last_words(CloseReason.MESSAGES)
        self._put(SenderRefused(Refused(RefusalKind.MESSAGE_LIMIT, sender, 421, as_sent(text)), self._helo or ""))
        self._hang_up(CloseReason.MESSAGES)

    def _refuse_sender(self, kind: RefusalKind, sender: str, code: int, text: str) -> None:
        self._put(SenderRefused(Refused(kind, sender, code, as_sent(text)), self._helo or ""))
        self._error(code, text)

    def _begin(self, sender: str, parameters: dict[str, str | None]) -> None:
        body = parameters.pop("BODY", "7BIT") or ""
        size = parameters.pop("SIZE", "0") or ""
        if parameters:
            is_utf8 = "SMTPUTF8" in parameters
            text = "5.6.7 SMTPUTF8 is not supported" if is_utf8 else "5.5.4 Parameter not supported"
            self._refuse_sender(RefusalKind.PARAMETER, sender, 555, text)
            return
        if body.upper() not in ("7BIT", "8BITMIME"):
            self._refuse_sender(RefusalKind.PARAMETER, sender, 501, "5.5.4 BODY must be 7BIT or 8BITMIME")
            return
        if not size.isdecimal() or len(size) > 20:
            text = "5.5.4 SIZE must be a number of at most 20 digits"
            self._refuse_sender(RefusalKind.PARAMETER, sender, 501, text)
            return
        if int(size) > self._limits.max_message_size:
            self._refuse_sender(RefusalKind.OVERSIZE, sender, 552, "5.3.4 Message size exceeds limit")
            return
        mid = self._next_mid()
        if mid is None:
            self._replies.append(_NO_CODE)
            return
        self._transaction = _Transaction(mid, sender, body.upper() == "8BITMIME", int(size))
        self._say(250, f"2.1.0 sender <{sender}> ok")

    def _has_room(self, transaction: _Transaction) -> bool:
        """Whether one more recipient of any sort may be noted."""
        limit = self._limits.max_recipients
        return len(transaction.recipients) < limit and len(transaction.refused) < limit

    def _refuse_recipient(
        self, transaction: _Transaction, kind: RefusalKind, recipient: str, code: int, text: str
    ) -> None:
        if len(transaction.refused) < self._limits.max_recipients + _MOST_PUT_OFF:
            transaction.refused.append(Refused(kind, recipient, code, as_sent(text)))
        if kind in _ERRORS:
            self._error(code, text)
        else:
            self._say(code, text)

    def _rcpt_command(self, argument: str) -> None:
        transaction = self._transaction
        if transaction is None:
            self._error(503, "5.5.1 MAIL first")
            return
        text = after_colon(argument, "TO", self._parsing)
        if text is None:
            self._error(501, "5.5.4 Syntax: RCPT TO:<address>")
            return
        if not self._has_room(transaction):
            # No error of the client's: it sends the others in another transaction (RFC 5321 4.5.3.1.10).
            named = _named(text, self._parsing)
            self._refuse_recipient(transaction, RefusalKind.TOO_MANY, named, 452, "4.5.3 Too many recipients")
            return
        path = read_path(text, self._parsing)
        if path is None or not path.address or not (path.is_whole or path.is_postmaster):
            reason = "5.1.3 Bad recipient address syntax"
            self._refuse_recipient(transaction, RefusalKind.INVALID_RECIPIENT, text.strip(), 501, reason)
            return
        if path.parameters:
            reason = "5.5.4 Parameter not supported"
            self._refuse_recipient(transaction, RefusalKind.PARAMETER, path.address, 555, reason)
            return
        self._admit(transaction, path.address)

    def _admit(self, transaction: _Transaction, recipient: str) -> None:
        access = self._access(recipient)
        if access.accepted:
            transaction.recipients.append(recipient)
            code = access.code if 200 <= access.code < 300 else 250
            self._say(code, access.text or f"2.1.5 recipient <{recipient}> ok")
            return
        kind = RefusalKind.THROTTLED if access.throttled else RefusalKind.RECIPIENT
        code = access.code if 400 <= access.code < 600 else 550
        self._refuse_recipient(transaction, kind, recipient, code, access.text or "#5.1.0 Address rejected.")

    def _data_command(self, argument: str) -> None:
        if argument:
            self._error(501, "5.5.4 Syntax: DATA")
        elif self._transaction is None:
            self._error(503, "5.5.1 MAIL first")
        elif not self._transaction.recipients:
            self._error(554, "5.5.1 No valid recipients")
        elif not self._has_room_for_content():
            # The transaction stays: the client may say DATA again, or end it.
            self._junk += 1
            self._transaction.put_off = True
            self._say(*_NO_SPACE)
        else:
            self._transaction.put_off = False
            self._phase = Phase.DATA
            self._replies.append(_GO_AHEAD)

    def _rset_command(self, argument: str) -> None:
        if argument:
            self._error(501, "5.5.4 Syntax: RSET")
            return
        self._junk += 1
        self._abort(AbortReason.SENDER)
        self._say(250, "2.0.0 reset")

    def _noop_command(self, argument: str) -> None:
        self._junk += 1
        self._say(250, "2.0.0 ok")

    def _quit_command(self, argument: str) -> None:
        if argument:
            self._error(501, "5.5.4 Syntax: QUIT")
            return
        self._abort(AbortReason.SENDER)
        self._say(221, f"2.0.0 {self._hostname}")
        self._phase = Phase.CLOSED
        self._put(Close(CloseReason.QUIT))

    def _vrfy_command(self, argument: str) -> None:
        if not argument:
            self._error(501, "5.5.4 Syntax: VRFY address")
            return
        self._junk += 1
        # Who is known here is nobody's business; 252 is the answer for that (RFC 5321 3.5.3).
        self._say(252, "2.5.2 Cannot verify the address, but will take mail for it and attempt delivery")

    def _expn_command(self, argument: str) -> None:
        self._error(502, "5.5.1 EXPN is not available")

    def _help_command(self, argument: str) -> None:
        self._junk += 1
        self._say(214, "2.0.0 Commands: HELO EHLO MAIL RCPT DATA RSET NOOP QUIT VRFY HELP STARTTLS (RFC 5321)")

    def _starttls_command(self, argument: str) -> None:
        if argument:
            self._error(501, "5.5.4 Syntax: STARTTLS")
        elif self._tls:
            self._error(503, "5.5.1 TLS is already active")
        elif not self._tls_available:
            self._error(502, "5.5.1 STARTTLS is not available")
        else:
            self._abort(AbortReason.SENDER)
            self._say(220, "2.0.0 Go ahead with TLS")
            self._phase = Phase.TLS
            self._put(StartTls())

    def _xclient_command(self, argument: str) -> None:
        if not self._xclient:
            self._error(550, "5.7.0 XCLIENT is not allowed from here")
            return
        if self._transaction is not None:
            self._error(503, "5.5.1 MAIL transaction in progress")
            return
        try:
            claim = read_claim(argument)
        except BadClaim as error:
            self._error(501, f"5.5.4 {error}")
            return
        self._junk += 1
        self._phase = Phase.CLIENT
        self._put(ClientNamed(claim))

    def _end(self, reason: CloseReason) -> list[Output]:
        """End the conversation from outside. A message that waits for its answer, or a handshake, is let be."""
        if self._phase not in (Phase.COMMAND, Phase.DATA):
            return []
        self._hang_up(reason)
        self._forget_input()
        return self._take_outputs()


_COMMANDS: Final[dict[str, Callable[[Session, str], None]]] = {
    "HELO": Session._helo_command,
    "EHLO": Session._ehlo_command,
    "MAIL": Session._mail_command,
    "RCPT": Session._rcpt_command,
    "DATA": Session._data_command,
    "RSET": Session._rset_command,
    "NOOP": Session._noop_command,
    "QUIT": Session._quit_command,
    "VRFY": Session._vrfy_command,
    "EXPN": Session._expn_command,
    "HELP": Session._help_command,
    "STARTTLS": Session._starttls_command,
    "XCLIENT": Session._xclient_command,
}
