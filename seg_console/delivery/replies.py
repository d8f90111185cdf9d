"""The message path of a connection: many commands may be on their way before the first reply is read.

The SMTP library dials, greets and encrypts, and hands the transport over here. Its own reader keeps one reply at a
time and drops what comes early, so it cannot pipeline (RFC 2920); without that every message costs two more round
trips, and a system call or two for each, which is a third of what a worker does.
"""

from __future__ import annotations

import asyncio
from collections import deque

from aiosmtplib.errors import SMTPResponseException, SMTPServerDisconnected
from aiosmtplib.response import SMTPResponse

# RFC 5321 4.5.3.1.5 allows 512 octets in a line; real servers send more, nobody sends this much.
_LONGEST_REPLY = 65_536


class Replies(asyncio.Protocol):
    """Takes over `transport`; replies are read in order, each once."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._arrived: deque[SMTPResponse] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        transport.set_protocol(self)

    @property
    def is_connected(self) -> bool:
        return self._error is None and not self._transport.is_closing()

    def send(self, data: bytes) -> None:
        """Raises SMTPServerDisconnected when the connection is gone."""
        if not self.is_connected:
            raise self._error or SMTPServerDisconnected("Connection lost")
        self._transport.write(data)

    async def next(self) -> SMTPResponse:
        """The next reply. Raises SMTPServerDisconnected when none will come, SMTPResponseException for what is none."""
        while not self._arrived:
            if self._error is not None:
                raise self._error
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._arrived.popleft()

    def close(self) -> None:
        """At once: a polite end of TLS would wait for a server that has been told QUIT, or is not trusted any more."""
        self._transport.abort()

    # -- asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        if self._error is not None:
            return
        self._buffer += data
        end = self._buffer.find(b"\n")
        # After something that is no reply nothing can be trusted to be the answer to what was asked.
        while end >= 0 and self._error is None:
            self._take_line(bytes(self._buffer[:end]).rstrip(b"\r"))
            del self._buffer[: end + 1]
            end = self._buffer.find(b"\n")
        if len(self._buffer) + sum(map(len, self._lines)) > _LONGEST_REPLY:
            self._fail(SMTPResponseException(-1, "Response too long"))
        self._tell()

    def eof_received(self) -> bool:
        self._fail(SMTPServerDisconnected("Unexpected EOF received"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        error = SMTPServerDisconnected("Connection lost")
        error.__cause__ = exc
        self._fail(error)

    # -- parsing

    def _take_line(self, line: bytes) -> None:
        """`250-text` goes on, `250 text` ends the reply (RFC 5321 4.2.1)."""
        text = line.decode("utf-8", "surrogateescape")
        if not (line[:3].isdigit() and line[3:4] in {b"", b" ", b"-"}):
            self._fail(SMTPResponseException(-1, f"Malformed SMTP response line: {text}"))
            return
        self._lines.append(text[4:].strip())
        if line[3:4] != b"-":
            self._arrived.append(SMTPResponse(int(line[:3]), "\n".join(self._lines)))
            self._lines = []

    def _fail(self, error: Exception) -> None:
        """Replies that arrived before are still read; after them comes the error."""
        self._error = self._error or error
        self._tell()

    def _tell(self) -> None:
        if self._waiter is not None and not self._waiter.done() and (self._arrived or self._error):
            self._waiter.set_result(None)
