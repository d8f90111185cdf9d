"""One SMTP connection to another server: dial, then any number of transactions, then close. No database here.

Two clocks run: each command has its own time-out, and each transaction a deadline. Whatever breaks off in the middle
ends the connection, because a reply that comes late would be taken for the answer to the next command.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol, cast

from aiosmtplib import SMTP
from aiosmtplib.errors import (
    SMTPException,
    SMTPHeloError,
    SMTPReadTimeoutError,
    SMTPResponseException,
    SMTPServerDisconnected,
)
from aiosmtplib.response import SMTPResponse

from seg_console.delivery.kinds import Timeouts
from seg_console.delivery.outcome import Failure, Outcome, Stage
from seg_console.delivery.replies import Replies
from seg_console.delivery.tls import TlsDemand, TlsMode, chain_of, context_for
from seg_console.mail.lines import clean_line_ends

# The server says it is closing the connection (RFC 5321 3.8).
_CLOSING: Final = 421


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect. `name` is the host the address belongs to, "" for one given as an address."""

    ip: str
    port: int = 25
    name: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One transaction. `content` has CRLF line ends and no dot-stuffing; `recipients` are answered one by one."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    eight_bit: bool


@dataclass(frozen=True, slots=True)
class Sent:
    """The outcome for each recipient in order; `started` tells whether MAIL FROM was sent."""

    outcomes: tuple[Outcome, ...]
    started: bool


class DialError(Exception):
    """No usable connection to this address. `tls_detail` is the wording of a TLS failure line, else ""."""

    def __init__(self, outcome: Outcome, *, local_ip: str = "", tls_detail: str = "", connected: bool = False) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.local_ip = local_ip
        self.tls_detail = tls_detail
        self.connected = connected


class ConnectionGone(Exception):
    """The server closed the connection between two messages: nothing was tried."""


class Point(StrEnum):
    """How far a dial has come, for whoever watches it."""

    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    EHLO_AGAIN = "ehlo_again"


Heard = Callable[[Point, str], None]
"""Called at each point reached, with what the server said there or what was agreed on."""


def _nobody(point: Point, text: str) -> None:
    """Most dials are watched by nobody."""


class Session:
    """A connection that is ready for MAIL FROM. Made by `dial`; used by one task at a time."""

    def __init__(self, client: SMTP, *, address: Address, local_ip: str, timeouts: Timeouts) -> None:
        self._client = client
        self._timeouts = timeouts
        self._replies: Replies | None = None
        self.address: Address | None = address
        self.local_ip = local_ip
        self.tls_protocol = ""
        self.tls_cipher = ""
        self.tls_detail = ""  # why a preferred TLS was not had
        self.chain: tuple[bytes, ...] = ()  # the server's certificates in DER, read only for whoever watches the dial
        self.usable = True

    def take_over(self) -> None:
        """Greeted and, where demanded, encrypted: from here on the connection is this session's. Raises
        SMTPServerDisconnected."""
        transport = self._client.transport
        if transport is None or transport.is_closing():
            raise SMTPServerDisconnected("Connection lost")
        self._replies = Replies(cast(asyncio.Transport, transport))

    @property
    def _line(self) -> Replies:
        assert self._replies is not None, "dial ends with take_over"
        return self._replies

    async def send(self, envelope: Envelope) -> Sent:
        """Hand one message over. Raises ConnectionGone when there was no connection left to try it on."""
        if not self._line.is_connected:
            self.usable = False
            raise ConnectionGone
        attempt = _Transaction(self._line, self._client.supports_extension, envelope, self._timeouts)
        try:
            await attempt.run()
        except (SMTPException, OSError) as error:
            self.usable = False
            attempt.fail(_broken(error, attempt.stage, after_dot=attempt.dot_sent))
        finally:
            self.usable = self.usable and self._line.is_connected and attempt.complete
            if not self.usable:
                self._line.close()
        if self.usable and attempt.needs_reset:
            self.usable = await self._reset()
        return attempt.result()

    async def rehearse(self, envelope: Envelope) -> AsyncGenerator[tuple[Stage, SMTPResponse]]:
        """MAIL and one RCPT for each recipient, as `send` would say them, and each reply; nothing is sent after them.

        Ends after the first refusal. Raises SMTPException or OSError.
        """
        attempt = _Transaction(self._line, self._client.supports_extension, envelope, self._timeouts)
        for stage, command in zip(attempt.stages(), attempt.commands(), strict=True):
            if stage is Stage.DATA:
                break
            self._line.send(command)
            async with asyncio.timeout(self._timeouts.command_s):
                reply = await self._line.next()
            yield stage, reply
            if not 200 <= reply.code < 300:
                break
        self.usable = await self._reset()

    async def close(self) -> None:
        """QUIT and close; a server that does not answer is not waited for long."""
        if self._line.is_connected:
            with suppress(SMTPException, OSError):
                async with asyncio.timeout(self._timeouts.close_s):
                    self._line.send(b"QUIT\r\n")
                    await self._line.next()
        self._line.close()

    def abort(self) -> None:
        """Close without a word."""
        self.usable = False
        self._line.close()

    async def _reset(self) -> bool:
        with suppress(SMTPException, OSError):
            async with asyncio.timeout(self._timeouts.command_s):
                self._line.send(b"RSET\r\n")
                reply = await self._line.next()
                return reply.code == 250
        self._line.close()
        return False


class Conversation(Protocol):
    """What a lane needs of a connection."""

    @property
    def address(self) -> Address | None: ...

    @property
    def local_ip(self) -> str: ...

    @property
    def tls_protocol(self) -> str: ...

    @property
    def tls_cipher(self) -> str: ...

    @property
    def usable(self) -> bool: ...

    async def send(self, envelope: Envelope) -> Sent: ...

    async def close(self) -> None: ...

    def abort(self) -> None: ...


class Discard:
    """A route to /dev/null: takes everything and sends it nowhere (seg-webui 8.2)."""

    address: Address | None = None
    local_ip = tls_protocol = tls_cipher = ""
    usable = True

    async def send(self, envelope: Envelope) -> Sent:
        taken = Outcome(None, Stage.CONTENT, 250, ("2.0.0 discarded",))
        return Sent((taken,) * len(envelope.recipients), started=False)

    async def close(self) -> None:
        return

    def abort(self) -> None:
        return


class _Transaction:
    """MAIL, RCPT, DATA and the content of one message; keeps what is known should it break off at any point.

    To a server that offers PIPELINING everything before the content goes in one piece (RFC 2920).
    """

    def __init__(self, line: Replies, offers: Callable[[str], bool], envelope: Envelope, timeouts: Timeouts) -> None:
        self._line = line
        self._offers = offers
        self._envelope = envelope
        self._timeouts = timeouts
        self._outcomes: list[Outcome | None] = [None] * len(envelope.recipients)
        self.stage = Stage.MAIL
        self.started = False
        self.dot_sent = False
        self.needs_reset = False
        self.complete = False

    def result(self) -> Sent:
        return Sent(tuple(outcome or _internal(self.stage) for outcome in self._outcomes), self.started)

    def fail(self, outcome: Outcome) -> None:
        """Everybody who has no outcome of their own yet gets this one."""
        self._outcomes = [known or outcome for known in self._outcomes]

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + self._timeouts.transaction_s
        async with asyncio.timeout_at(self._deadline) as self._clock:
            self.complete = await self._run()

    async def _run(self) -> bool:
        """Whether the conversation is in step at the end, so that the connection can carry another message."""
        if not self._offers_what_is_needed():
            return True
        self.started = True
        commands = self.commands()
        if not self._offers("pipelining"):
            return await self._one_by_one(commands)
        self._line.send(b"".join(commands))
        replies = []
        for stage in self.stages():
            self.stage = stage
            replies.append(await self._reply())
            if replies[-1].code == _CLOSING:
                return self._refused_by_all(replies[-1])
        return await self._after_data(replies[0], replies[1:-1], replies[-1])

    async def _one_by_one(self, commands: Sequence[bytes]) -> bool:
        """For a server without PIPELINING: nothing is sent that an answer so far makes pointless."""
        replies: list[SMTPResponse] = []
        for stage, command in zip(self.stages(), commands, strict=True):
            self.stage = stage
            if stage is Stage.DATA and not self._hear_recipients(replies[1:]):
                self.needs_reset = True
                return True
            self._line.send(command)
            replies.append(await self._reply())
            if replies[-1].code == _CLOSING:
                return self._refused_by_all(replies[-1])
            if stage is Stage.MAIL and replies[0].code != 250:
                self._refuse(replies[0])
                return True
        return await self._after_data(replies[0], replies[1:-1], replies[-1])

    async def _after_data(self, mail: SMTPResponse, recipients: Sequence[SMTPResponse], data: SMTPResponse) -> bool:
        if mail.code != 250:
            self.stage = Stage.MAIL
            self._refuse(mail)
            # A server that wants the content all the same has lost its place.
            return data.code != 354
        accepted = self._hear_recipients(recipients)
        self.stage = Stage.DATA
        if data.code != 354:
            self._refuse(data)
            return True
        self.stage = Stage.CONTENT
        if not accepted:
            # RFC 2920 3.1: DATA was taken though no recipient was; an empty message ends it.
            self._line.send(b".\r\n")
            await self._reply()
            self.needs_reset = True
            return True
        reply = await self._content()
        if reply.code == _CLOSING:
            return self._refused_by_all(reply)
        if 200 <= reply.code < 300:
            self.fail(_accepted(reply))
        else:
            self._refuse(reply)
        return True

    def _offers_what_is_needed(self) -> bool:
        """8-bit content goes only to a server that offers 8BITMIME (RFC 6152), such an address only with SMTPUTF8."""
        if self._envelope.eight_bit and not self._offers("8bitmime"):
            self.fail(Outcome(Failure.EIGHT_BIT, Stage.MAIL, 0, ("8BITMIME is not offered",)))
            return False
        if self._international and not self._offers("smtputf8"):
            self.fail(Outcome(Failure.EIGHT_BIT, Stage.MAIL, 0, ("SMTPUTF8 is not offered",)))
            return False
        return True

    @property
    def _international(self) -> bool:
        addresses = (self._envelope.sender, *self._envelope.recipients)
        return not all(address.isascii() for address in addresses)

    def stages(self) -> list[Stage]:
        return [Stage.MAIL, *[Stage.RCPT] * len(self._envelope.recipients), Stage.DATA]

    def commands(self) -> list[bytes]:
        """MAIL, one RCPT for each recipient, DATA; each a line. Raises ValueError rather than send a second line in
        one of them."""
        arguments = [b"MAIL FROM:<%b>" % self._envelope.sender.encode()]
        if self._offers("size"):
            arguments.append(b"SIZE=%d" % len(self._envelope.content))
        if self._envelope.eight_bit:
            arguments.append(b"BODY=8BITMIME")
        if self._international:
            arguments.append(b"SMTPUTF8")
        recipients = [b"RCPT TO:<%b>" % recipient.encode() for recipient in self._envelope.recipients]
        commands = [b" ".join(arguments), *recipients, b"DATA"]
        if any(b"\r" in command or b"\n" in command or b"\0" in command for command in commands):
            raise ValueError("an address with a control character")
        return [command + b"\r\n" for command in commands]

    def _hear_recipients(self, replies: Sequence[SMTPResponse]) -> int:
        """A refusal is that recipient's own. Returns how many were accepted."""
        accepted = 0
        for index, reply in enumerate(replies):
            if 200 <= reply.code < 300:
                accepted += 1
            else:
                self._outcomes[index] = _refused(Stage.RCPT, reply)
        return accepted

    async def _content(self) -> SMTPResponse:
        wire = dot_stuffed(self._envelope.content)
        self._line.send(wire)
        self.dot_sent = True
        return await self._reply(self._timeouts.content_s)

    async def _reply(self, seconds: float | None = None) -> SMTPResponse:
        """Wind the one timer up for the next reply; cheaper than a timer and a task for each."""
        allowed = self._timeouts.command_s if seconds is None else seconds
        self._clock.reschedule(min(asyncio.get_running_loop().time() + allowed, self._deadline))
        return await self._line.next()

    def _refuse(self, reply: SMTPResponse) -> None:
        self.fail(_refused(self.stage, reply))
        self.needs_reset = True

    def _refused_by_all(self, reply: SMTPResponse) -> bool:
        """421: the server closes the connection, whatever else was on its way."""
        self.fail(_refused(self.stage, reply))
        return False


def dot_stuffed(content: bytes) -> bytes:
    """The content as it goes over the wire, final dot included (RFC 5321 4.5.2).

    Bare line ends were dealt with on acceptance; they are looked for once more because one that slipped through
    could end the message early at the next server.
    """
    content = clean_line_ends(content)
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    head = b"." if stuffed.startswith(b".") else b""
    tail = b".\r\n" if stuffed.endswith(b"\r\n") or not stuffed else b"\r\n.\r\n"
    return b"".join((head, stuffed, tail))


async def dial(
    address: Address,
    *,
    hostname: str,
    tls: TlsDemand,
    server_name: str,
    timeouts: Timeouts,
    heard: Heard = _nobody,
) -> Session:
    """Connect, greet and, as `tls` demands, encrypt. `server_name` is what the certificate must be valid for.

    Raises DialError.
    """
    sock = await _connect(address, timeouts)
    local_ip = str(sock.getsockname()[0])
    heard(Point.CONNECT, local_ip)
    client = SMTP(sock=sock, local_hostname=hostname, timeout=None, start_tls=False)
    session = Session(client, address=address, local_ip=local_ip, timeouts=timeouts)
    try:
        await _greet(client, timeouts, heard)
        await _encrypt(session, client, tls=tls, server_name=server_name, timeouts=timeouts, heard=heard)
        async with _conversation(Stage.GREETING, timeouts.greeting_s):
            session.take_over()
    except DialError as error:
        client.close()
        sock.close()
        error.local_ip = local_ip
        raise
    except BaseException:
        client.close()
        sock.close()
        raise
    return session


async def _connect(address: Address, timeouts: Timeouts) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.ip else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        async with asyncio.timeout(timeouts.connect_s):
            await asyncio.get_running_loop().sock_connect(sock, (address.ip, address.port))
    except OSError as error:  # TimeoutError is one
        sock.close()
        raise DialError(_network(error, Stage.CONNECT), local_ip=_interface_towards(address)) from error
    except BaseException:
        sock.close()
        raise
    return sock


def _interface_towards(address: Address) -> str:
    """The local address that packets to `address` leave from; "" when there is no way at all. Nothing is sent."""
    family = socket.AF_INET6 if ":" in address.ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect((address.ip, address.port))
        return str(probe.getsockname()[0])
    return ""


async def _greet(client: SMTP, timeouts: Timeouts, heard: Heard) -> None:
    async with _conversation(Stage.GREETING, timeouts.greeting_s):
        heard(Point.BANNER, _said(await client.connect(timeout=None)))
        heard(Point.EHLO, _said(await _hello(client)))


def _said(reply: SMTPResponse) -> str:
    return f"{reply.code} {reply.message}"


async def _hello(client: SMTP) -> SMTPResponse:
    try:
        return await client.ehlo(timeout=None)
    except SMTPHeloError as error:
        if error.code == 421 or not client.is_connected:
            raise
        # A server that knows no EHLO still takes mail (RFC 5321 3.2).
        return await client.helo(timeout=None)


async def _encrypt(
    session: Session, client: SMTP, *, tls: TlsDemand, server_name: str, timeouts: Timeouts, heard: Heard
) -> None:
    if tls.mode is TlsMode.NONE:
        return
    if not client.supports_extension("starttls"):
        if tls.required:
            raise _tls_error("STARTTLS is not offered", session.address)
        return
    if not await _start_tls(session, client, tls=tls, server_name=server_name, timeouts=timeouts):
        return
    secured = client.get_transport_info("ssl_object")
    session.tls_protocol = secured.version() or ""
    session.tls_cipher = secured.cipher()[0]
    if heard is not _nobody:
        session.chain = chain_of(secured)
        heard(Point.STARTTLS, f"{session.tls_protocol}, {session.tls_cipher}")
    # What was said in clear text is forgotten (RFC 3207 4.2).
    async with _conversation(Stage.GREETING, timeouts.greeting_s):
        try:
            heard(Point.EHLO_AGAIN, _said(await _hello(client)))
        except SMTPServerDisconnected as error:
            # In TLS 1.3 a server looks at our certificate, or misses it, when our side of the handshake is over.
            if isinstance(error.__cause__, ssl.SSLError):
                raise _tls_error(_tls_text(error.__cause__), session.address) from error
            raise


async def _start_tls(session: Session, client: SMTP, *, tls: TlsDemand, server_name: str, timeouts: Timeouts) -> bool:
    """True once encrypted; False when it was refused before the 220 reply and clear text will do."""
    try:
        context = context_for(tls)
        # The library's own time-out, because its error tells whether the 220 reply or the handshake was waited for.
        # A connection that is closed at this point was closed because of TLS, whichever of the two came first.
        await client.starttls(server_hostname=server_name, tls_context=context, timeout=timeouts.greeting_s)
    except SMTPResponseException as error:
        session.tls_detail = "TLS failed: STARTTLS unexpected response"
        if tls.required:
            raise _tls_error(error.message, session.address, detail=session.tls_detail, code=error.code) from error
        if not client.is_connected:
            raise DialError(
                _refused(Stage.STARTTLS, SMTPResponse(error.code, error.message)), connected=True
            ) from error
        return False
    except SMTPReadTimeoutError as error:
        raise DialError(_network(error, Stage.STARTTLS), connected=True) from error
    except (ssl.SSLError, ssl.CertificateError, SMTPException, OSError, ValueError) as error:
        raise _tls_error(_tls_text(error), session.address) from error
    return True


@asynccontextmanager
async def _conversation(stage: Stage, seconds: float) -> AsyncIterator[None]:
    """Turn whatever goes wrong before any message into a DialError, once."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except SMTPResponseException as error:
        outcome = _refused(stage, SMTPResponse(error.code, error.message))
        if error.code < 0:
            outcome = _network(error, stage)
        raise DialError(outcome, connected=True) from error
    except (SMTPException, OSError) as error:
        raise DialError(_network(error, stage), connected=True) from error


def _accepted(reply: SMTPResponse) -> Outcome:
    return Outcome(None, Stage.CONTENT, reply.code, tuple(reply.message.split("\n")))


def _refused(stage: Stage, reply: SMTPResponse) -> Outcome:
    lines = tuple(reply.message.split("\n"))
    before_mail = stage.is_before_mail
    return Outcome(
        Failure.REPLY,
        stage,
        max(reply.code, 0),
        lines,
        details=f"{reply.code} {lines[0]}" if before_mail else "",
        reason="unexpected SMTP response" if before_mail else "",
    )


def _broken(error: Exception, stage: Stage, *, after_dot: bool) -> Outcome:
    if isinstance(error, SMTPResponseException):
        # A reply that is no SMTP reply; the code is then -1.
        outcome = Outcome(Failure.NETWORK, stage, 0, (error.message,), error.message, "Protocol error")
    else:
        outcome = _network(error, stage)
    return replace(outcome, failure=Failure.UNKNOWN) if after_dot else outcome


def _network(error: BaseException, stage: Stage) -> Outcome:
    """Details and reason in the words of a Connection Error line (mail-logs 7.2)."""
    if isinstance(error, TimeoutError):
        details, reason = "timeout", "connection timed out"
    elif isinstance(error, OSError) and error.errno:
        details, reason = f"[Errno {error.errno}] {_errno_text(error.errno)}", "network error"
    else:
        details, reason = "EOF", "network error"
    return Outcome(Failure.NETWORK, stage, 0, (details,), details, reason)


def _errno_text(number: int) -> str:
    return {errno.ECONNREFUSED: "Connection refused", errno.EHOSTUNREACH: "No route to host"}.get(number, "Error")


def _tls_text(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS handshake failed"
    return str(error) or "TLS handshake failed"


def _tls_error(text: str, address: Address | None, *, detail: str = "", code: int = 0) -> DialError:
    outcome = Outcome(Failure.TLS, Stage.STARTTLS, max(code, 0), tuple(text.split("\n")), text, "TLS error")
    required = f"IP {address.ip if address else ''} TLS was required but could not be successfully negotiated"
    return DialError(outcome, tls_detail=detail or required, connected=True)


def _internal(stage: Stage) -> Outcome:
    return Outcome(Failure.INTERNAL, stage, 0, ("internal error",))
