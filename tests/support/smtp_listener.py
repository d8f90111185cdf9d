"""A listener on a port of its own for tests: a handler that remembers, a certificate for the day, a plain client."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from seg_console.gateway.protocol import AbortedMessage, Limits, ReceivedMessage, Refused, Session
from seg_console.gateway.transport import (
    ConnectionLimits,
    Ending,
    Entry,
    SmtpConnection,
    SmtpServer,
    Timeouts,
    TlsContext,
)
from seg_console.gateway.xclient import Claim
from tests.support.smtp_dialogue import corp_only

PATIENCE_S = 20.0


class RecordingHandler:
    """Takes every connection, remembers everything and, unless told otherwise, accepts every message at once."""

    def __init__(
        self,
        *,
        connection_limits: ConnectionLimits | None = None,
        limits: Limits | None = None,
        tls_available: bool = False,
        answers: bool = True,
        begins: bool = True,
        entry: Entry = Entry.DIRECT,
        xclient: bool = False,
    ) -> None:
        self.connection_limits = connection_limits or ConnectionLimits()
        self.session_limits = limits
        self.tls_available = tls_available
        self.answers = answers
        self.begins = begins
        self.begins_with = entry
        self.xclient = xclient
        self.not_proxied_peers: list[str] = []
        self.claims: list[Claim] = []
        self.connections: list[SmtpConnection] = []
        self.messages: list[ReceivedMessage] = []
        self.waiting: list[tuple[SmtpConnection, ReceivedMessage]] = []
        self.aborted_messages: list[AbortedMessage] = []
        self.content_errors: list[OSError] = []
        self.senders_refused: list[Refused] = []
        self.tls_missed = 0
        self.secured: list[tuple[str, str]] = []
        self.tls_errors: list[Exception] = []
        self.refused_peers: list[str] = []
        self.endings: list[tuple[int | None, Ending]] = []
        self._mids = count(101)
        self._icids = count(1)

    def session(self) -> Session:
        return Session(
            hostname="mx.corp.example",
            access=corp_only,
            next_mid=lambda: next(self._mids),
            limits=self.session_limits,
            tls_available=self.tls_available,
            xclient=self.xclient,
        )

    def entry(self, ip: str) -> Entry:
        return self.begins_with

    def not_proxied(self, connection: SmtpConnection, *, code: int = 0, text: str = "") -> None:
        self.not_proxied_peers.append(connection.peer_ip)

    def limits(self) -> ConnectionLimits:
        return self.connection_limits

    def opened(self, connection: SmtpConnection) -> None:
        self.connections.append(connection)
        if self.begins:
            connection.begin(self.session(), icid=next(self._icids))

    def over_limit(self, connection: SmtpConnection) -> None:
        self.refused_peers.append(connection.peer_ip)

    def client_named(self, connection: SmtpConnection, claim: Claim) -> None:
        self.claims.append(claim)
        if not claim.ip or connection.become(claim.ip, claim.port or 0, self.connection_limits):
            connection.start_over(
                claim,
                access=corp_only,
                limits=self.session_limits or Limits(),
                tls_available=self.tls_available,
                tls_required=False,
            )
        else:
            connection.refuse(421, "4.7.0 Too many connections, try again later", icid=connection.icid)

    def message(self, connection: SmtpConnection, message: ReceivedMessage) -> None:
        self.messages.append(message)
        if self.answers:
            connection.answer(250, f"ok:  Message {message.envelope.mid} accepted")
        else:
            self.waiting.append((connection, message))

    def aborted(self, connection: SmtpConnection, message: AbortedMessage) -> None:
        self.aborted_messages.append(message)

    def content_failed(self, connection: SmtpConnection, error: OSError) -> None:
        self.content_errors.append(error)

    def sender_refused(self, connection: SmtpConnection, refused: Refused, *, helo: str) -> None:
        self.senders_refused.append(refused)

    def tls_missing(self, connection: SmtpConnection) -> None:
        self.tls_missed += 1

    def tls_started(self, connection: SmtpConnection, *, version: str, cipher: str) -> None:
        self.secured.append((version, cipher))

    def tls_failed(self, connection: SmtpConnection, error: Exception) -> None:
        self.tls_errors.append(error)

    def closed(self, connection: SmtpConnection, ending: Ending) -> None:
        self.endings.append((connection.icid, ending))


async def serve(
    handler: RecordingHandler,
    *,
    host: str,
    port: int,
    timeouts: Timeouts | None = None,
    tls_context: TlsContext = None,
    reuse_port: bool = False,
) -> SmtpServer:
    """Listen and return the server, which works from now on. With `reuse_port` several processes may listen on the same
    port and the kernel deals out the connections. Raises OSError if the address cannot be had."""
    server = SmtpServer(handler, timeouts=timeouts, tls_context=tls_context)
    await server.listen(host, port, reuse_port=reuse_port)
    return server


@asynccontextmanager
async def listening(
    handler: RecordingHandler, *, timeouts: Timeouts | None = None, tls_context: ssl.SSLContext | None = None
) -> AsyncIterator[SmtpServer]:
    server = await serve(handler, host="127.0.0.1", port=0, timeouts=timeouts, tls_context=tls_context)
    try:
        yield server
    finally:
        await server.shutdown(grace=0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other tasks bring about; TimeoutError if it does not come."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the condition belongs to code that knows no event of ours
            await asyncio.sleep(0.002)


class Client:
    """A client that sends exactly the bytes it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self) -> str:
        """The next reply, its lines parted by LF; "" at the end of the connection."""
        lines: list[str] = []
        async with asyncio.timeout(PATIENCE_S):
            while not lines or lines[-1][3:4] == "-":
                line = await self.reader.readline()
                if not line:
                    break
                lines.append(line.decode().rstrip("\r\n"))
        return "\n".join(lines)

    async def say(self, data: bytes) -> str:
        self.writer.write(data)
        return await self.reply()

    async def hear_all(self) -> str:
        """Everything up to the end of the connection."""
        async with asyncio.timeout(PATIENCE_S):
            return (await self.reader.read()).decode()


@asynccontextmanager
async def dialled(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def greeted(port: int) -> AsyncIterator[Client]:
    async with dialled(port) as client:
        assert await client.reply() == "220 mx.corp.example ESMTP"
        yield client


def make_certificate(folder: Path, hostname: str = "mx.corp.example") -> Path:
    """A self-signed certificate with its key, in one PEM file, good for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{hostname}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context
