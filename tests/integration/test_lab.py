from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiosmtplib
import pytest

from seg_console.gateway.protocol import ReceivedMessage
from seg_console.lab.authority import lab_certificate
from seg_console.lab.receiver import Receiver
from seg_console.lab.store import Store, content_of, entries

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
NAMES = ["intake.example", "127.0.0.1"]
CONTENT = b"Subject: hello\r\n\r\n.dot\r\n" + b"x" * 200_000 + b"\r\n"

Received = list[tuple[ReceivedMessage, str]]
Talk = Callable[[int], Coroutine[None, None, None]]


def converse(receiver_context: ssl.SSLContext | None, talk: Talk) -> Received:
    """Run a lab server on a port of its own while `talk` uses it; gives what it received."""
    received: Received = []

    async def run() -> None:
        receiver = Receiver("lab.example", lambda message, tls: received.append((message, tls)), receiver_context)
        server = await receiver.serve("127.0.0.1", 0)
        async with server:
            await talk(server.sockets[0].getsockname()[1])

    asyncio.run(run())
    return received


def client(port: int, context: ssl.SSLContext | None = None) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname="127.0.0.1", port=port, start_tls=context is not None, tls_context=context, timeout=10
    )


@pytest.fixture
def intake_context(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's context and that of a client which trusts nothing but the lab's authority."""
    now = datetime.now(UTC)
    files = lab_certificate(tmp_path, names=NAMES, now=now)
    return files.server_context(), ssl.create_default_context(cafile=str(files.authority))


def test_an_intake_takes_mail_over_verified_tls(intake_context: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server_side, client_side = intake_context

    async def talk(port: int) -> None:
        async with client(port, client_side) as smtp:
            await smtp.sendmail("", ["journal@intake.example"], CONTENT)

    [(message, tls)] = converse(server_side, talk)
    assert message.content == CONTENT
    assert tls in {"TLSv1.2", "TLSv1.3"}


def test_an_intake_takes_no_mail_in_clear(intake_context: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def talk(port: int) -> None:
        async with client(port) as smtp:
            await smtp.ehlo()
            await smtp.mail("anna@corp.example")
            with pytest.raises(aiosmtplib.SMTPRecipientRefused) as refused:
                await smtp.rcpt("journal@intake.example")
            assert refused.value.code == 530

    assert converse(intake_context[0], talk) == []


def test_an_intake_refuses_tls_below_1_2(intake_context: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    assert intake_context[0].minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_mailbox_takes_mail_in_clear() -> None:
    async def talk(port: int) -> None:
        async with client(port) as smtp:
            await smtp.sendmail("carla@supplier.example", ["anna@corp.example"], CONTENT)

    [(message, tls)] = converse(None, talk)
    assert (message.envelope.sender, message.envelope.recipients) == ("carla@supplier.example", ("anna@corp.example",))
    assert (message.content, tls) == (CONTENT, "")


def test_the_certificate_is_kept_between_runs(tmp_path: Path) -> None:
    first = lab_certificate(tmp_path, names=NAMES, now=NOW).server.read_bytes()

    assert lab_certificate(tmp_path, names=NAMES, now=NOW).server.read_bytes() == first


@pytest.mark.parametrize(
    ("names", "now"),
    [
        pytest.param([*NAMES, "other.example"], NOW, id="a new name"),
        pytest.param(NAMES, NOW + timedelta(days=380), id="near its end"),
    ],
)
def test_the_certificate_is_made_anew_when_it_no_longer_serves(tmp_path: Path, names: list[str], now: datetime) -> None:
    first = lab_certificate(tmp_path, names=NAMES, now=NOW).server.read_bytes()

    assert lab_certificate(tmp_path, names=names, now=now).server.read_bytes() != first


def test_private_keys_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    assert lab_certificate(tmp_path, names=NAMES, now=NOW).server.stat().st_mode & 0o077 == 0


def test_a_store_goes_on_counting_where_it_stopped(tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        Store(tmp_path).put(content, sender="", recipients=("a@corp.example",), tls="", at=NOW)

    stored = list(entries(tmp_path))
    assert [content_of(tmp_path, entry) for entry in stored] == [b"first", b"second"]
    assert stored[0].recipients == ("a@corp.example",)
