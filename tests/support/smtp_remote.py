"""A scripted SMTP server on port 0: the stranger that deliveries go to.

A `Script` maps a step ("CONNECT", "EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", "CONTENT", "RSET", "QUIT") to what
happens there: a reply, an `Action`, one of the wrappers below, or a list of them for the first, second, ... time over
all connections (the last one stays). A reply as text gets its line ends; one in bytes goes out as it is. The server
keeps every connection and every message it took.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Action(Enum):
    """What a server may do instead of answering."""

    DROP = "drop"  # close the connection without a word
    RESET = "reset"  # the same, with a reset
    HANG = "hang"  # never answer
    STALL = "stall"  # the same, and never read again
    TAKE_AND_DROP = "take and drop"  # at CONTENT: keep the message, then close before the reply
    NO_HANDSHAKE = "no handshake"  # at STARTTLS: 220, then close


@dataclass(frozen=True)
class Pieces:
    """These octets one at a time, so many seconds apart."""

    octets: bytes
    every_s: float = 0.001


@dataclass(frozen=True)
class Later:
    """The step after so many seconds; meanwhile nothing is read."""

    seconds: float
    step: Step


@dataclass(frozen=True)
class Then:
    """A reply, and the action right behind it, whatever else the client has sent by then."""

    reply: str | bytes
    action: Action = Action.DROP


@dataclass(frozen=True)
class OnEach:
    """For the first, second, ... time on each connection; the last one stays."""

    steps: tuple[Step, ...]


@dataclass(frozen=True)
class UpTo:
    """`step` until a message has so many recipients, then `beyond`."""

    recipients: int
    step: Step
    beyond: Step


Step: TypeAlias = str | bytes | Action | Pieces | Later | Then | OnEach | UpTo
Script = Mapping[str, Step | Sequence[Step]]


@dataclass
class Taken:
    """One message as it arrived, dot-stuffing undone."""

    sender: str
    recipients: list[str]
    content: bytes
    mail_line: str
    tls: bool


@dataclass
class Remote:
    """What a server has seen. A connection is over for it once it has said goodbye, or closed, or was closed upon."""

    port: int
    connections: int = 0
    open: int = 0
    most_open: int = 0
    idle_ends: int = 0
    taken: list[Taken] = field(default_factory=list)
    commands: list[list[str]] = field(default_factory=list)  # per connection
    certificates: list[bytes | None] = field(default_factory=list)  # per handshake, what the client showed, in DER
    counts: Counter[str] = field(default_factory=Counter)


Key = TypeVar("Key")
Result = TypeVar("Result")
OFFERS = ("PIPELINING", "8BITMIME", "SIZE 52428800", "ENHANCEDSTATUSCODES")
REPLIES: dict[str, str] = {
    "CONNECT": "220 remote.test ESMTP",
    "HELO": "250 remote.test",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 go on",
    "CONTENT": "250 2.0.0 Ok: queued as ABC",
    "RSET": "250 2.0.0 Ok",
    "QUIT": "221 2.0.0 Bye",
    "NOOP": "250 Ok",
    "STARTTLS": "220 go ahead",
}


@dataclass(frozen=True)
class _Terms:
    """What a server says of itself, and after how many seconds of silence it closes, with which words."""

    offers: Sequence[str] = OFFERS
    tls: ssl.SSLContext | None = None
    idle_s: float | None = None
    idle_reply: bytes = b""
    stalled: list[asyncio.Transport] = field(default_factory=list)


class _Connection(asyncio.Protocol):
    def __init__(self, remote: Remote, script: Script, terms: _Terms) -> None:
        self._remote, self._script, self._terms = remote, script, terms
        self._offers = [*terms.offers, "STARTTLS"] if terms.tls else list(terms.offers)
        self._buffer = b""
        self._secure = self._handshaking = self._paused = self._over = self._ended = False
        self._idle: asyncio.TimerHandle | None = None
        self._counts: Counter[str] = Counter()
        self._log: list[str] = []
        self._reset()

    def _reset(self) -> None:
        self._sender: str | None = None
        self._mail_line = ""
        self._recipients: list[str] = []
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._secure:
            return
        self._remote.connections += 1
        self._remote.open += 1
        self._remote.most_open = max(self._remote.most_open, self._remote.open)
        self._remote.commands.append(self._log)
        self._answer("CONNECT")

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        # The first words over TLS may come before the handshake's coroutine goes on.
        while not (self._handshaking or self._paused or self._over) and self._step():
            pass
        self._watch_idleness()

    def _step(self) -> bool:
        if self._in_data:
            end = self._buffer.find(b"\r\n.\r\n")
            start = 0 if self._buffer.startswith(b".\r\n") else end + 2
            if end < 0 and start:
                return False
            content, self._buffer = self._buffer[:start], self._buffer[start + 3 :]
            self._in_data = False
            self._content(content)
            return True
        line, found, rest = self._buffer.partition(b"\r\n")
        if not found:
            return False
        self._buffer = rest
        self._command(line.decode())
        return True

    def _command(self, line: str) -> None:
        self._log.append(line)
        verb = line.split(" ", 1)[0].split(":", 1)[0].upper()
        if self._is_out_of_turn(verb):
            # What a pipelining client meets after an earlier command failed (RFC 2920).
            self._transport.write(b"503 5.5.1 bad sequence of commands\r\n")
            return
        accepted = self._answer(verb)
        if verb == "STARTTLS" and accepted:
            self._buffer, self._handshaking = b"", True
            if not self._paused:
                self._begin_tls()
        elif verb == "MAIL" and accepted:
            self._sender, self._mail_line = line.partition("<")[2].partition(">")[0], line
        elif verb == "RCPT" and accepted:
            self._recipients.append(line.partition("<")[2].partition(">")[0])
        elif verb == "DATA" and accepted == "3":
            self._in_data = True
        elif verb == "RSET":
            self._reset()
        elif verb == "QUIT" and not self._paused:
            self._close()

    def _is_out_of_turn(self, verb: str) -> bool:
        if verb == "RCPT":
            return self._sender is None
        return verb == "DATA" and "DATA" not in self._script and not self._recipients

    def _begin_tls(self) -> None:
        self._securing = asyncio.get_running_loop().create_task(self._secure_it())

    async def _secure_it(self) -> None:
        assert self._terms.tls is not None
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(self._transport, self, self._terms.tls, server_side=True)
        except (OSError, ssl.SSLError):
            self._end()
            return
        # The client may be gone when the handshake is over.
        if transport is None:
            self._end()
            return
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._remote.certificates.append(transport.get_extra_info("ssl_object").getpeercert(binary_form=True))
        self._secure, self._handshaking = True, False
        self.data_received(b"")

    def _content(self, content: bytes) -> None:
        stored = content.replace(b"\r\n..", b"\r\n.")
        stored = stored[1:] if stored.startswith(b"..") else stored
        taken = Taken(self._sender or "", self._recipients, stored, self._mail_line, self._secure)
        self._reset()
        if self._answer("CONTENT", taken):
            self._remote.taken.append(taken)

    # --- answers ---

    def _answer(self, step: str, taken: Taken | None = None) -> str:
        """Reply as scripted; its first digit if that is 2 or 3, else ""."""
        self._remote.counts[step] += 1
        self._counts[step] += 1
        what = self._scripted(step)
        self._do(what, taken)
        return _positive(what)

    def _do(self, what: Step, taken: Taken | None) -> None:
        match what:
            case str() | bytes():
                self._transport.write(_octets(what))
            case Pieces(octets, every_s):
                self._paused = True
                self._drip(octets, every_s)
            case Later(seconds, step):
                self._paused = True
                asyncio.get_running_loop().call_later(seconds, self._do_at_last, step, taken)
            case Then(reply, action):
                self._transport.write(_octets(reply))
                self._do(action, taken)
            case Action.TAKE_AND_DROP:
                assert taken is not None
                self._remote.taken.append(taken)
                self._close()
            case Action.NO_HANDSHAKE:
                self._transport.write(b"220 go ahead\r\n")
                self._close()
            case Action.DROP:
                self._close()
            case Action.RESET:
                self._end()
                self._transport.abort()
            case Action.HANG:
                self._over = True
            case Action.STALL:
                self._over = True
                self._transport.pause_reading()
                self._terms.stalled.append(self._transport)
            case _:
                raise AssertionError(what)

    def _drip(self, octets: bytes, every_s: float) -> None:
        if self._ended:
            return
        self._transport.write(octets[:1])
        if len(octets) > 1:
            asyncio.get_running_loop().call_later(every_s, self._drip, octets[1:], every_s)
        else:
            self._go_on()

    def _do_at_last(self, step: Step, taken: Taken | None) -> None:
        if self._ended:
            return
        self._paused = False
        self._do(step, taken)
        if not self._paused:
            self._go_on()

    def _go_on(self) -> None:
        """What waited for the end of a slow reply."""
        self._paused = False
        if self._handshaking:
            self._begin_tls()
        elif self._log and self._log[-1].upper() == "QUIT":
            self._close()
        self.data_received(b"")

    def _close(self) -> None:
        """Politely: what was written goes out, over TLS a close_notify behind it."""
        self._end()
        self._transport.close()

    def _end(self) -> None:
        if not self._ended:
            self._remote.open -= 1
        self._over = self._ended = True
        if self._idle:
            self._idle.cancel()

    def _watch_idleness(self) -> None:
        if self._idle:
            self._idle.cancel()
        # Whoever still owes an answer is not waiting for the client.
        if self._terms.idle_s and not (self._over or self._paused):
            self._idle = asyncio.get_running_loop().call_later(self._terms.idle_s, self._end_idle)

    def _end_idle(self) -> None:
        self._remote.idle_ends += 1
        self._transport.write(self._terms.idle_reply)
        self._close()

    def _scripted(self, step: str) -> Step:
        steps = self._script.get(step)
        if steps is None:
            return self._ehlo() if step == "EHLO" else REPLIES.get(step, "502 5.5.1 not here")
        found = _nth(steps, self._remote.counts[step])
        if isinstance(found, OnEach):
            return _nth(found.steps, self._counts[step])
        if isinstance(found, UpTo):
            return found.step if len(self._recipients) < found.recipients else found.beyond
        return found

    def _ehlo(self) -> str:
        offers = [each for each in self._offers if not (self._secure and each == "STARTTLS")]
        lines = ["remote.test", *offers]
        return "\n".join(f"250{' ' if line is lines[-1] else '-'}{line}" for line in lines)


def _nth(steps: Step | Sequence[Step], count: int) -> Step:
    """The one for the `count`-th time, from 1."""
    if isinstance(steps, str | bytes | Action | Pieces | Later | Then | OnEach | UpTo):
        return steps
    return steps[min(count, len(steps)) - 1]


def _octets(reply: str | bytes) -> bytes:
    return reply if isinstance(reply, bytes) else reply.replace("\n", "\r\n").encode() + b"\r\n"


def _positive(what: Step) -> str:
    match what:
        case str() | bytes():
            first = _octets(what).lstrip(b"\r\n")[:1].decode("ascii", "replace")
            return first if first in {"2", "3"} else ""
        case Pieces(octets):
            return _positive(octets)
        case Later(_, step):
            return _positive(step)
        case Then(reply):
            return _positive(reply)
        case _:
            return ""


@asynccontextmanager
async def serving(
    script: Script | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    offers: Sequence[str] = OFFERS,
    host: str = "127.0.0.1",
    port: int = 0,
    idle_s: float | None = None,
    idle_reply: bytes = b"",
) -> AsyncIterator[Remote]:
    """A server in the running loop. After `idle_s` without a word from the client it says `idle_reply` and closes."""
    remote = Remote(port=0)
    terms = _Terms(offers, tls, idle_s, idle_reply)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(remote, {} if script is None else script, terms), host, port, backlog=1000
    )
    remote.port = server.sockets[0].getsockname()[1]
    try:
        yield remote
    finally:
        server.close()
        for transport in terms.stalled:
            transport.abort()


@asynccontextmanager
async def _serving_all(scripts: Mapping[Key, Script], **options: Any) -> AsyncIterator[dict[Key, Remote]]:
    async with AsyncExitStack() as stack:
        yield {key: await stack.enter_async_context(serving(script, **options)) for key, script in scripts.items()}


def smtp_remote(script: Script | None = None, **options: Any) -> AbstractContextManager[Remote]:
    """A server in a thread of its own, with the options of `serving`; gone at the end of the block."""
    return _in_a_thread(serving(script, **options))


def smtp_remotes(scripts: Mapping[Key, Script], **options: Any) -> AbstractContextManager[dict[Key, Remote]]:
    """Many servers in one thread, each on a port of its own."""
    return _in_a_thread(_serving_all(scripts, **options))


@contextmanager
def _in_a_thread(serve: AbstractAsyncContextManager[Result]) -> Iterator[Result]:
    started: Future[tuple[Result, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        over = asyncio.Event()
        try:
            async with serve as result:
                started.set_result((result, asyncio.get_running_loop(), over))
                await over.wait()
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    result, loop, over = started.result(5)
    try:
        yield result
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(5)


# --- certificates ---


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test run. `pem` is what a client trusts."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def server(
        self,
        folder: Path,
        *names: str,
        expired: bool = False,
        highest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
        asks_for: ssl.VerifyMode = ssl.CERT_NONE,
        trusts: str = "",
        names_issuer_key: bool = True,
    ) -> ssl.SSLContext:
        """A server's context with a certificate for these names and addresses. `asks_for`: whether clients may or must
        show one of their own, which leads to one of the PEM certificates `trusts`. `names_issuer_key`: whether the
        certificate has an Authority Key Identifier."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives: list[x509.GeneralName] = [
            x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
        ]
        certificate = _signed(names[0], key, self, alternatives, expired=expired, names_issuer_key=names_issuer_key)
        path = folder / f"{names[0]}-{certificate.serial_number}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        context.maximum_version = highest
        context.verify_mode = asks_for
        if trusts:
            context.load_verify_locations(cadata=trusts)
        return context


@cache
def authority() -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(_signed("Test CA", key, None, [], expired=False), key)


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: Authority | None,
    alternatives: list[x509.GeneralName],
    *,
    expired: bool,
    names_issuer_key: bool = True,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=30))
        .not_valid_after(now + datetime.timedelta(days=-1 if expired else 30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    signer = issuer.key if issuer else key
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if names_issuer_key:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(identifier, critical=False)
    if issuer is None:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(signer, hashes.SHA256())
