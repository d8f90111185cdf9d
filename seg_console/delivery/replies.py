"""The replies of a server: any octets behind a code become text that can be printed and stored, here and only here.

The SMTP library greets, says EHLO and encrypts; how replies are read is ours from the first octet on. Its own reader
keeps one reply at a time and drops what comes early, so it cannot pipeline (RFC 2920); without that every message costs
two more round trips, and a system call or two for each, which is a third of what a worker does. And it takes a blank
line, a long line or another charset for the end of the conversation.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Final, cast

from aiosmtplib.errors import SMTPReadTimeoutError, SMTPResponseException, SMTPServerDisconnected
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

from seg_console.mail.lines import visible

# RFC 5321 4.5.3.1.5 allows 512 octets in a line; real servers send more. What lies behind so many is read, not kept:
# of a line as many as the characters that are shown of a reply can have, and of all lines together.
MOST_OF_A_LINE: Final = 4_096
MOST_KEPT: Final = 65_536
# Nobody has this much to say: a stream without an end.
LONGEST_REPLY: Final = 1_048_576


def text_of(octets: bytes) -> str:
    r"""A line of a server as text: UTF-8 where it is that, else every octet beyond ASCII escaped, and all control
    characters.

    `b"Empf\xe4nger"` becomes `Empf\xe4nger` spelled out: no table tells which charset it was, and what two octets of
    another charset mean by chance in UTF-8 would mislead. A character that was cut off at the end is no other charset.
    """
    try:
        return visible(octets.decode())
    except UnicodeDecodeError as error:
        whole = error.start if error.reason == "unexpected end of data" else 0
        return visible(octets[:whole].decode() + octets[whole:].decode("ascii", "backslashreplace"))


class ReplyReader:
    """Octets in, replies out; pure. `fault` says what was no reply: after it nothing can be trusted to be the answer
    to what was asked, and nothing more is read."""

    def __init__(self) -> None:
        self.fault = ""
        self._line = bytearray()
        self._lines: list[str] = []
        self._kept = 0  # octets of those lines
        self._octets = 0

    def feed(self, data: bytes) -> list[SMTPResponse]:
        """The replies that are complete with these octets."""
        replies: list[SMTPResponse] = []
        start = 0
        while not self.fault and start < len(data):
            end = data.find(b"\n", start)
            self._line += data[start : end if end >= 0 else len(data)][: MOST_OF_A_LINE - len(self._line)]
            self._octets += (end if end >= 0 else len(data)) - start
            if end < 0:
                break
            start = end + 1
            reply = self._take_line(bytes(self._line).rstrip(b"\r"))
            self._line.clear()
            if reply is not None:
                replies.append(reply)
                self._octets = 0
        if self._octets > LONGEST_REPLY:
            self.fault = self.fault or "Response too long"
        return replies

    @property
    def is_in_the_middle(self) -> bool:
        """Whether a reply has begun and not ended."""
        return bool(self._line.strip() or self._lines)

    def _take_line(self, line: bytes) -> SMTPResponse | None:
        """`250-text` goes on, `250 text` and a bare `250` end the reply (RFC 5321 4.2.1). A blank line is nothing:
        some servers put one between their replies."""
        if not line.strip():
            return None
        if not (line[:3].isdigit() and line[3:4] in {b"", b" ", b"-"}):
            self.fault = f"Malformed SMTP response line: {text_of(line)}"
            return None
        if self._kept < MOST_KEPT:
            text = line[4:].strip()
            self._kept += len(text) + 1
            self._lines.append(text_of(text))
        if line[3:4] == b"-":
            return None
        reply = SMTPResponse(int(line[:3]), "\n".join(self._lines))
        self._lines, self._kept = [], 0
        return reply


class Replies(SMTPProtocol):
    """The library's protocol with a reader of its own: replies are read in order, each once, however many commands
    are on their way."""

    def __init__(self) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self._reader = ReplyReader()
        self._arrived: deque[SMTPResponse] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._securing = False

    @property
    def is_connected(self) -> bool:
        return self._error is None and super().is_connected

    @property
    def is_unasked(self) -> bool:
        """Whether the server has said something that nobody asked for, as a 421 before it closes."""
        return bool(self._arrived) or self._reader.is_in_the_middle

    def send(self, data: bytes) -> None:
        """Raises SMTPServerDisconnected when the connection is gone."""
        if not self.is_connected:
            raise self._error or SMTPServerDisconnected("Connection lost")
        self.write(data)

    async def drained(self) -> None:
        """Until everything sent has left this process. Raises ConnectionResetError."""
        await self._drain_helper()

    async def next(self) -> SMTPResponse:
        """The next reply. Raises SMTPServerDisconnected when none will come, SMTPResponseException for what is none."""
        while not self._arrived:
            if self._error is not None:
                raise self._error
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._arrived.popleft()

    async def ended(self) -> None:
        """Until the server has closed the connection."""
        while self._error is None:
            self._arrived.clear()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def close(self) -> None:
        """At once: a polite end of TLS would wait for a server that has been told QUIT, or is not trusted any more."""
        if self.transport is not None:
            cast(asyncio.WriteTransport, self.transport).abort()

    # -- what the library asks

    async def read_response(self, timeout: float | None = None) -> SMTPResponse:  # noqa: ASYNC109 - its signature
        # Not its wait_for, which before Python 3.12 may hand out a reply in place of a cancellation.
        try:
            async with asyncio.timeout(timeout):
                reply = await self.next()
        except TimeoutError as error:
            raise SMTPReadTimeoutError("Timed out waiting for server response") from error
        if self._securing:
            # Whatever came behind the 220 came in clear text and is nobody's answer (RFC 3207 4.2).
            self._arrived.clear()
            self._reader = ReplyReader()
        return reply

    async def start_tls(
        self,
        tls_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - its signature
    ) -> SMTPResponse:
        self._securing = True
        try:
            reply = await super().start_tls(tls_context, server_hostname=server_hostname, timeout=timeout)
        finally:
            self._securing = False
        self._watch_writing()
        return reply

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._watch_writing()

    def data_received(self, data: bytes) -> None:
        if self._error is not None:
            return
        self._arrived.extend(self._reader.feed(data))
        if self._reader.fault:
            self._fail(SMTPResponseException(-1, self._reader.fault))
        self._tell()

    def eof_received(self) -> bool:
        self._fail(SMTPServerDisconnected("Unexpected EOF received"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        error = SMTPServerDisconnected("Connection lost")
        error.__cause__ = exc
        self._fail(error)
        super().connection_lost(exc)

    def _watch_writing(self) -> None:
        """Have `drained` wait for the last octet, not for most of them. Not a limit of 0: with that a transport for TLS
        tells that it is full when it is empty, and never tells that it is not."""
        cast(asyncio.WriteTransport, self.transport).set_write_buffer_limits(high=1, low=0)

    def _fail(self, error: Exception) -> None:
        """Replies that arrived before are still read; after them comes the error."""
        self._error = self._error or error
        self._tell()

    def _tell(self) -> None:
        if self._waiter is not None and not self._waiter.done() and (self._arrived or self._error):
            self._waiter.set_result(None)
