"""One SMTP connection to another server: dial, then any number of transactions, then close. No database here.

Each thing that is waited for has a time of its own (kinds.Timeouts), and `until`, where it is given, ends all of them:
the loop's time at which the message in hand is too old. Whatever breaks off in the middle ends the connection, because
a reply that comes late would be taken for the answer to the next command.

A server may end a connection whenever it likes. What it sent before it read our MAIL is about the connection and not
about the message, and what it answered before it left stands.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from aiosmtplib import SMTP
from aiosmtplib.errors import (
    SMTPException,
    SMTPHeloError,
    SMTPReadTimeoutError,
    SMTPResponseException,
    SMTPServerDisconnected,
)
from aiosmtplib.response import SMTPResponse

from seg_console.delivery.kinds import Conversion, Timeouts
from seg_console.delivery.outcome import Failure, Outcome, Stage, told
from seg_console.delivery.replies import Replies
from seg_console.delivery.tls import TlsDemand, TlsMode, chain_of, context_for
from seg_console.mail.addresses import as_sent
from seg_console.mail.lines import clean_line_ends

# The server says it is closing the connection (RFC 5321 3.8).
_CLOSING: Final = 421
_READY: Final = 220
# A connection on which nothing was said for so long may have been given up by the server meanwhile.
_RESTED_S: Final = 1.0
# How much of the content goes out before it is looked whether the server takes it (RFC 5321 4.5.3.2.5).
_BLOCK: Final = 262_144


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
    conversion: Conversion = Conversion.AS_IS


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
    """The server ended the connection before it read our MAIL: nothing was tried."""


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

    def __init__(self, client: SMTP, line: Replies, *, address: Address, local_ip: str, timeouts: Timeouts) -> None:
        self._client = client
        self._line = line
        self._timeouts = timeouts
        self._carried = False
        self._quiet_since = asyncio.get_running_loop().time()
        self.address: Address | None = address
        self.local_ip = local_ip
        self.tls_protocol = ""
        self.tls_cipher = ""
        self.tls_detail = ""  # why a preferred TLS was not had
        self.chain: tuple[bytes, ...] = ()  # the server's certificates in DER, read only for whoever watches the dial
        self.usable = True

    def begin(self) -> None:
        """Greeted and, where demanded, encrypted. Raises SMTPServerDisconnected."""
        if not self._line.is_connected:
            raise SMTPServerDisconnected("Connection lost")
        self._quiet_since = asyncio.get_running_loop().time()

    async def send(self, envelope: Envelope, *, until: float | None = None) -> Sent:
        """Hand one message over. Raises ConnectionGone when there was no connection left to try it on."""
        if not self._line.is_connected or self._line.is_unasked:
            self.abort()
            raise ConnectionGone
        attempt = _Transaction(self._line, self._client.supports_extension, envelope, self._timeouts)
        may_be_gone = self._may_be_gone
        try:
            await attempt.run(until)
        except (SMTPException, OSError) as error:
            self.usable = False
            attempt.break_off(error)
        finally:
            self.usable = self.usable and self._line.is_connected and attempt.complete
            if not self.usable:
                self._line.close()
        if may_be_gone and attempt.was_not_read:
            raise ConnectionGone
        self._carried = True
        if self.usable and attempt.needs_reset:
            self.usable = await self._reset(until)
        self._quiet_since = asyncio.get_running_loop().time()
        return attempt.result()

    @property
    def _may_be_gone(self) -> bool:
        """Whether the server had a reason to end the connection before this message: it took one already, or had to
        wait. Right behind the greeting there is none, and a server that leaves then leaves every time."""
        return self._carried or asyncio.get_running_loop().time() - self._quiet_since > _RESTED_S

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
        self.usable = await self._reset(None)

    async def close(self) -> None:
        """QUIT, and wait for the server to close: what it counts as open is then what we count. A server that does
        neither is not waited for long."""
        try:
            if self._line.is_connected:
                with suppress(SMTPException, OSError):
                    async with asyncio.timeout(self._timeouts.close_s):
                        self._line.send(b"QUIT\r\n")
                        await self._line.ended()
        finally:
            self.abort()

    def abort(self) -> None:
        """Close without a word."""
        self.usable = False
        self._line.close()

    async def _reset(self, until: float | None) -> bool:
        with suppress(SMTPException, OSError):
            async with asyncio.timeout_at(_end_of(self._timeouts.command_s, until)):
                self._line.send(b"RSET\r\n")
                reply = await self._line.next()
                return reply.code == 250
        self._line.close()
        return False


def _end_of(seconds: float, until: float | None) -> float:
    """The loop's time when a wait that begins now is over."""
    end = asyncio.get_running_loop().time() + seconds
    return end if until is None else min(end, until)


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

    async def send(self, envelope: Envelope, *, until: float | None = None) -> Sent: ...

    async def close(self) -> None: ...

    def abort(self) -> None: ...


class Discard:
    """A route to /dev/null: takes everything and sends it nowhere (seg-webui 8.2)."""

    address: Address | None = None
    local_ip = tls_protocol = tls_cipher = ""
    usable = True

    async def send(self, envelope: Envelope, *, until: float | None = None) -> Sent:
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
        self._replies: list[SMTPResponse] = []  # to MAIL, then to each RCPT
        self._left = False
        self.stage = Stage.MAIL
        self.started = False
        self.dot_sent = False
        self.needs_reset = False
        self.complete = False

    def result(self) -> Sent:
        return Sent(tuple(outcome or _internal(self.stage) for outcome in self._outcomes), self.started)

    @property
    def was_not_read(self) -> bool:
        """Whether the server left, with a word or without, in place of an answer to MAIL."""
        return self._left and self.started and self.stage is Stage.MAIL

    def break_off(self, error: Exception) -> None:
        """The connection failed: verdicts that were given stand, everybody else shares what happened to it."""
        self._left = not isinstance(error, TimeoutError | SMTPResponseException)
        self._hear()
        self._fail(_broken(error, self.stage, after_dot=self.dot_sent))

    def _fail(self, outcome: Outcome) -> None:
        """Everybody who has no outcome of their own yet gets this one."""
        self._outcomes = [known or outcome for known in self._outcomes]

    async def run(self, until: float | None) -> None:
        """Raises SMTPException and OSError; `break_off` then says what they are worth."""
        self._deadline = _end_of(self._timeouts.transaction_s, until)
        try:
            async with asyncio.timeout_at(self._deadline) as self._clock:
                self.complete = await self._run()
        except (SMTPServerDisconnected, OSError):
            if self.stage is not Stage.CONTENT or self.dot_sent or not self._line.is_unasked:
                raise
            # Its answer came before the end of the content, and then it would take no more.
            self._take(await self._line.next())

    async def _run(self) -> bool:
        """Whether the conversation is in step at the end, so that the connection can carry another message."""
        if not self._offers_what_is_needed():
            return True
        commands = self.commands()
        self.started = True
        if not self._offers("pipelining"):
            return await self._one_by_one(commands)
        self._line.send(b"".join(commands))
        for stage in self.stages():
            self.stage = stage
            reply = await self._reply(self._patience(stage))
            if reply.code == _CLOSING:
                return self._turned_away(reply)
            if stage is not Stage.DATA:
                self._replies.append(reply)
        return await self._after_data(reply)

    async def _one_by_one(self, commands: Sequence[bytes]) -> bool:
        """For a server without PIPELINING: nothing is sent that an answer so far makes pointless."""
        for stage, command in zip(self.stages(), commands, strict=True):
            self.stage = stage
            if stage is Stage.DATA and not self._hear():
                self.needs_reset = True
                return True
            self._line.send(command)
            reply = await self._reply(self._patience(stage))
            if reply.code == _CLOSING:
                return self._turned_away(reply)
            if stage is not Stage.DATA:
                self._replies.append(reply)
            if stage is Stage.MAIL and reply.code != 250:
                self._hear()
                return True
        return await self._after_data(reply)

    async def _after_data(self, data: SMTPResponse) -> bool:
        accepted = self._hear()
        if self._replies[0].code != 250:
            # A server that wants the content all the same has lost its place.
            return data.code != 354
        if data.code != 354:
            self._refuse(data)
            return True
        self.stage = Stage.CONTENT
        if not accepted:
            # RFC 2920 3.1: DATA was taken though no recipient was; an empty message ends it.
            self._line.send(b".\r\n")
            await self._reply(self._timeouts.dot_s)
            self.needs_reset = True
            return True
        return self._take(await self._content())

    def _take(self, reply: SMTPResponse) -> bool:
        """The answer to the content."""
        if reply.code == _CLOSING:
            return self._turned_away(reply)
        if 200 <= reply.code < 300:
            self._fail(Outcome(None, Stage.CONTENT, reply.code, told(reply.message)))
        else:
            self._refuse(reply)
        return True

    def _patience(self, stage: Stage) -> float:
        return self._timeouts.data_s if stage is Stage.DATA else self._timeouts.command_s

    def _offers_what_is_needed(self) -> bool:
        """An address beyond ASCII goes only to a server that offers SMTPUTF8 (RFC 6531). 8-bit content goes as it is to
        one that does not offer 8BITMIME, unless the destination's terms say otherwise: converting it would break every
        signature, and refusing it loses mail that nearly every server takes."""
        if self._envelope.eight_bit and self._bounces and not self._offers("8bitmime"):
            self._fail(Outcome(Failure.EIGHT_BIT, Stage.MAIL, 0, ("8BITMIME is not offered",)))
            return False
        if self._international and not self._offers("smtputf8"):
            self._fail(Outcome(Failure.EIGHT_BIT, Stage.MAIL, 0, ("SMTPUTF8 is not offered",)))
            return False
        return True

    @property
    def _bounces(self) -> bool:
        return self._envelope.conversion is Conversion.BOUNCE

    @property
    def _international(self) -> bool:
        addresses = (self._envelope.sender, *self._envelope.recipients)
        return not all(address.isascii() for address in addresses)

    def stages(self) -> list[Stage]:
        return [Stage.MAIL, *[Stage.RCPT] * len(self._envelope.recipients), Stage.DATA]

    def commands(self) -> list[bytes]:
        """MAIL, one RCPT for each recipient, DATA; each a line. Raises ValueError rather than send a second line in
        one of them."""
        arguments = [b"MAIL FROM:<%b>" % as_sent(self._envelope.sender).encode()]
        if self._offers("size"):
            arguments.append(b"SIZE=%d" % len(self._envelope.content))
        if self._envelope.eight_bit and self._offers("8bitmime"):
            arguments.append(b"BODY=8BITMIME")
        if self._international:
            arguments.append(b"SMTPUTF8")
        recipients = [b"RCPT TO:<%b>" % as_sent(recipient).encode() for recipient in self._envelope.recipients]
        commands = [b" ".join(arguments), *recipients, b"DATA"]
        if any(b"\r" in command or b"\n" in command or b"\0" in command for command in commands):
            raise ValueError("an address with a control character")
        return [command + b"\r\n" for command in commands]

    def _hear(self) -> int:
        """What the replies so far are worth: a refusal of the sender is everybody's, one of a recipient that
        recipient's own. Returns how many recipients were accepted."""
        if not self._replies:
            return 0
        mail, *recipients = self._replies
        if mail.code != 250:
            self._fail(_refused(Stage.MAIL, mail))
            self.needs_reset = True
            return 0
        accepted = 0
        for index, reply in enumerate(recipients):
            if 200 <= reply.code < 300:
                accepted += 1
            else:
                self._outcomes[index] = _refused(Stage.RCPT, reply)
        return accepted

    async def _content(self) -> SMTPResponse:
        for block in _blocks(dot_stuffed(self._envelope.content)):
            self._wind_up(self._timeouts.block_s)
            self._line.send(block)
            await self._line.drained()
        self.dot_sent = True
        return await self._reply(self._timeouts.dot_s)

    async def _reply(self, seconds: float) -> SMTPResponse:
        self._wind_up(seconds)
        return await self._line.next()

    def _wind_up(self, seconds: float) -> None:
        """Wind the one timer up for the next wait; cheaper than a timer and a task for each."""
        self._clock.reschedule(min(asyncio.get_running_loop().time() + seconds, self._deadline))

    def _refuse(self, reply: SMTPResponse) -> None:
        self._fail(_refused(self.stage, reply))
        self.needs_reset = True

    def _turned_away(self, reply: SMTPResponse) -> bool:
        """421: the server closes the connection, whatever else was on its way. Verdicts that it gave before stand."""
        self._left = True
        self._hear()
        self._fail(_refused(self.stage, reply))
        return False


def _blocks(wire: bytes) -> Iterator[bytes]:
    if len(wire) <= _BLOCK:
        yield wire
        return
    for start in range(0, len(wire), _BLOCK):
        yield wire[start : start + _BLOCK]


def dot_stuffed(content: bytes) -> bytes:
    """The content as it goes over the wire, final dot included (RFC 5321 4.5.2).

    Bare line ends and NUL were dealt with on acceptance; they are looked for once more because one that slipped through
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
    until: float | None = None,
    heard: Heard = _nobody,
) -> Session:
    """Connect, greet and, as `tls` demands, encrypt. `server_name` is what the certificate must be valid for.

    Raises DialError.
    """
    sock = await _connect(address, _end_of(timeouts.connect_s, until))
    local_ip = str(sock.getsockname()[0])
    heard(Point.CONNECT, local_ip)
    client = SMTP(local_hostname=hostname, timeout=None, start_tls=False)
    try:
        # The library would make a protocol of its own here; this one is its own, with another reader.
        client.transport, line = await asyncio.get_running_loop().create_connection(Replies, sock=sock)
        client.protocol = line
        session = Session(client, line, address=address, local_ip=local_ip, timeouts=timeouts)
        await _greet(client, line, timeouts, until, heard)
        await _encrypt(session, client, tls=tls, server_name=server_name, timeouts=timeouts, until=until, heard=heard)
        async with _conversation(Stage.GREETING, timeouts.command_s, until):
            session.begin()
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


async def _connect(address: Address, end: float) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.ip else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        async with asyncio.timeout_at(end):
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


async def _greet(client: SMTP, line: Replies, timeouts: Timeouts, until: float | None, heard: Heard) -> None:
    async with _conversation(Stage.GREETING, timeouts.greeting_s, until):
        greeting = await line.read_response()
        if greeting.code != _READY:
            raise SMTPResponseException(greeting.code, greeting.message)
        heard(Point.BANNER, _said(greeting))
    async with _conversation(Stage.GREETING, timeouts.command_s, until):
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
    session: Session,
    client: SMTP,
    *,
    tls: TlsDemand,
    server_name: str,
    timeouts: Timeouts,
    until: float | None,
    heard: Heard,
) -> None:
    if tls.mode is TlsMode.NONE:
        return
    if not client.supports_extension("starttls"):
        if tls.required:
            raise _tls_error("STARTTLS is not offered", session.address)
        return
    if not await _start_tls(session, client, tls=tls, server_name=server_name, end=_end_of(timeouts.command_s, until)):
        return
    secured = client.get_transport_info("ssl_object")
    session.tls_protocol = secured.version() or ""
    session.tls_cipher = secured.cipher()[0]
    if heard is not _nobody:
        session.chain = chain_of(secured)
        heard(Point.STARTTLS, f"{session.tls_protocol}, {session.tls_cipher}")
    # What was said in clear text is forgotten (RFC 3207 4.2).
    async with _conversation(Stage.GREETING, timeouts.command_s, until):
        try:
            heard(Point.EHLO_AGAIN, _said(await _hello(client)))
        except SMTPServerDisconnected as error:
            # In TLS 1.3 a server looks at our certificate, or misses it, when our side of the handshake is over.
            if isinstance(error.__cause__, ssl.SSLError):
                raise _tls_error(_tls_text(error.__cause__), session.address) from error
            raise


async def _start_tls(session: Session, client: SMTP, *, tls: TlsDemand, server_name: str, end: float) -> bool:
    """True once encrypted; False when it was refused before the 220 reply and clear text will do."""
    try:
        context = context_for(tls)
        # The library's own time-out, because its error tells whether the 220 reply or the handshake was waited for.
        # A connection that is closed at this point was closed because of TLS, whichever of the two came first.
        seconds = max(end - asyncio.get_running_loop().time(), 0.001)
        await client.starttls(server_hostname=server_name, tls_context=context, timeout=seconds)
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
async def _conversation(stage: Stage, seconds: float, until: float | None) -> AsyncIterator[None]:
    """Turn whatever goes wrong before any message into a DialError, once."""
    try:
        async with asyncio.timeout_at(_end_of(seconds, until)):
            yield
    except SMTPResponseException as error:
        answered = error.code >= 0
        outcome = _refused(stage, SMTPResponse(error.code, error.message)) if answered else _broken(error, stage)
        raise DialError(outcome, connected=True) from error
    except (SMTPException, OSError) as error:
        raise DialError(_network(error, stage), connected=True) from error


def _refused(stage: Stage, reply: SMTPResponse) -> Outcome:
    lines = told(reply.message)
    before_mail = stage.is_before_mail
    return Outcome(
        Failure.REPLY,
        stage,
        max(reply.code, 0),
        lines,
        details=f"{reply.code} {lines[0]}" if before_mail else "",
        reason="unexpected SMTP response" if before_mail else "",
    )


def _broken(error: Exception, stage: Stage, *, after_dot: bool = False) -> Outcome:
    if isinstance(error, SMTPResponseException):
        # A reply that is no SMTP reply; the code is then -1.
        lines = told(error.message)
        outcome = Outcome(Failure.NETWORK, stage, 0, lines, lines[0], "Protocol error")
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
    lines = told(text)
    outcome = Outcome(Failure.TLS, Stage.STARTTLS, max(code, 0), lines, " ".join(lines), "TLS error")
    required = f"IP {address.ip if address else ''} TLS was required but could not be successfully negotiated"
    return DialError(outcome, tls_detail=detail or required, connected=True)


def _internal(stage: Stage) -> Outcome:
    return Outcome(Failure.INTERNAL, stage, 0, ("internal error",))
