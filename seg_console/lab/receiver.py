"""A receiving SMTP server around the gateway's own session, for the lab and the tests. It takes every recipient."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from seg_console.gateway.protocol import (
    Access,
    Close,
    Limits,
    MessageReady,
    Output,
    Phase,
    ReceivedMessage,
    Reply,
    Session,
    StartTls,
)

# Larger than what the listener takes, so that no copy is refused for the report around it.
LIMITS = Limits(max_message_size=64 * 1024 * 1024)
_ACCEPTED = Access(accepted=True)
# RFC 3207, section 4. The session has nothing to say at MAIL, so it is said at RCPT: no mail comes in clear either way.
_TLS_FIRST = Access(accepted=False, code=530, text="5.7.0 Must issue a STARTTLS command first")

# Gets the message and the TLS version it came over ("" for none).
Receive = Callable[[ReceivedMessage, str], None]


@dataclass(frozen=True, slots=True)
class Receiver:
    """How a server of the lab receives. With a `context` it offers STARTTLS and takes mail over nothing else."""

    hostname: str
    receive: Receive
    context: ssl.SSLContext | None = None

    async def serve(self, host: str, port: int) -> asyncio.Server:
        """Listen there; port 0 lets the system choose."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _Connection(self), host, port)


class _Connection(asyncio.Protocol):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        mids = itertools.count(1)
        self._session = Session(
            hostname=receiver.hostname,
            access=self._access,
            next_mid=lambda: next(mids),
            limits=LIMITS,
            tls_available=receiver.context is not None,
        )
        self._transport: asyncio.Transport
        self._handshake: asyncio.Task[None] | None = None
        self._early = bytearray()

    def _access(self, _recipient: str) -> Access:
        return _ACCEPTED if self._receiver.context is None or self._session.tls else _TLS_FIRST

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        first = not self._session.tls and self._handshake is None
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if first:
            transport.write(self._session.greeting())

    def data_received(self, data: bytes) -> None:
        if self._session.phase is Phase.TLS:
            # Decrypted already, but the handshake's end has not yet been told to the session.
            self._early += data
            return
        self._act(self._session.receive(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self._session.lost()

    def _act(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Reply):
                self._transport.write(output.data)
            elif isinstance(output, StartTls):
                self._handshake = asyncio.get_running_loop().create_task(self._start_tls())
            elif isinstance(output, MessageReady):
                self._receiver.receive(output.message, self._tls_version())
                self._act(self._session.answer(250, "2.0.0 stored"))
            elif isinstance(output, Close):
                self._transport.close()

    def _tls_version(self) -> str:
        tls = self._transport.get_extra_info("ssl_object")
        return (tls.version() or "") if tls else ""

    async def _start_tls(self) -> None:
        context = self._receiver.context
        assert context is not None
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(self._transport, self, context, server_side=True)
        except (OSError, ssl.SSLError):
            self._transport.close()
            return
        if transport is None:
            return
        self._transport = transport
        self._session.tls_started()
        if self._early:
            early, self._early = bytes(self._early), bytearray()
            self.data_received(early)
