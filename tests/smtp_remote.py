"""A scripted SMTP server on port 0: the stranger that deliveries go to.

A `Script` maps a step ("CONNECT", "EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", "CONTENT", "RSET", "QUIT") to what
happens there: a reply, a list of them for the first, second, ... time over all connections (the last one stays), or an
`Action`. It keeps every connection and every message it took.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Action(Enum):
    """What a server may do instead of answering."""

    DROP = "drop"  # close the connection without a word
    RESET = "reset"  # the same, with a reset
    HANG = "hang"  # never answer
    TAKE_AND_DROP = "take and drop"  # at CONTENT: keep the message, then close before the reply
    NO_HANDSHAKE = "no handshake"  # at STARTTLS: 220, then close


Step = str | Action
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
    port: int
    connections: int = 0
    open: int = 0
    most_open: int = 0
    taken: list[Taken] = field(default_factory=list)
    commands: list[list[str]] = field(default_factory=list)  # per connection
    certificates: list[bytes | None] = field(default_factory=list)  # per handshake, what the client showed, in DER
    counts: Counter[str] = field(default_factory=Counter)


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


class _Connection(asyncio.Protocol):
    def __init__(self, remote: Remote, script: Script, offers: Sequence[str], tls: ssl.SSLContext | None) -> None:
        self._remote, self._script, self._tls = remote, script, tls
        self._offers = [*offers, "STARTTLS"] if tls else list(offers)
        self._buffer = b""
        self._secure = self._handshaking = self._hanging = False
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
        self._remote.open -= 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        # The first words over TLS may come before the handshake's coroutine goes on.
        while not self._handshaking and not self._hanging and self._step():
            pass

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
            asyncio.get_running_loop().create_task(self._secure_it())
        elif verb == "MAIL" and accepted:
            self._sender, self._mail_line = line.partition("<")[2].partition(">")[0], line
        elif verb == "RCPT" and accepted:
            self._recipients.append(line.partition("<")[2].partition(">")[0])
        elif verb == "DATA" and accepted == "3":
            self._in_data = True
        elif verb == "RSET":
            self._reset()
        elif verb == "QUIT":
            self._transport.close()

    def _is_out_of_turn(self, verb: str) -> bool:
        if verb == "RCPT":
            return self._sender is None
        return verb == "DATA" and "DATA" not in self._script and not self._recipients

    async def _secure_it(self) -> None:
        assert self._tls is not None
        try:
            transport = await asyncio.get_running_loop().start_tls(self._transport, self, self._tls, server_side=True)
        except (OSError, ssl.SSLError):
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

    def _answer(self, step: str, taken: Taken | None = None) -> str:
        """Reply as scripted; its first digit if that is 2 or 3, else ""."""
        self._remote.counts[step] += 1
        reply = self._scripted(step)
        if reply is Action.TAKE_AND_DROP:
            assert taken is not None
            self._remote.taken.append(taken)
            self._transport.close()
            return ""
        if reply is Action.NO_HANDSHAKE:
            self._transport.write(b"220 go ahead\r\n")
            self._transport.close()
            return ""
        if reply is Action.DROP:
            self._transport.close()
            return ""
        if reply is Action.RESET:
            self._transport.abort()
            return ""
        if reply is Action.HANG:
            self._hanging = True
            return ""
        assert isinstance(reply, str)
        self._transport.write(reply.replace("\n", "\r\n").encode() + b"\r\n")
        return reply[0] if reply[0] in "23" else ""

    def _scripted(self, step: str) -> Step:
        steps = self._script.get(step)
        if steps is None:
            return self._ehlo() if step == "EHLO" else REPLIES.get(step, "502 5.5.1 not here")
        if isinstance(steps, str | Action):
            return steps
        return steps[min(self._remote.counts[step], len(steps)) - 1]

    def _ehlo(self) -> str:
        offers = [each for each in self._offers if not (self._secure and each == "STARTTLS")]
        lines = ["remote.test", *offers]
        return "\n".join(f"250{' ' if line is lines[-1] else '-'}{line}" for line in lines)


@contextmanager
def smtp_remote(
    script: Script | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    offers: Sequence[str] = OFFERS,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[Remote]:
    """A server in a thread of its own; gone at the end of the block."""
    loop = asyncio.new_event_loop()
    remote = Remote(port=0)
    started = threading.Event()

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(remote, script or {}, offers, tls), host, port
        )
        remote.port = server.sockets[0].getsockname()[1]
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            server.close()

    def run() -> None:
        asyncio.set_event_loop(loop)
        main = loop.create_task(serve())
        stopped.append(main)
        try:
            loop.run_until_complete(main)
        except asyncio.CancelledError:
            pass
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    stopped: list[asyncio.Task[None]] = []
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait(5)
    try:
        yield remote
    finally:
        loop.call_soon_threadsafe(stopped[0].cancel)
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
    ) -> ssl.SSLContext:
        """A server's context with a certificate for these names and addresses. `asks_for`: whether clients may or must
        show one of their own, which leads to one of the PEM certificates `trusts`."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives: list[x509.GeneralName] = [
            x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
        ]
        certificate = _signed(names[0], key, self, alternatives, expired=expired)
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
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    if issuer is None:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(signer, hashes.SHA256())
