"""One SMTP connection to another server: dial, then any number of transactions, then close. No database here.

Two clocks run: each command has its own time-out, and each transaction a deadline. Whatever breaks off in the middle
ends the connection, because a reply that comes late would be taken for the answer to the next command.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Protocol

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
from seg_console.delivery.tls import TlsDemand, TlsMode, context_for
from seg_console.mail.lines import clean_line_ends


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


class Session:
    """A connection that is ready for MAIL FROM. Made by `dial`; used by one task at a time."""

    def __init__(self, client: SMTP, *, address: Address, local_ip: str, timeouts: Timeouts) -> None:
        self._client = client
        self._timeouts = timeouts
        self.address: Address | None = address
        self.local_ip = local_ip
        self.tls_protocol = ""
        self.tls_cipher = ""
        self.tls_detail = ""  # why a preferred TLS was not had
        self.usable = True

    async def send(self, envelope: Envelope) -> Sent:
        """Hand one message over. Raises ConnectionGone when there was no connection left to try it on."""
        if not self._client.is_connected:
            self.usable = False
            raise ConnectionGone
        attempt = _Transaction(self._client, envelope, self._timeouts)
        try:
            await attempt.run()
        except (SMTPException, OSError) as error:
            self.usable = False
            attempt.fail(_broken(error, attempt.stage, after_dot=attempt.dot_sent))
        finally:
            self.usable = self.usable and self._client.is_connected and attempt.complete
            if not self.usable:
                self._client.close()
        if self.usable and attempt.needs_reset:
            self.usable = await self._reset()
        return attempt.result()

    async def close(self) -> None:
        """QUIT and close; a server that does not answer is not waited for long."""
        if self._client.is_connected:
            with suppress(SMTPException, OSError):
                async with asyncio.timeout(self._timeouts.close_s):
                    await self._client.quit(timeout=None)
        self._client.close()

    def abort(self) -> None:
        """Close without a word."""
        self.usable = False
        self._client.close()

    async def _reset(self) -> bool:
        with suppress(SMTPException, OSError):
            async with asyncio.timeout(self._timeouts.command_s):
                reply = await self._client.execute_command(b"RSET", timeout=None)
                return reply.code == 250
        self._client.close()
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
    """MAIL, RCPT, DATA and the content of one message; keeps what is known should it break off at any point."""

    def __init__(self, client: SMTP, envelope: Envelope, timeouts: Timeouts) -> None:
        self._client = client
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
            await self._run()
        self.complete = True

    async def _run(self) -> None:
        if not self._offers_what_is_needed():
            return
        self.started = True
        mail = await self._command(b"MAIL", *self._mail_arguments())
        if mail.code != 250:
            self._refuse(mail)
            return
        accepted = await self._recipients()
        if not accepted:
            self.needs_reset = True
            return
        self.stage = Stage.DATA
        data = await self._command(b"DATA")
        if data.code != 354:
            self._refuse(data)
            return
        self.stage = Stage.CONTENT
        reply = await self._content()
        if 200 <= reply.code < 300:
            self.fail(_accepted(reply))
        else:
            self._refuse(reply)

    def _offers_what_is_needed(self) -> bool:
        """8-bit content goes only to a server that offers 8BITMIME (RFC 6152), such an address only with SMTPUTF8."""
        if self._envelope.eight_bit and not self._client.supports_extension("8bitmime"):
            self.fail(Outcome(Failure.EIGHT_BIT, Stage.MAIL, 0, ("8BITMIME is not offered",)))
            return False
        if self._international and not self._client.supports_extension("smtputf8"):
            self.fail(Outcome(Failure.EIGHT_BIT, Stage.MAIL, 0, ("SMTPUTF8 is not offered",)))
            return False
        return True

    @property
    def _international(self) -> bool:
        addresses = (self._envelope.sender, *self._envelope.recipients)
        return not all(address.isascii() for address in addresses)

    def _mail_arguments(self) -> list[bytes]:
        arguments = [b"FROM:<%b>" % self._envelope.sender.encode()]
        if self._client.supports_extension("size"):
            arguments.append(b"SIZE=%d" % len(self._envelope.content))
        if self._envelope.eight_bit:
            arguments.append(b"BODY=8BITMIME")
        if self._international:
            arguments.append(b"SMTPUTF8")
        return arguments

    async def _recipients(self) -> int:
        """Ask for each recipient; a refusal is that recipient's own. Returns how many were accepted."""
        self.stage = Stage.RCPT
        accepted = 0
        for index, recipient in enumerate(self._envelope.recipients):
            reply = await self._command(b"RCPT", b"TO:<%b>" % recipient.encode())
            if 200 <= reply.code < 300:
                accepted += 1
                continue
            self._outcomes[index] = _refused(Stage.RCPT, reply)
            if reply.code == 421:
                self.fail(_refused(Stage.RCPT, reply))
                return 0
        return accepted

    async def _content(self) -> SMTPResponse:
        protocol = self._client.protocol
        if protocol is None:
            raise SMTPServerDisconnected("Connection lost")
        # Not the library's data(): it runs two regular expressions over content that is known to have CRLF ends.
        wire = dot_stuffed(self._envelope.content)
        self._allow(self._timeouts.content_s)
        protocol.write(wire)
        self.dot_sent = True
        reply = await protocol.read_response(timeout=None)
        if reply.code == 421:
            self._client.close()
        return reply

    async def _command(self, *words: bytes) -> SMTPResponse:
        self._allow(self._timeouts.command_s)
        return await self._client.execute_command(*words, timeout=None)

    def _allow(self, seconds: float) -> None:
        """Wind the one timer up for the next command; cheaper than a timer and a task for each."""
        self._clock.reschedule(min(asyncio.get_running_loop().time() + seconds, self._deadline))

    def _refuse(self, reply: SMTPResponse) -> None:
        self.fail(_refused(self.stage, reply))
        self.needs_reset = True


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


async def dial(address: Address, *, hostname: str, tls: TlsDemand, server_name: str, timeouts: Timeouts) -> Session:
    """Connect, greet and, as `tls` demands, encrypt. `server_name` is what the certificate must be valid for.

    Raises DialError.
    """
    sock = await _connect(address, timeouts)
    local_ip = str(sock.getsockname()[0])
    client = SMTP(sock=sock, local_hostname=hostname, timeout=None, start_tls=False)
    session = Session(client, address=address, local_ip=local_ip, timeouts=timeouts)
    try:
        await _greet(client, timeouts)
        await _encrypt(session, client, tls=tls, server_name=server_name, timeouts=timeouts)
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
        raise DialError(_network(error, Stage.CONNECT)) from error
    except BaseException:
        sock.close()
        raise
    return sock


async def _greet(client: SMTP, timeouts: Timeouts) -> None:
    async with _conversation(Stage.GREETING, timeouts.greeting_s):
        await client.connect(timeout=None)
        await _hello(client)


async def _hello(client: SMTP) -> None:
    try:
        await client.ehlo(timeout=None)
    except SMTPHeloError as error:
        if error.code == 421 or not client.is_connected:
            raise
        # A server that knows no EHLO still takes mail (RFC 5321 3.2).
        await client.helo(timeout=None)


async def _encrypt(session: Session, client: SMTP, *, tls: TlsDemand, server_name: str, timeouts: Timeouts) -> None:
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
    # What was said in clear text is forgotten (RFC 3207 4.2).
    async with _conversation(Stage.GREETING, timeouts.greeting_s):
        await _hello(client)


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
