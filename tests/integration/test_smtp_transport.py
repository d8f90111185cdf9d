"""SMTP sessions over real sockets, on asyncio's own loop and on uvloop."""

from __future__ import annotations

import asyncio
import errno
import functools
import inspect
import logging
import smtplib
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from seg_console.gateway import transport
from seg_console.gateway.protocol import AbortReason, Access, Limits, ReceivedMessage, Refused, Session
from seg_console.gateway.proxy_header import SIGNATURE
from seg_console.gateway.transport import ConnectionLimits, Ending, Entry, SmtpConnection, Timeouts, bound
from seg_console.mail.values import RefusalKind
from tests.support.smtp_dialogue import OPENING, new_session
from tests.support.smtp_listener import (
    PATIENCE_S,
    Client,
    RecordingHandler,
    dialled,
    greeted,
    listening,
    make_certificate,
    serve,
    server_context,
    until,
)

MESSAGE = b"Subject: x\r\n\r\nhello\r\n.\r\n"
FOUR_REPLIES = 4
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
pytestmark = pytest.mark.parametrize("loop_name", LOOPS)


def on_each_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*, loop_name: str, **fixtures: Any) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop_name]) as runner:
            runner.run(test(**fixtures))

    # pytest reads here which fixtures the test wants.
    wanted = [inspect.Parameter("loop_name", inspect.Parameter.KEYWORD_ONLY)]
    wanted += inspect.signature(test).parameters.values()
    keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in wanted]
    vars(run)["__signature__"] = inspect.Signature(keyword_only)
    return run


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def begin_message(client: Client) -> None:
    """Say everything up to the content."""
    client.writer.write(OPENING)
    for _ in range(FOUR_REPLIES):
        last = await client.reply()
    assert last == "354 go ahead"


# -- ordinary mail


@on_each_loop
async def test_smtplib_sends_messages_over_one_connection() -> None:
    handler = RecordingHandler()

    def send(port: int) -> list[tuple[int, bytes]]:
        answers = []
        with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example") as client:
            client.ehlo()
            for number in range(3):
                client.mail("alice@example.net", ["SIZE=100"])
                client.rcpt("bob@corp.example")
                answers.append(client.data(f"Subject: {number}\n\n.dots\n..more\n"))
        return answers

    async with listening(handler) as server:
        answers = await asyncio.to_thread(send, server.port)
        await until(lambda: bool(handler.endings))
    assert answers == [(250, b"ok:  Message %d accepted" % mid) for mid in (101, 102, 103)]
    assert handler.messages[2].content == b"Subject: 2\r\n\r\n.dots\r\n..more\r\n"
    assert handler.endings == [(1, Ending.QUIT)]


@on_each_loop
async def test_the_handler_learns_both_ends_of_the_connection() -> None:
    handler = RecordingHandler()
    async with listening(handler) as server, greeted(server.port) as client:
        [connection] = handler.connections
        assert (connection.peer_ip, connection.peer_port) == client.writer.get_extra_info("sockname")
        assert (connection.local_ip, connection.local_port) == ("127.0.0.1", server.port)
        assert (connection.icid, connection.helo, connection.is_open) == (1, None, True)


@on_each_loop
async def test_a_message_of_megabytes_in_small_pieces_arrives_whole() -> None:
    handler = RecordingHandler()
    content = b"".join(b"%08d %s\r\n" % (number, b"x" * 60) for number in range(40_000))
    async with listening(handler) as server, greeted(server.port) as client:
        await begin_message(client)
        for start in range(0, len(content), 1_460):
            client.writer.write(content[start : start + 1_460])
            await client.writer.drain()
        assert await client.say(b".\r\n") == "250 ok:  Message 101 accepted"
    assert handler.messages[0].content == content


@on_each_loop
async def test_hundreds_of_messages_pipelined_at_once_are_each_answered() -> None:
    handler = RecordingHandler()
    one = b"MAIL FROM:<>\r\nRCPT TO:<bob@corp.example>\r\nDATA\r\n.\r\n"
    async with listening(handler) as server, greeted(server.port) as client:
        client.writer.write(b"HELO client.example\r\n" + one * 1_500 + b"QUIT\r\n")
        replies = (await client.hear_all()).splitlines()
    assert sum("accepted" in reply for reply in replies) == 1_500
    assert len(replies) == 1 + 4 * 1_500 + 1
    assert handler.endings == [(1, Ending.QUIT)]


@on_each_loop
async def test_an_answer_may_come_later_and_its_connection_waits_for_it() -> None:
    handler = RecordingHandler(answers=False)
    async with listening(handler) as server, greeted(server.port) as client:
        await begin_message(client)
        client.writer.write(MESSAGE + b"NOOP\r\n")
        await until(lambda: bool(handler.waiting))
        client.writer.write(b"QUIT\r\n")
        handler.waiting[0][0].answer(452, "4.3.1 Disk full")
        assert await client.hear_all() == "452 4.3.1 Disk full\r\n250 2.0.0 ok\r\n221 2.0.0 mx.corp.example\r\n"


@on_each_loop
async def test_a_client_that_closes_its_half_behind_the_message_gets_its_answer() -> None:
    handler = RecordingHandler(answers=False)
    async with listening(handler) as server, greeted(server.port) as client:
        await begin_message(client)
        client.writer.write(MESSAGE)
        client.writer.write_eof()
        await until(lambda: bool(handler.waiting))
        handler.waiting[0][0].answer(250, "ok:  Message 101 accepted")
        assert await client.hear_all() == "250 ok:  Message 101 accepted\r\n"
        await until(lambda: bool(handler.endings))
    assert handler.endings == [(1, Ending.LOST)]
    assert handler.aborted_messages == []


@on_each_loop
async def test_an_invalid_sender_is_told_to_the_handler() -> None:
    handler = RecordingHandler()
    async with listening(handler) as server, greeted(server.port) as client:
        await client.say(b"HELO client.example\r\n")
        assert (await client.say(b"MAIL FROM:<nobody>\r\n")).startswith("501 5.1.7")
    text = "5.1.7 Bad sender address syntax"
    assert handler.senders_refused == [Refused(RefusalKind.INVALID_SENDER, "<nobody>", 501, text)]


# -- connections that end badly


@on_each_loop
async def test_a_connection_lost_inside_a_message_aborts_it() -> None:
    handler = RecordingHandler()
    async with listening(handler) as server:
        async with greeted(server.port) as client:
            await begin_message(client)
            client.writer.write(b"half a mess")
            await client.writer.drain()
        await until(lambda: bool(handler.endings))
    assert [message.reason for message in handler.aborted_messages] == [AbortReason.SENDER]
    assert handler.endings == [(1, Ending.LOST)]


@on_each_loop
async def test_an_answer_after_the_client_is_gone_does_nothing() -> None:
    handler = RecordingHandler(answers=False)
    async with listening(handler) as server:
        async with greeted(server.port) as client:
            await begin_message(client)
            client.writer.write(MESSAGE)
            await until(lambda: bool(handler.waiting))
        connection, _ = handler.waiting[0]
        connection.abort()
        await until(lambda: bool(handler.endings))
        assert not connection.is_open
        connection.answer(250, "ok:  Message 101 accepted")
    assert handler.aborted_messages == []
    assert len(handler.endings) == 1


@on_each_loop
async def test_an_error_of_the_handler_is_answered_421_so_that_the_client_comes_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(RecordingHandler):
        def message(self, connection: SmtpConnection, message: ReceivedMessage) -> None:
            raise ValueError("broken on purpose")

    handler = Broken()
    with caplog.at_level(logging.CRITICAL, logger="seg_console.gateway.transport"):
        async with listening(handler) as server, greeted(server.port) as client:
            await begin_message(client)
            client.writer.write(MESSAGE)
            assert await client.hear_all() == "421 4.3.0 Internal error, closing connection\r\n"
            await until(lambda: bool(handler.endings))
    assert handler.endings == [(1, Ending.BROKEN)]


@on_each_loop
async def test_an_error_in_commands_behind_a_message_does_not_reach_who_answers_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken_access(recipient: str) -> Access:
        if recipient.startswith("broken"):
            raise ValueError("broken on purpose")
        return Access(True)

    class Broken(RecordingHandler):
        def session(self) -> Session:
            return new_session(access=broken_access)

    handler = Broken(answers=False)
    with caplog.at_level(logging.CRITICAL, logger="seg_console.gateway.transport"):
        async with listening(handler) as server, greeted(server.port) as client:
            await begin_message(client)
            client.writer.write(MESSAGE + OPENING.replace(b"bob@", b"broken@"))
            await until(lambda: bool(handler.waiting))
            handler.waiting[0][0].answer(250, "ok:  Message 101 accepted")
            replies = (await client.hear_all()).splitlines()
            # The message has been accepted, whatever came behind it.
            assert replies[0] == "250 ok:  Message 101 accepted"
            assert replies[-1] == "421 4.3.0 Internal error, closing connection"
            await until(lambda: bool(handler.endings))
    assert handler.endings == [(1, Ending.BROKEN)]


# -- before the greeting


@on_each_loop
async def test_a_connection_that_begins_late_keeps_what_the_client_said_early() -> None:
    handler = RecordingHandler(begins=False)
    async with listening(handler) as server, dialled(server.port) as client:
        client.writer.write(b"EHLO client.example\r\nQUIT\r\n")
        await until(lambda: bool(handler.connections))
        # A turn of the loop or two, in which uvloop reads what it was told not to.
        for _ in range(5):
            await asyncio.sleep(0)
        handler.connections[0].begin(handler.session(), icid=7)
        assert (await client.hear_all()).splitlines()[-1] == "221 2.0.0 mx.corp.example"
        await until(lambda: bool(handler.endings))
    assert handler.endings == [(7, Ending.QUIT)]


@on_each_loop
async def test_a_connection_may_be_refused_in_the_handlers_words() -> None:
    handler = RecordingHandler(begins=False)
    async with listening(handler) as server, dialled(server.port) as client:
        await until(lambda: bool(handler.connections))
        handler.connections[0].refuse(554, "Your access to this mail system has been rejected", icid=3)
        assert await client.hear_all() == "554 Your access to this mail system has been rejected\r\n"
        await until(lambda: bool(handler.endings))
    assert handler.endings == [(3, Ending.REFUSED)]


@on_each_loop
async def test_a_connection_that_is_never_begun_is_sent_away() -> None:
    handler = RecordingHandler(begins=False)
    async with listening(handler, timeouts=Timeouts(command=0.05)) as server, dialled(server.port) as client:
        assert (await client.hear_all()).startswith("421 4.3.0 ")


# -- limits


@on_each_loop
async def test_connections_beyond_the_limit_for_one_client_are_put_off_until_one_ends() -> None:
    handler = RecordingHandler(connection_limits=ConnectionLimits(total=10, per_client=2))
    async with listening(handler) as server, greeted(server.port) as first, greeted(server.port):
        async with dialled(server.port) as third:
            assert await third.hear_all() == "421 4.7.0 Too many connections, try again later\r\n"
        assert await first.say(b"QUIT\r\n") == "221 2.0.0 mx.corp.example"
        await until(lambda: server.connection_count == 1)
        async with greeted(server.port):
            assert server.connection_count == 2
    assert handler.refused_peers == ["127.0.0.1"]
    assert len(handler.endings) == 3


@on_each_loop
async def test_connections_beyond_the_limit_in_all_are_put_off() -> None:
    handler = RecordingHandler(connection_limits=ConnectionLimits(total=1, per_client=10))
    async with listening(handler) as server, greeted(server.port), dialled(server.port) as second:
        assert (await second.hear_all()).startswith("421 4.7.0 ")


@on_each_loop
async def test_a_changed_limit_is_in_force_for_the_next_connection() -> None:
    handler = RecordingHandler()
    async with listening(handler) as server, greeted(server.port):
        handler.connection_limits = ConnectionLimits(total=1)
        async with dialled(server.port) as second:
            assert (await second.hear_all()).startswith("421 4.7.0 ")


# -- flow control


async def write_until_blocked(client: Client, data: bytes, most: int) -> int:
    """Write until the other side takes no more, or `most` octets; how many went into the socket or its buffer."""
    written = 0
    client.writer.transport.set_write_buffer_limits(high=0)
    while written < most:
        client.writer.write(data)
        written += len(data)
        try:
            async with asyncio.timeout(0.5):
                await client.writer.drain()
        except TimeoutError:
            break
    return written


def small_buffers(client: Client) -> None:
    """Kernel buffers of a few kilobytes, so that a stop on one side is soon felt on the other."""
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)


@on_each_loop
async def test_a_client_that_never_reads_is_not_listened_to_for_ever() -> None:
    handler = RecordingHandler(limits=Limits(max_junk=10**9))
    most = 64 * 1024 * 1024
    async with listening(handler) as server, greeted(server.port) as client:
        small_buffers(client)
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        written = await write_until_blocked(client, b"NOOP\r\n" * 10_000, most)
        assert written < most
        [connection] = handler.connections
        assert connection._transport is not None
        assert connection._transport.get_write_buffer_size() < 2 * 1024 * 1024


@on_each_loop
async def test_a_client_that_never_reads_is_dropped_in_the_end() -> None:
    handler = RecordingHandler(limits=Limits(max_junk=10**9))
    async with listening(handler, timeouts=Timeouts(command=1.0)) as server, greeted(server.port) as client:
        small_buffers(client)
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        with suppress(ConnectionError):
            await write_until_blocked(client, b"NOOP\r\n" * 10_000, 64 * 1024 * 1024)
        await until(lambda: bool(handler.endings))
    assert handler.endings == [(1, Ending.TIMED_OUT)]


@on_each_loop
async def test_what_is_sent_while_a_message_waits_stays_with_the_client() -> None:
    handler = RecordingHandler(answers=False)
    most = 64 * 1024 * 1024
    async with listening(handler) as server, greeted(server.port) as client:
        small_buffers(client)
        await begin_message(client)
        client.writer.write(MESSAGE)
        await until(lambda: bool(handler.waiting))
        assert await write_until_blocked(client, b"NOOP\r\n" * 10_000, most) < most
        handler.waiting[0][0].answer(250, "ok:  Message 101 accepted")
        assert await client.reply() == "250 ok:  Message 101 accepted"
        assert await client.reply() == "250 2.0.0 ok"


# -- time


@on_each_loop
async def test_a_silent_client_is_told_421_and_closed() -> None:
    handler = RecordingHandler()
    async with listening(handler, timeouts=Timeouts(command=0.05)) as server, greeted(server.port) as client:
        assert await client.hear_all() == "421 4.4.2 mx.corp.example Timeout, closing connection\r\n"
        await until(lambda: bool(handler.endings))
    assert handler.endings == [(1, Ending.TIMED_OUT)]


async def drip(client: Client, octet: bytes) -> None:
    """Send an octet now and then until the other side has had enough."""
    while not client.reader.at_eof():
        client.writer.write(octet)
        await asyncio.sleep(0.01)


@on_each_loop
async def test_half_a_command_does_not_keep_a_connection_alive() -> None:
    handler = RecordingHandler()
    async with listening(handler, timeouts=Timeouts(command=0.1)) as server, greeted(server.port) as client:
        dripping = asyncio.create_task(drip(client, b"N"))
        assert (await client.reply()).startswith("421 4.4.2 ")
        dripping.cancel()


@on_each_loop
async def test_silence_inside_a_message_aborts_it() -> None:
    handler = RecordingHandler()
    async with listening(handler, timeouts=Timeouts(data=0.05)) as server, greeted(server.port) as client:
        await begin_message(client)
        client.writer.write(b"half a mess")
        assert (await client.reply()).startswith("421 4.4.2 ")
    assert [message.reason for message in handler.aborted_messages] == [AbortReason.TIMED_OUT]


@on_each_loop
async def test_a_message_that_never_ends_is_aborted_though_octets_come() -> None:
    handler = RecordingHandler()
    timeouts = Timeouts(data=PATIENCE_S, message=0.1)
    async with listening(handler, timeouts=timeouts) as server, greeted(server.port) as client:
        await begin_message(client)
        dripping = asyncio.create_task(drip(client, b"x"))
        assert (await client.reply()).startswith("421 4.4.2 ")
        dripping.cancel()
    assert [message.reason for message in handler.aborted_messages] == [AbortReason.TIMED_OUT]


@on_each_loop
async def test_a_client_is_not_to_blame_for_an_answer_that_takes_long() -> None:
    handler = RecordingHandler(answers=False)
    async with listening(handler, timeouts=Timeouts(command=0.05, data=0.05)) as server, greeted(server.port) as client:
        await begin_message(client)
        client.writer.write(MESSAGE)
        await until(lambda: bool(handler.waiting))
        # A second client runs into the same time-out several times over meanwhile.
        for _ in range(4):
            async with greeted(server.port) as other:
                assert (await other.reply()).startswith("421 4.4.2 ")
        handler.waiting[0][0].answer(250, "ok:  Message 101 accepted")
        assert await client.reply() == "250 ok:  Message 101 accepted"


# -- STARTTLS


@on_each_loop
async def test_a_message_over_starttls(certificate: Path) -> None:
    handler = RecordingHandler(tls_available=True)

    def send(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.starttls(context=client_context())
            client.sendmail("alice@example.net", ["bob@corp.example"], "Subject: x\n\n" + "y" * 300_000)

    async with listening(handler, tls_context=server_context(certificate)) as server:
        await asyncio.to_thread(send, server.port)
        await until(lambda: bool(handler.endings))
    [message] = handler.messages
    assert message.tls
    assert len(message.content) == len("Subject: x\r\n\r\n\r\n") + 300_000
    [(version, cipher)] = handler.secured
    assert version == "TLSv1.3"
    assert cipher.startswith("TLS_")
    assert handler.endings == [(1, Ending.QUIT)]


async def secured(client: Client, injected: bytes = b"") -> Client:
    """Start TLS by hand, with bytes in clear behind the command."""
    assert "STARTTLS" in await client.say(b"EHLO client.example\r\n")
    assert await client.say(b"STARTTLS\r\n" + injected) == "220 2.0.0 Go ahead with TLS"
    async with asyncio.timeout(PATIENCE_S):
        await client.writer.start_tls(client_context())
    return client


@on_each_loop
async def test_commands_injected_behind_starttls_are_not_executed(certificate: Path) -> None:
    handler = RecordingHandler(tls_available=True)
    async with (
        listening(handler, tls_context=server_context(certificate)) as server,
        greeted(server.port) as plain,
    ):
        client = await secured(plain, b"EHLO evil.example\r\nMAIL FROM:<evil@example.net>\r\nRSET\r\n")
        assert await client.say(b"MAIL FROM:<alice@example.net>\r\n") == "503 5.5.1 Say HELO or EHLO first"
        assert "STARTTLS" not in await client.say(b"EHLO client.example\r\n")
        assert await client.say(b"QUIT\r\n") == "221 2.0.0 mx.corp.example"
    assert handler.aborted_messages == []


def speak_with_the_last_handshake_record(port: int) -> bytes:
    """STARTTLS by a client whose first command rides in the same segment as the end of its handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context().wrap_bio(incoming, outgoing)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as plain:
        plain.recv(1_000)
        plain.sendall(b"STARTTLS\r\n")
        plain.recv(1_000)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(100_000))
        tls.write(b"NOOP early\r\n")
        plain.sendall(outgoing.read())
        while True:
            try:
                return tls.read(1_000)
            except ssl.SSLWantReadError:
                incoming.write(plain.recv(100_000))


@on_each_loop
async def test_a_command_in_the_same_segment_as_the_end_of_the_handshake_is_heard(certificate: Path) -> None:
    handler = RecordingHandler(tls_available=True)
    async with listening(handler, tls_context=server_context(certificate)) as server:
        assert await asyncio.to_thread(speak_with_the_last_handshake_record, server.port) == b"250 2.0.0 ok\r\n"


@on_each_loop
async def test_a_failed_handshake_closes_the_connection_and_is_told(certificate: Path) -> None:
    handler = RecordingHandler(tls_available=True)
    async with listening(handler, tls_context=server_context(certificate)) as server, greeted(server.port) as client:
        assert (await client.say(b"STARTTLS\r\n")).startswith("220 ")
        client.writer.write(b"this is no client hello\r\n" * 10)
        await until(lambda: bool(handler.endings))
    [error] = handler.tls_errors
    assert isinstance(error, ssl.SSLError)
    assert handler.endings == [(1, Ending.TLS_FAILED)]
    assert handler.secured == []


@on_each_loop
async def test_a_handshake_that_does_not_come_is_given_up(certificate: Path) -> None:
    handler = RecordingHandler(tls_available=True)
    context = server_context(certificate)
    timeouts = Timeouts(handshake=0.1)
    async with listening(handler, tls_context=context, timeouts=timeouts) as server, greeted(server.port) as client:
        assert (await client.say(b"STARTTLS\r\n")).startswith("220 ")
        await until(lambda: bool(handler.endings))
    assert handler.endings == [(1, Ending.TLS_FAILED)]


@on_each_loop
async def test_a_client_lost_in_the_handshake_is_counted_out(certificate: Path) -> None:
    handler = RecordingHandler(tls_available=True)
    async with listening(handler, tls_context=server_context(certificate)) as server:
        async with greeted(server.port) as client:
            assert (await client.say(b"STARTTLS\r\n")).startswith("220 ")
        await until(lambda: server.connection_count == 0)
    assert len(handler.endings) == 1


# -- shutting down


@on_each_loop
async def test_shutdown_says_421_to_idle_clients_and_accepts_no_more() -> None:
    handler = RecordingHandler()
    async with listening(handler) as server, greeted(server.port) as client:
        port = server.port
        shutdown = asyncio.create_task(server.shutdown())
        assert await client.hear_all() == "421 4.3.2 mx.corp.example Service shutting down, closing connection\r\n"
        await shutdown
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
    assert handler.endings == [(1, Ending.SHUTDOWN)]


@on_each_loop
async def test_shutdown_lets_a_message_get_its_answer() -> None:
    handler = RecordingHandler(answers=False)
    async with listening(handler) as server, greeted(server.port) as client:
        await begin_message(client)
        client.writer.write(MESSAGE)
        await until(lambda: bool(handler.waiting))
        shutdown = asyncio.create_task(server.shutdown())
        await until(lambda: server.is_closing)
        handler.waiting[0][0].answer(250, "ok:  Message 101 accepted")
        assert (await client.hear_all()).splitlines() == [
            "250 ok:  Message 101 accepted",
            "421 4.3.2 mx.corp.example Service shutting down, closing connection",
        ]
        await shutdown
    assert handler.endings == [(1, Ending.SHUTDOWN)]


@on_each_loop
async def test_shutdown_does_not_wait_for_ever() -> None:
    handler = RecordingHandler()
    async with listening(handler) as server, greeted(server.port) as client:
        await begin_message(client)
        await server.shutdown(grace=0.05)
        assert server.connection_count == 0
        assert await client.hear_all() == ""
    assert [message.reason for message in handler.aborted_messages] == [AbortReason.SENDER]
    assert handler.endings == [(1, Ending.SHUTDOWN)]


@on_each_loop
async def test_shutdown_leaves_behind_what_cannot_even_be_dropped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(RecordingHandler()) as server, greeted(server.port) as client:
        await begin_message(client)
        with monkeypatch.context() as deaf:
            deaf.setattr(transport, "DROP_S", 0.05)
            deaf.setattr(SmtpConnection, "abort", lambda connection: None)
            await server.shutdown(grace=0.05)
        assert server.connection_count == 1
        assert "connections could not be dropped" in caplog.text


# -- behind a proxy

HEADER = b"PROXY TCP4 203.0.113.9 127.0.0.1 51234 25\r\n"


@on_each_loop
async def test_the_client_of_a_proxy_header_is_the_client() -> None:
    handler = RecordingHandler(entry=Entry.PROXIED)
    async with listening(handler) as server, dialled(server.port) as client:
        assert await client.say(HEADER) == "220 mx.corp.example ESMTP"
        [connection] = handler.connections
        assert (connection.peer_ip, connection.peer_port) == ("203.0.113.9", 51_234)
        assert (connection.proxy_ip, connection.local_ip) == ("127.0.0.1", "127.0.0.1")
        assert (server.connections_of("203.0.113.9"), server.connections_of("127.0.0.1")) == (1, 0)
        assert await client.say(b"QUIT\r\n") == "221 2.0.0 mx.corp.example"
        await until(lambda: bool(handler.endings))
        assert server.connections_of("203.0.113.9") == 0
    assert handler.endings == [(1, Ending.QUIT)]
    assert handler.not_proxied_peers == []


@on_each_loop
async def test_a_header_may_come_in_any_pieces_and_with_the_clients_first_bytes() -> None:
    handler = RecordingHandler(entry=Entry.PROXIED)
    async with listening(handler) as server, dialled(server.port) as client:
        for octet in HEADER[:-1]:
            client.writer.write(bytes([octet]))
            await client.writer.drain()
        assert handler.connections == []
        assert await client.say(HEADER[-1:] + b"EHLO client.example\r\nNOOP\r\n") == "220 mx.corp.example ESMTP"
        assert (await client.reply()).startswith("250-mx.corp.example")
        assert await client.reply() == "250 2.0.0 ok"


@on_each_loop
async def test_nothing_is_said_before_the_header_is_whole() -> None:
    handler = RecordingHandler(entry=Entry.PROXIED)
    async with listening(handler) as server, dialled(server.port) as client:
        client.writer.write(HEADER[:-1])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.reader.read(1)
        assert server.connection_count == 0
        assert await client.say(HEADER[-1:]) == "220 mx.corp.example ESMTP"


@on_each_loop
async def test_a_connection_of_the_proxys_own_has_its_address() -> None:
    handler = RecordingHandler(entry=Entry.PROXIED)
    async with listening(handler) as server, dialled(server.port) as client:
        assert await client.say(SIGNATURE + b"\x20\x00\x00\x00") == "220 mx.corp.example ESMTP"
        assert [(each.peer_ip, each.proxy_ip) for each in handler.connections] == [("127.0.0.1", "")]


@on_each_loop
async def test_the_limit_of_connections_is_the_clients_not_the_proxys() -> None:
    handler = RecordingHandler(entry=Entry.PROXIED, connection_limits=ConnectionLimits(per_client=1))
    async with listening(handler) as server, dialled(server.port) as first, dialled(server.port) as second:
        assert await first.say(HEADER) == "220 mx.corp.example ESMTP"
        assert await second.say(HEADER.replace(b"113.9", b"113.8")) == "220 mx.corp.example ESMTP"
        async with dialled(server.port) as third:
            assert await third.say(HEADER) == "421 4.7.0 Too many connections, try again later"
            assert await third.hear_all() == ""
    assert handler.refused_peers == ["203.0.113.9"]


@on_each_loop
async def test_what_is_no_header_ends_the_connection_without_a_word() -> None:
    handler = RecordingHandler(entry=Entry.PROXIED)
    async with listening(handler) as server:
        async with dialled(server.port) as client:
            client.writer.write(b"EHLO client.example\r\n")
            with suppress(ConnectionError):
                assert await client.hear_all() == ""
        await until(lambda: bool(handler.not_proxied_peers))
    assert (handler.not_proxied_peers, handler.connections, handler.endings) == (["127.0.0.1"], [], [])


@on_each_loop
async def test_a_header_that_does_not_come_in_time_ends_the_connection() -> None:
    handler = RecordingHandler(entry=Entry.PROXIED)
    async with listening(handler, timeouts=Timeouts(proxy_header=0.05)) as server, dialled(server.port) as client:
        client.writer.write(HEADER[:-1])
        with suppress(ConnectionError):
            assert await client.hear_all() == ""
        await until(lambda: bool(handler.not_proxied_peers))
    assert handler.connections == []


@on_each_loop
async def test_a_proxy_that_hangs_up_before_its_header_is_told_of_once() -> None:
    handler = RecordingHandler(entry=Entry.PROXIED)
    async with listening(handler) as server:
        async with dialled(server.port) as client:
            client.writer.write(HEADER[:9])
            client.writer.write_eof()
            assert await client.hear_all() == ""
        await until(lambda: bool(handler.not_proxied_peers))
    assert handler.not_proxied_peers == ["127.0.0.1"]


@on_each_loop
async def test_whoever_is_no_proxy_is_turned_away() -> None:
    handler = RecordingHandler(entry=Entry.REFUSED)
    async with listening(handler) as server, dialled(server.port) as client:
        assert await client.say(HEADER) == "421 4.7.0 Connections are taken from the proxy only"
        assert await client.hear_all() == ""
    assert (handler.not_proxied_peers, handler.connections, handler.endings) == (["127.0.0.1"], [], [])


@on_each_loop
async def test_shutdown_does_not_wait_for_a_header() -> None:
    handler = RecordingHandler(entry=Entry.PROXIED)
    async with listening(handler) as server, dialled(server.port) as client:
        client.writer.write(HEADER[:-1])
        await until(lambda: server.arriving_count == 1)
        async with asyncio.timeout(PATIENCE_S):
            await server.shutdown(grace=3600)
    assert handler.not_proxied_peers == []


@on_each_loop
async def test_tls_begins_behind_the_header(certificate: Path) -> None:
    handler = RecordingHandler(entry=Entry.PROXIED, tls_available=True)

    def converse(port: int) -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as plain:
            plain.sendall(HEADER)
            with plain.makefile("rb") as replies:
                assert replies.readline() == b"220 mx.corp.example ESMTP\r\n"
                plain.sendall(b"STARTTLS\r\n")
                assert replies.readline() == b"220 2.0.0 Go ahead with TLS\r\n"
            with client_context().wrap_socket(plain) as secure:
                secure.sendall(b"NOOP\r\n")
                return secure.recv(100) == b"250 2.0.0 ok\r\n"

    async with listening(handler, tls_context=server_context(certificate)) as server:
        assert await asyncio.to_thread(converse, server.port)
    assert len(handler.secured) == 1


@on_each_loop
async def test_a_named_client_takes_the_place_of_the_proxy() -> None:
    handler = RecordingHandler(xclient=True, connection_limits=ConnectionLimits(per_client=2))
    async with listening(handler) as server, greeted(server.port) as client:
        pipelined = b"XCLIENT ADDR=203.0.113.9 PORT=51234\r\nNOOP\r\n"
        assert await client.say(pipelined) == "220 mx.corp.example ESMTP"
        assert await client.reply() == "250 2.0.0 ok"
        [connection] = handler.connections
        assert (connection.peer_ip, connection.peer_port) == ("203.0.113.9", 51_234)
        assert (server.connections_of("203.0.113.9"), server.connections_of("127.0.0.1")) == (1, 0)
        assert await client.say(b"QUIT\r\n") == "221 2.0.0 mx.corp.example"
        await until(lambda: bool(handler.endings))
        assert server.connections_of("203.0.113.9") == 0
    assert handler.endings == [(1, Ending.QUIT)]


@on_each_loop
async def test_a_named_client_with_too_many_connections_is_turned_away() -> None:
    handler = RecordingHandler(xclient=True, connection_limits=ConnectionLimits(per_client=1))
    name = b"XCLIENT ADDR=203.0.113.9\r\n"
    async with listening(handler) as server:
        async with greeted(server.port) as first:
            assert await first.say(name) == "220 mx.corp.example ESMTP"
            async with greeted(server.port) as second:
                assert await second.say(name) == "421 4.7.0 Too many connections, try again later"
                assert await second.hear_all() == ""
            await until(lambda: handler.endings == [(2, Ending.REFUSED)])
            assert server.connections_of("203.0.113.9") == 1
        await until(lambda: len(handler.endings) == 2)
        assert server.connections_of("203.0.113.9") == 0


# -- several processes


@on_each_loop
async def test_two_listeners_can_share_a_port() -> None:
    handler = RecordingHandler()
    first = await serve(handler, host="127.0.0.1", port=0, reuse_port=True)
    second = await serve(handler, host="127.0.0.1", port=first.port, reuse_port=True)
    try:
        await first.shutdown()
        async with greeted(second.port) as client:
            assert await client.say(b"NOOP\r\n") == "250 2.0.0 ok"
    finally:
        await second.shutdown(grace=0)


@on_each_loop
async def test_a_port_that_is_taken_is_an_error() -> None:
    handler = RecordingHandler()
    async with listening(handler) as server:
        with pytest.raises(OSError):
            await serve(handler, host="127.0.0.1", port=server.port)


@on_each_loop
async def test_a_move_opens_the_new_door_before_it_shuts_the_old_one_and_sessions_go_on() -> None:
    handler = RecordingHandler()
    async with listening(handler) as server, greeted(server.port) as early:
        old = server.port
        await server.listen("127.0.0.1", 0)
        assert server.port != old
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", old)
        async with greeted(server.port) as late:
            assert await late.say(b"HELO b\r\n") == "250 mx.corp.example"
        assert await early.say(b"HELO a\r\n") == "250 mx.corp.example"
        assert len(handler.connections) == 2


@on_each_loop
async def test_a_door_that_cannot_be_opened_leaves_the_old_one_open() -> None:
    async with listening(RecordingHandler()) as server, listening(RecordingHandler()) as other:
        old = server.port
        with pytest.raises(OSError) as error:
            await server.listen("127.0.0.1", other.port)
        assert error.value.errno == errno.EADDRINUSE
        assert server.port == old
        async with greeted(old):
            pass


@on_each_loop
async def test_who_waits_at_the_old_door_is_let_in() -> None:
    handler = RecordingHandler()
    async with listening(handler) as server:
        [old] = await bound("127.0.0.1", 0)
        address = old.getsockname()
        # The kernel has connected them, and nobody has looked.
        clients = [socket.create_connection(address) for _ in range(5)]
        await server.take_in(old)
        assert len(handler.connections) == len(clients)
        for client in clients:
            with client:
                assert client.recv(100) == b"220 mx.corp.example ESMTP\r\n"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
