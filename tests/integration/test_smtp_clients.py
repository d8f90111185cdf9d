"""Programs that people really send mail with, against the listener."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
import uvloop

from seg_console.gateway.protocol import Limits
from seg_console.gateway.transport import SmtpServer
from tests.support.programs import missing, require_program
from tests.support.smtp_listener import RecordingHandler, listening, make_certificate, server_context

MAIL = b"""From: Alice <alice@example.net>
To: Bob <bob@corp.example>
Subject: figures
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

.a line with a dot
..
Gr\xc3\xbc\xc3\x9fe
"""
MAIL_ON_THE_WIRE = MAIL.replace(b"\n", b"\r\n")
CLIENT_PATIENCE_S = 60


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def run_against_listener(
    handler: RecordingHandler, command: Iterable[str], *, certificate: Path | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a client program to its end; `{port}` in its arguments is the listener's."""
    context = None if certificate is None else server_context(certificate)

    def run(server: SmtpServer) -> subprocess.CompletedProcess[bytes]:
        arguments = [argument.replace("{port}", str(server.port)) for argument in command]
        return subprocess.run(arguments, input=stdin, capture_output=True, timeout=CLIENT_PATIENCE_S, check=False)

    async def scenario() -> subprocess.CompletedProcess[bytes]:
        async with listening(handler, tls_context=context) as server:
            return await asyncio.to_thread(run, server)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(scenario())


def body(content: bytes) -> bytes:
    return content.partition(b"\r\n\r\n")[2]


# -- swaks


def swaks(*options: str) -> list[str]:
    program = require_program("swaks", "swaks")
    envelope = ["--from", "alice@example.net", "--to", "bob@corp.example", "--ehlo", "client.example"]
    return [program, "--server", "127.0.0.1:{port}", *envelope, *options]


def test_swaks_sends_a_message(tmp_path: Path) -> None:
    (tmp_path / "mail").write_bytes(MAIL)
    handler = RecordingHandler()
    done = run_against_listener(handler, swaks("--data", f"@{tmp_path / 'mail'}"))
    assert done.returncode == 0, done.stdout
    assert b"250 ok:  Message 101 accepted" in done.stdout
    [message] = handler.messages
    assert body(message.content).startswith(b".a line with a dot\r\n..\r\nGr\xc3\xbc\xc3\x9fe\r\n")
    assert message.helo == "client.example"


def test_swaks_sends_a_pipelined_message() -> None:
    handler = RecordingHandler()
    done = run_against_listener(handler, swaks("--pipeline", "--to", "bob@corp.example,carol@corp.example"))
    assert done.returncode == 0, done.stdout
    [message] = handler.messages
    assert message.envelope.recipients == ("bob@corp.example", "carol@corp.example")


def test_swaks_sends_over_starttls(certificate: Path) -> None:
    handler = RecordingHandler(tls_available=True)
    done = run_against_listener(handler, swaks("--tls"), certificate=certificate)
    if b"requires Net::SSLeay" in done.stderr:
        missing("Net::SSLeay for swaks", "apt-get install libnet-ssleay-perl")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [message.tls for message in handler.messages] == [True]
    assert [version for version, _ in handler.secured] == ["TLSv1.3"]


def test_swaks_is_refused_a_foreign_recipient() -> None:
    handler = RecordingHandler()
    done = run_against_listener(handler, swaks("--to", "x@elsewhere.example"))
    assert done.returncode == 24, done.stdout  # no recipient was accepted
    assert b"550 #5.1.0 Address rejected." in done.stdout
    assert handler.messages == []
    assert [[each.address for each in message.envelope.refused] for message in handler.aborted_messages] == [
        ["x@elsewhere.example"]
    ]


# -- msmtp


def msmtp(*options: str) -> list[str]:
    program = require_program("msmtp", "msmtp")
    server = ["--host=127.0.0.1", "--port={port}", "--from=alice@example.net", "--domain=client.example"]
    return [program, "--file=/dev/null", *server, *options, "--", "bob@corp.example"]


def test_msmtp_sends_a_message() -> None:
    handler = RecordingHandler()
    done = run_against_listener(handler, msmtp(), stdin=MAIL)
    assert done.returncode == 0, done.stderr
    [message] = handler.messages
    assert (message.envelope.sender, message.envelope.recipients) == ("alice@example.net", ("bob@corp.example",))
    assert body(message.content) == body(MAIL_ON_THE_WIRE)


def test_msmtp_sends_over_starttls(certificate: Path) -> None:
    handler = RecordingHandler(tls_available=True)
    options = ["--tls=on", "--tls-starttls=on", "--tls-certcheck=off"]
    done = run_against_listener(handler, msmtp(*options), certificate=certificate, stdin=MAIL)
    assert done.returncode == 0, done.stderr
    assert [message.tls for message in handler.messages] == [True]


def test_msmtp_is_told_that_a_message_is_too_big() -> None:
    handler = RecordingHandler(limits=Limits(max_message_size=1_000))
    done = run_against_listener(handler, msmtp(), stdin=MAIL + b"x\n" * 1_000)
    assert done.returncode != 0
    assert b"552 5.3.4 Message size exceeds limit" in done.stderr
    assert handler.messages == []


# -- Postfix's test client


def test_smtp_source_sends_many_messages_over_many_sessions() -> None:
    program = require_program("smtp-source", "postfix")
    handler = RecordingHandler()
    envelope = ["-f", "alice@example.net", "-t", "bob@corp.example", "-M", "client.example"]
    done = run_against_listener(
        handler, [program, "-s", "10", "-m", "200", "-l", "10240", "-d", *envelope, "127.0.0.1:{port}"]
    )
    assert done.returncode == 0, done.stderr
    assert len(handler.messages) == 200
    assert len({message.envelope.mid for message in handler.messages}) == 200
    assert len(handler.endings) == 10
    assert all(len(message.content) >= 10_000 for message in handler.messages)


def test_smtp_source_sends_to_many_recipients() -> None:
    program = require_program("smtp-source", "postfix")
    handler = RecordingHandler()
    done = run_against_listener(
        handler, [program, "-r", "50", "-f", "alice@example.net", "-t", "bob@corp.example", "127.0.0.1:{port}"]
    )
    assert done.returncode == 0, done.stderr
    [message] = handler.messages
    assert len(message.envelope.recipients) == 50
    assert len(set(message.envelope.recipients)) == 50
