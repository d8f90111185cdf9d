"""SMTP sessions on sockets: a thin asyncio protocol around `protocol.Session`, with the time-outs, the flow control in
both directions, the connection limits and the TLS handshake that the session itself knows nothing of.

What a connection or a message means is decided by a `ConnectionHandler`. Everything here runs in the loop's thread.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, Protocol, Unpack, cast

from seg_console.gateway import proxy_header
from seg_console.gateway.protocol import (
    AbortedMessage,
    ClientNamed,
    Close,
    CloseReason,
    ContentFailed,
    MessageAborted,
    MessageReady,
    Output,
    Phase,
    ReceivedMessage,
    Refused,
    Reply,
    SenderRefused,
    Session,
    StartTls,
    Terms,
    TlsMissing,
    reply,
)
from seg_console.gateway.spool import KEPT
from seg_console.gateway.xclient import Claim

logger = logging.getLogger(__name__)

TlsContext = ssl.SSLContext | Callable[[], ssl.SSLContext | None] | None
"""The context for STARTTLS, or what gives it for each handshake; None: STARTTLS is not offered."""
MOST_MEMORY: Final = 256 * 1024 * 1024
"""Octets that the messages in hand of all connections to one process may take, unless it is told otherwise."""
BACKLOG: Final = 1024  # connections the kernel may hold for us
DROP_S: Final = 5.0  # dropping takes a turn of the event loop; what has not ended then never does
NOT_A_PROXY: Final = "4.7.0 Connections are taken from the proxy only"  # said with 421
TOO_MANY_CONNECTIONS: Final = "4.7.0 Too many connections, try again later"  # said with 421
_WRITE_HIGH: Final = 65_536  # octets of replies not yet read by the client before we stop listening to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds. RFC 5321 4.5.3.2.7 asks for at least five minutes to wait for a command."""

    command: float = 300.0
    """From one reply to the end of the next command; half a command does not count."""
    data: float = 300.0
    """Silence inside a message."""
    message: float = 900.0
    """A whole message from DATA on, so that nobody holds a connection by sending an octet now and then."""
    handshake: float = 30.0
    proxy_header: float = 10.0
    """The whole PROXY header, which proxies send at once; the specification asks for at least three seconds."""
    linger: float = 30.0
    """How long a client may take to read our last words."""

    @property
    def shortest(self) -> float:
        return min(self.command, self.data, self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Connections at the same time to this process, in all and from one client address."""

    total: int = 1_000
    per_client: int = 100


class Entry(Enum):
    """How a connection begins."""

    DIRECT = "with the client's own bytes"
    PROXIED = "with a PROXY header"
    REFUSED = "not at all: it does not come from a proxy"


class Ending(StrEnum):
    """How a connection ended."""

    QUIT = "quit"
    LOST = "lost"
    TIMED_OUT = "timed out"
    ERRORS = "too many errors"
    MESSAGES = "too many messages"
    SHUTDOWN = "shut down"
    REFUSED = "refused"
    TLS_FAILED = "TLS failed"
    BROKEN = "internal error"


# The client can do nothing but wait.
_OUR_TURN: Final = frozenset({Phase.ANSWER, Phase.CLIENT})
_ENDINGS: Final = {
    CloseReason.QUIT: Ending.QUIT,
    CloseReason.TIMED_OUT: Ending.TIMED_OUT,
    CloseReason.ERRORS: Ending.ERRORS,
    CloseReason.MESSAGES: Ending.MESSAGES,
    CloseReason.SHUTDOWN: Ending.SHUTDOWN,
}


class ConnectionHandler(Protocol):
    """Who is told what happens, in the loop's thread. None of these may block; an exception ends the connection with
    421, so that the client tries again.

    For every connection that came in below the limits: `opened` once, then the others, then `closed` once.
    """

    def entry(self, ip: str) -> Entry:
        """How a connection from this address must begin. Asked before the limits, which are about its client."""

    def not_proxied(self, connection: SmtpConnection, *, code: int = 0, text: str = "") -> None:
        """The connection is not from a proxy, or its header was none, late or never came; nothing more will be heard of
        it. `code` and `text` are the reply, 0 where there was none."""

    def limits(self) -> ConnectionLimits:
        """Asked for every new connection, so that a change is in force at once."""

    def opened(self, connection: SmtpConnection) -> None:
        """Must lead to `connection.begin`, `connection.refuse` or `connection.drop`, at once or later; nothing is read
        until then."""

    def over_limit(self, connection: SmtpConnection) -> None:
        """The connection is one too many and has been answered 421; nothing more will be heard of it."""

    def client_named(self, connection: SmtpConnection, claim: Claim) -> None:
        """A proxy says who its client is. Must lead to `connection.start_over`, `connection.refuse` or
        `connection.drop`, at once or later."""

    def message(self, connection: SmtpConnection, message: ReceivedMessage) -> None:
        """Must lead to `connection.answer`, at once or later."""

    def aborted(self, connection: SmtpConnection, message: AbortedMessage) -> None: ...

    def content_failed(self, connection: SmtpConnection, error: OSError) -> None:
        """A message could not be kept while it came; `aborted` was told of it."""

    def sender_refused(self, connection: SmtpConnection, refused: Refused, *, helo: str) -> None:
        """MAIL was turned away. What the client gave instead of an address may hold any character."""

    def tls_missing(self, connection: SmtpConnection) -> None:
        """A message was begun in clear where the session demands TLS."""

    def tls_started(self, connection: SmtpConnection, *, version: str, cipher: str) -> None:
        """`version` as in "TLSv1.3", `cipher` as OpenSSL names it."""

    def tls_failed(self, connection: SmtpConnection, error: Exception) -> None:
        """The handshake failed or took too long; `closed` follows."""

    def closed(self, connection: SmtpConnection, ending: Ending) -> None:
        """The last word. A message that waits for its answer at this moment is the handler's: it has been received,
        and `connection.answer` for it does nothing any more."""


class SmtpConnection(asyncio.Protocol):
    """One client. `icid` is what `begin` was given, None before."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None
        self._outputs: deque[Output] = deque()
        self._performing = False
        self._reading = True
        self._write_paused = False
        self._at_eof = False
        self._handshake: asyncio.Task[None] | None = None
        self._lost_in_handshake = False
        # Came before `begin`, or decrypted while the news of the handshake's end was still on its way to us.
        self._early: list[bytes] = []
        self._ending: Ending | None = None  # decided, the socket may still be open
        self._gone = False
        self._deadline = 0.0
        self._message_deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._counted = 0  # of the server's memory, for this connection
        self.icid: int | None = None
        # Of the client; `proxy_ip` is the proxy that says so, "" without one.
        self.peer_ip = ""
        self.peer_port = 0
        self.proxy_ip = ""
        # What has come of a PROXY header that is being waited for.
        self._header: bytearray | None = None
        self.local_ip = ""
        self.local_port = 0

    # -- for the handler

    @property
    def helo(self) -> str | None:
        return None if self._session is None else self._session.helo

    @property
    def of_this_client(self) -> int:
        """Connections from the same address at this moment, this one among them."""
        return self._server.connections_of(self.peer_ip)

    @property
    def has_room(self) -> bool:
        """Whether there is memory for one more message."""
        return self._server.has_room

    @property
    def is_open(self) -> bool:
        """Whether the client may still hear an answer."""
        return self._ending is None and not self._gone

    def begin(self, session: Session, *, icid: int) -> None:
        """Greet the client and start to listen. Nothing happens if it is gone by now."""
        if self._session is not None:
            raise RuntimeError("the connection has begun already")
        if not self.is_open:
            return
        self.icid = icid
        self._session = session
        self._write(session.greeting())
        self._deadline = self._loop.time() + self._server.timeouts.command
        if self._server.is_closing:
            self._perform(session.shut_down())
        self._take_early()
        self._listen_or_not()

    def become(self, ip: str, port: int, limits: ConnectionLimits) -> bool:
        """Count as a connection of another client from now on; False if that is one too many of it."""
        if self._gone:
            return False
        self._server.recount(self, ip)
        self.peer_port = port
        return self.of_this_client <= limits.per_client

    def start_over(self, claim: Claim, **terms: Unpack[Terms]) -> None:
        """Greet the client that was named. Nothing happens if the proxy is gone by now."""
        if self._session is None or not self.is_open:
            return
        try:
            outputs = self._session.start_over(claim, **terms)
        except Exception:
            self._break()
            return
        self._perform(outputs)
        self._after_input()

    def refuse(self, code: int, text: str, *, icid: int | None = None) -> None:
        """Answer instead of greeting, then close."""
        if not self.is_open:
            return
        self.icid = icid
        self._write(reply(code, text))
        self._close(Ending.REFUSED)

    def drop(self, *, icid: int | None = None) -> None:
        """Close without a word."""
        if not self.is_open:
            return
        self.icid = icid
        self._close(Ending.REFUSED)

    def answer(self, code: int, text: str) -> None:
        """Answer the message handed over last. Nothing happens if the client is gone."""
        if self._session is None or not self.is_open:
            return
        try:
            outputs = self._session.answer(code, text)
        except Exception:
            # Pipelined commands ran into it. Whoever answers a batch must get on to the next connection.
            self._break()
            return
        self._perform(outputs)
        self._after_input()

    # -- for the server

    def shutdown(self) -> None:
        """Say goodbye now, or after the answer to the message in hand."""
        if self._session is not None and self.is_open:
            self._perform(self._session.shut_down())
        elif self.is_open:
            self.refuse(421, "4.3.2 Service shutting down, closing connection")

    def abort(self, ending: Ending = Ending.SHUTDOWN) -> None:
        """Drop the connection with whatever it still has to say."""
        self._ending = self._ending or ending
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._use(cast(asyncio.Transport, transport))
        self.peer_ip, self.peer_port = _address(transport.get_extra_info("peername"))
        self.local_ip, self.local_port = _address(transport.get_extra_info("sockname"))
        self._set_deadline(self._server.timeouts.command)
        try:
            match self._server.entry(self):
                case Entry.DIRECT:
                    self._come_in()
                case Entry.PROXIED:
                    self._header = bytearray()
                    self._set_deadline(self._server.timeouts.proxy_header)
                case Entry.REFUSED:
                    self._write(reply(421, NOT_A_PROXY))
                    self._close(Ending.REFUSED)
                    self._server.handler.not_proxied(self, code=421, text=NOT_A_PROXY)
        except Exception:
            self._break()
        self._listen_or_not()

    def _come_in(self) -> None:
        """Begin, as far as the limits allow."""
        handler = self._server.handler
        if self._server.admit(self, handler.limits()):
            handler.opened(self)
            return
        self._write(reply(421, TOO_MANY_CONNECTIONS))
        self._close(Ending.REFUSED)
        handler.over_limit(self)

    def _read_header(self, received: bytearray) -> None:
        try:
            header = proxy_header.read(received)
            if header is None:
                return
            self._header = None
            if header.client is not None:
                self.proxy_ip = self.peer_ip
                self.peer_ip, self.peer_port = header.client.ip, header.client.port
            if len(received) > header.length:
                self._early.append(bytes(received[header.length :]))
            self._set_deadline(self._server.timeouts.command)
            self._come_in()
        except proxy_header.BadHeader:
            # Whoever sends this is no proxy, and whether it reads SMTP nobody knows.
            self.abort(Ending.REFUSED)
        except Exception:
            self._break()
        self._listen_or_not(forget_state=True)

    def data_received(self, data: bytes) -> None:
        session = self._session
        if not self.is_open:
            return
        if self._header is not None:
            self._header += data
            self._read_header(self._header)
            return
        if session is None or self._handshake is not None:
            self._early.append(data)
            self._listen_or_not(forget_state=True)
            return
        if session.phase is Phase.DATA:
            self._deadline = self._loop.time() + self._server.timeouts.data
        try:
            outputs = session.receive(data)
        except Exception:
            self._break()
            return
        self._perform(outputs)
        self._after_input(data_waits=session.phase in _OUR_TURN and not outputs)

    def eof_received(self) -> bool:
        self._at_eof = True
        # A client that closes its half behind "." still gets its answer; over TLS there is no half to keep open.
        return self._waits_for_answer() and not (self._session is not None and self._session.tls)

    def pause_writing(self) -> None:
        self._write_paused = True
        self._listen_or_not()

    def resume_writing(self) -> None:
        self._write_paused = False
        self._listen_or_not()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._handshake is None:
            self._finish()
        else:
            # Only uvloop tells this here; on both loops it is `start_tls` that says how the handshake ended.
            self._lost_in_handshake = True

    # -- acting on outputs

    def _perform(self, outputs: Iterable[Output]) -> None:
        """Act on outputs in order. A handler may answer a message while it is being told of it; what follows from that
        is queued here, so that many pipelined messages do not nest."""
        self._outputs.extend(outputs)
        if self._performing:
            return
        self._performing = True
        try:
            while self._outputs:
                self._act(self._outputs.popleft())
        except Exception:
            self._outputs.clear()
            self._break()
        finally:
            self._performing = False

    def _act(self, output: Output) -> None:
        handler = self._server.handler
        match output:
            case Reply(data):
                self._write(data)
                self._start_clock()
            case ClientNamed(claim):
                handler.client_named(self, claim)
            case MessageReady(message):
                handler.message(self, message)
            case MessageAborted(message):
                handler.aborted(self, message)
            case ContentFailed(error):
                handler.content_failed(self, error)
            case SenderRefused(refused, helo):
                handler.sender_refused(self, refused, helo=helo)
            case TlsMissing():
                handler.tls_missing(self)
            case StartTls():
                self._start_tls()
            case Close(reason):
                self._close(_ENDINGS[reason])

    def _after_input(self, *, data_waits: bool = False) -> None:
        if self._at_eof and self.is_open and not self._waits_for_answer():
            self._close(Ending.LOST)
        self._count_memory()
        # A client that goes on while its message waits is not listened to; one that keeps quiet, as nearly all do,
        # costs no system call and is noticed when it hangs up.
        self._listen_or_not(data_waits=data_waits)

    def _count_memory(self) -> None:
        held = 0 if self._session is None or self._gone else self._session.held
        self._server.memory_held += held - self._counted
        self._counted = held

    def _waits_for_answer(self) -> bool:
        return self._session is not None and self._session.phase in _OUR_TURN and self.is_open

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _listen_or_not(self, *, data_waits: bool = False, forget_state: bool = False) -> None:
        """Read only what can be worked on and answered: the client's own TCP window holds the rest."""
        if self._transport is None or self._transport.is_closing() or self._handshake is not None:
            return
        # uvloop starts to read after `connection_made` even if told in there to pause.
        self._reading = self._reading or forget_state
        wanted = (
            (self._session is not None or self._header is not None)
            and self.is_open
            and not self._write_paused
            and not self._at_eof
            and not data_waits
        )
        if wanted and not self._reading:
            self._transport.resume_reading()
        elif self._reading and not wanted:
            self._transport.pause_reading()
        self._reading = wanted

    def fail(self) -> None:
        """What the handler does later went wrong, as if it had failed at once. Called while the error is handled."""
        if self.is_open:
            self._break()

    def _break(self) -> None:
        """An error of ours: the client is told to come again. Called while the exception is handled."""
        logger.exception("SMTP connection failed", extra={"action": "smtp_connection_failed", "icid": self.icid})
        if self._session is not None:
            # What was said before the error holds: above all that a message has been accepted.
            self._perform(self._session.lost())
        self._write(reply(421, "4.3.0 Internal error, closing connection"))
        self._close(Ending.BROKEN)

    def _close(self, ending: Ending) -> None:
        """Close once what is written has been read, or after a while."""
        if self._ending is not None:
            return
        self._ending = ending
        self._set_deadline(self._server.timeouts.linger)
        if self._transport is not None:
            self._transport.close()

    def _finish(self) -> None:
        """Tell the handler, once, that the connection is over."""
        if self._gone:
            return
        self._ending = self._ending or Ending.LOST
        self._gone = True
        if self._timer is not None:
            self._timer.cancel()
        self._count_memory()
        admitted = self._server.forget(self)
        try:
            if self._session is not None:
                self._perform(self._session.lost())
            if admitted:
                self._server.handler.closed(self, self._ending)
            elif self._header is not None and self._ending is not Ending.SHUTDOWN:
                self._server.handler.not_proxied(self)
        except Exception:
            logger.exception("SMTP handler failed at close", extra={"action": "smtp_close_failed", "icid": self.icid})
        self._transport = None

    # -- TLS

    def _use(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(high=_WRITE_HIGH)
        self._reading = True
        self._write_paused = False

    def _start_tls(self) -> None:
        context = self._server.tls_context
        assert context is not None, "a session offers STARTTLS only where there is a TLS context"
        if self._transport is None:
            return
        if self._write_paused:
            # The transport would tell the wrong protocol when it may write again. Nobody honest gets here.
            self.abort(Ending.TLS_FAILED)
            return
        # From here to the handshake nothing more may be read in clear.
        self._transport.pause_reading()
        self._set_deadline(self._server.timeouts.handshake * 2)
        self._handshake = self._loop.create_task(self._shake_hands(self._transport, context))

    async def _shake_hands(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        try:
            secured = await self._loop.start_tls(
                transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=self._server.timeouts.handshake,
            )
        except asyncio.CancelledError:
            self._end_handshake(transport, Ending.LOST)
            raise
        except Exception as error:
            self._tell_tls_failed(error)
            self._end_handshake(transport, Ending.TLS_FAILED)
            return
        self._handshake = None
        if secured is None or self._lost_in_handshake:
            self._finish()
            return
        self._use(secured)
        self._go_on_secured(secured)

    def _end_handshake(self, transport: asyncio.Transport, ending: Ending) -> None:
        self._handshake = None
        self._ending = self._ending or ending
        transport.abort()
        self._finish()

    def _tell_tls_failed(self, error: Exception) -> None:
        try:
            self._server.handler.tls_failed(self, error)
        except Exception:
            logger.exception("SMTP handler failed", extra={"action": "smtp_tls_failed_failed", "icid": self.icid})

    def _go_on_secured(self, transport: asyncio.Transport) -> None:
        assert self._session is not None
        secure = transport.get_extra_info("ssl_object")
        try:
            self._session.tls_started()
            self._server.handler.tls_started(self, version=secure.version() or "", cipher=(secure.cipher() or ("",))[0])
        except Exception:
            self._break()
            return
        self._set_deadline(self._server.timeouts.command)
        if self._server.is_closing:
            self._perform(self._session.shut_down())
        self._take_early()

    def _take_early(self) -> None:
        early, self._early = self._early, []
        for data in early:
            self.data_received(data)

    # -- time

    def _start_clock(self) -> None:
        """A reply has been given: the time for the next command, or for the message, begins."""
        if self._ending is not None or self._session is None:
            return
        now = self._loop.time()
        timeouts = self._server.timeouts
        if self._session.phase is Phase.DATA:
            self._deadline = now + timeouts.data
            self._message_deadline = now + timeouts.message
        else:
            self._deadline = now + timeouts.command

    def _set_deadline(self, seconds: float) -> None:
        """A new deadline that may lie before the one the timer runs for."""
        self._deadline = self._loop.time() + seconds
        if self._timer is not None:
            self._timer.cancel()
        self._wake_at(self._deadline)

    def _wake_at(self, deadline: float) -> None:
        # No later than the shortest time-out, which may start to run before the timer wakes.
        deadline = min(deadline, self._loop.time() + self._server.timeouts.shortest)
        self._timer = self._loop.call_at(deadline, self._check_time)

    def _check_time(self) -> None:
        """One timer for the life of the connection: it sleeps on to the deadline as it stands when it wakes, so that
        moving the deadline costs an assignment."""
        if self._gone:
            return
        deadline = self._deadline
        in_data = self._session is not None and self._session.phase is Phase.DATA
        if in_data and self.is_open:
            deadline = min(deadline, self._message_deadline)
        elif self._waits_for_answer():
            # Our own turn. The client is not to blame, however long we take.
            deadline = max(deadline, self._loop.time() + self._server.timeouts.command)
        if self._loop.time() < deadline:
            self._wake_at(deadline)
        elif not self.is_open or self._handshake is not None:
            self.abort(Ending.TIMED_OUT)
        else:
            self._time_out()

    def _time_out(self) -> None:
        if self._header is not None:
            self.abort(Ending.TIMED_OUT)
        elif self._session is None:
            self.refuse(421, "4.3.0 Cannot take mail now, try again later")
        elif self._write_paused:
            # It did not even read what was said before.
            self._perform(output for output in self._session.timed_out() if not isinstance(output, Close | Reply))
            self.abort(Ending.TIMED_OUT)
        else:
            self._perform(self._session.timed_out())


class SmtpServer:
    """The listening sockets and the connections that came through them."""

    def __init__(
        self,
        handler: ConnectionHandler,
        *,
        timeouts: Timeouts | None = None,
        tls_context: TlsContext = None,
        most_memory: int = MOST_MEMORY,
    ) -> None:
        self.handler = handler
        self.memory_held = 0
        self._most_memory = most_memory
        self.timeouts = timeouts or Timeouts()
        self._tls_context = tls_context
        self.is_closing = False
        self._doors: list[asyncio.Server] = []
        self._connections: set[SmtpConnection] = set()
        # Not admitted: those that will not be, and those whose PROXY header has not come.
        self._refused: set[SmtpConnection] = set()
        self._arriving: set[SmtpConnection] = set()
        self._per_client: Counter[str] = Counter()
        self._empty = asyncio.Event()
        self._empty.set()

    async def listen(self, host: str, port: int, *, reuse_port: bool = False) -> None:
        """Accept there from now on, and nowhere else. Raises OSError if the address cannot be had; it then goes on
        where it was.

        Connections that are open stay, and those that still wait at the former address are taken in before it is
        given up. One whose handshake ends in the microseconds after that is reset by the kernel before it was greeted.
        """
        former, self._doors = self._doors, await self._opened(host, port, reuse_port=reuse_port)
        for door in former:
            # Shared with the server's own sockets, so that what waits there outlives their closing.
            waiting = [each.dup() for each in door.sockets]
            door.close()
            for each in waiting:
                await self.take_in(each)

    async def _opened(self, host: str, port: int, *, reuse_port: bool) -> list[asyncio.Server]:
        # Bound here: asyncio and uvloop word a failure each in their own way, some without its number.
        sockets = await bound(host, port, reuse_port=reuse_port)
        loop = asyncio.get_running_loop()
        return [await loop.create_server(lambda: SmtpConnection(self), sock=each, backlog=BACKLOG) for each in sockets]

    async def take_in(self, waiting: socket.socket) -> None:
        """Accept what waits at a socket that nobody serves any more, then close it."""
        loop = asyncio.get_running_loop()
        with waiting:
            # More than this cannot have waited; who comes while we are at it is not waited for without end.
            for _ in range(BACKLOG):
                try:
                    client, _address = waiting.accept()
                except ConnectionAbortedError:  # gone while it waited
                    continue
                except OSError:  # BlockingIOError: that was the last
                    return
                client.setblocking(False)
                await loop.connect_accepted_socket(lambda: SmtpConnection(self), client)

    @property
    def tls_context(self) -> ssl.SSLContext | None:
        """The context of the next handshake."""
        return self._tls_context() if callable(self._tls_context) else self._tls_context

    @property
    def port(self) -> int:
        """The port in use, for those who asked for port 0."""
        assert self._doors, "not listening"
        return int(self._doors[0].sockets[0].getsockname()[1])

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    @property
    def has_room(self) -> bool:
        """Whether there is memory for one more message."""
        return self.memory_held + KEPT <= self._most_memory

    @property
    def arriving_count(self) -> int:
        """Connections whose PROXY header has not come."""
        return len(self._arriving)

    def connections_of(self, client: str) -> int:
        return self._per_client.get(client, 0)

    def entry(self, connection: SmtpConnection) -> Entry:
        """How the connection must begin; until it is admitted it counts for nobody, but is waited for in the end."""
        self._empty.clear()
        entry = self.handler.entry(connection.peer_ip)
        if entry is Entry.PROXIED:
            self._arriving.add(connection)
        elif entry is Entry.REFUSED:
            self._refused.add(connection)
        return entry

    def admit(self, connection: SmtpConnection, limits: ConnectionLimits) -> bool:
        """Count the connection in, unless it is one too many."""
        client = connection.peer_ip
        self._arriving.discard(connection)
        self._empty.clear()
        too_many = len(self._connections) >= limits.total or self._per_client[client] >= limits.per_client
        if self.is_closing or too_many or not self.has_room:
            self._refused.add(connection)
            return False
        self._connections.add(connection)
        self._per_client[client] += 1
        return True

    def recount(self, connection: SmtpConnection, client: str) -> None:
        """Count an admitted connection as one of another client."""
        self._uncount(connection.peer_ip)
        connection.peer_ip = client
        self._per_client[client] += 1

    def _uncount(self, client: str) -> None:
        self._per_client[client] -= 1
        # A zero left standing would be memory for every address ever seen.
        if self._per_client[client] <= 0:
            del self._per_client[client]

    def forget(self, connection: SmtpConnection) -> bool:
        """Count the connection out; whether it had been admitted."""
        admitted = connection in self._connections
        self._connections.discard(connection)
        self._refused.discard(connection)
        self._arriving.discard(connection)
        if admitted:
            self._uncount(connection.peer_ip)
        if not self._connections and not self._refused and not self._arriving:
            self._empty.set()
        return admitted

    async def shutdown(self, *, grace: float = 10.0) -> None:
        """Stop accepting, say 421 to idle clients, let messages in hand get their answer for up to `grace` seconds,
        then drop what is left. When this returns every connection's `closed` has been called, but for one that cannot
        even be dropped: an error in the log, never waited for."""
        self.is_closing = True
        for door in self._doors:
            door.close()
        for connection in list(self._connections):
            connection.shutdown()
        for connection in list(self._arriving):
            connection.abort()
        if await self._is_empty_within(grace):
            return
        for connection in [*self._connections, *self._refused, *self._arriving]:
            connection.abort()
        if not await self._is_empty_within(DROP_S):
            logger.error("connections could not be dropped", extra={"action": "listener_not_empty"})

    async def _is_empty_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        return self._empty.is_set()


async def bound(host: str, port: int, *, reuse_port: bool = False) -> list[socket.socket]:
    """A listening socket for each address of `host`, a literal or a name. Raises OSError, and none is left open."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _name, address in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
            sockets.append(one)
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                # "::" is every IPv6 address, as 0.0.0.0 is every IPv4 address.
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
            one.listen(BACKLOG)
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets


def _address(name: object) -> tuple[str, int]:
    """IP and port of a socket name; an IPv4 client on an IPv6 socket is an IPv4 client."""
    if not isinstance(name, tuple) or len(name) < 2:
        return "", 0
    ip = ipaddress.ip_address(str(name[0]).partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip), int(name[1])
