"""The listener as clients meet it: real sockets, real database."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, transaction
from django.utils import timezone

from seg_console.certificates.own import tls_context
from seg_console.config import running
from seg_console.delivery import queue
from seg_console.delivery.kinds import Destination, kind
from seg_console.delivery.models import Delivery
from seg_console.delivery.queue import Demand
from seg_console.gateway.listener import Receiving
from seg_console.gateway.spool import KEPT
from seg_console.mail.models import Body, Message, Recipient
from seg_console.mail.values import MessageState
from tests.support import running_configuration as configuration
from tests.support.listening import listening

pytestmark = pytest.mark.django_db(transaction=True)
MESSAGE = b"From: alice@example.net\r\nSubject: Hello\r\n\r\nHi\r\n"


@pytest.fixture
def port() -> Iterator[int]:
    configuration.commit()
    with listening() as port:
        yield port


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[str]]:
    monkeypatch.setattr(settings, "SEG_MAIL_LOG", tmp_path / "mail_logs")
    return lambda: [line[31:] for line in (tmp_path / "mail_logs").read_text().splitlines()[3:]]


def submit(client: smtplib.SMTP, *recipients: str, content: bytes = MESSAGE) -> tuple[int, bytes]:
    client.mail("alice@example.net")
    for recipient in recipients:
        client.rcpt(recipient)
    return client.data(content)


def test_the_answer_to_the_final_dot_names_a_mid_that_is_stored(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo("client.example.net")
        code, text = submit(client, "bob@corp.example")
        found = re.fullmatch(rb"ok:  Message (\d+) accepted", text)
        assert code == 250
        assert found
        # Stored before it was said: the row is there while the session is still open.
        assert Message.objects.get(pk=int(found.group(1))).subject == "Hello"
        assert Delivery.objects.count() == 2


def test_a_foreign_recipient_is_refused_at_rcpt_and_nothing_is_stored(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        client.mail("alice@example.net")
        assert client.rcpt("someone@elsewhere.example")[0] == 550
        assert client.docmd("DATA")[0] in {503, 554}
    assert not Body.objects.exists()


def test_postmaster_without_a_domain_is_the_first_accepted_domains(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        client.mail("alice@example.net")
        assert client.docmd("RCPT", "TO:<Postmaster>")[0] == 250
        assert client.data(MESSAGE)[0] == 250
    assert Message.objects.get().recipients.get().address == "Postmaster@corp.example"
    assert Delivery.objects.get(kind="ordinary").domain == "corp.example"


def test_postmaster_without_a_domain_is_refused_where_nobody_receives() -> None:
    configuration.commit(recipient_access=[])
    with listening() as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        client.mail("alice@example.net")
        assert client.docmd("RCPT", "TO:<postmaster>")[0] == 550


def test_a_recipient_given_several_times_goes_on_once_as_it_was_written_first(log: Callable[[], list[str]]) -> None:
    configuration.commit()
    with listening() as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo("client.example.net")
        client.mail("alice@example.net")
        given = [
            '"B.ob"@corp.example',
            "carol@corp.example",
            "b.ob@Corp.Example",
            '"b\\.ob"@corp.example',
            "POSTMASTER",
        ]
        for recipient in [*given, "postmaster@corp.example"]:
            assert client.docmd("RCPT", f"TO:<{recipient}>")[0] == 250
        assert client.data(MESSAGE)[0] == 250
    ordinary, copy = Delivery.objects.order_by("kind")
    once = ['"B.ob"@corp.example', "carol@corp.example", "POSTMASTER@corp.example"]
    assert ordinary.recipients == [[rid, address] for rid, address in enumerate(once)]
    kept = [each.address for each in Recipient.objects.order_by("rid")]
    assert kept == ["B.ob@corp.example", "carol@corp.example", "POSTMASTER@corp.example"]
    [line] = [line for line in log() if "RID 0" in line]
    assert line == 'MID 1 ICID 1 RID 0 To: <"B.ob"@corp.example>'
    with transaction.atomic():
        [claimed] = queue.claim(Demand(Destination("tdc", copy.domain), rows=1, octets=10_000), now=timezone.now())
    journal = kind("tdc").content(claimed, timezone.now()).decode()
    assert [line for line in journal.splitlines() if line.startswith("Recipient: ")] == [
        f"Recipient: {address}" for address in kept
    ]


def test_addresses_are_read_as_the_listener_is_set() -> None:
    configuration.commit(listener={"default_domain": "corp.example", "reject_characters": ""})
    with listening() as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo("client.example.net")
        assert client.docmd("MAIL", "FROM:alice@example.net")[0] == 250
        assert client.docmd("RCPT", "TO:<<bob%x>> (Bob)")[0] == 250
        assert client.data(MESSAGE)[0] == 250
    assert Delivery.objects.get(kind="ordinary").recipients == [[0, "bob%x@corp.example"]]
    configuration.commit(listener={"default_domain": "corp.example", "address_parsing": "strict"})
    with listening() as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo("client.example.net")
        assert client.docmd("MAIL", "FROM:alice@example.net")[0] == 501
        assert client.docmd("MAIL", "FROM:<alice@example.net>")[0] == 250
        assert client.docmd("RCPT", "TO:<bob>")[0] == 501
        assert client.docmd("RCPT", "TO:<bob%x@corp.example>") == (550, b"5.7.1 Relaying denied")


def test_a_connection_is_logged_from_its_opening_to_its_close(log: Callable[[], list[str]]) -> None:
    configuration.commit()
    with listening() as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo("client.example.net")
        submit(client, "bob@corp.example", "x@elsewhere.example")
        client.mail("carol@example.net")
    lines = log()
    assert lines[:2] == [
        "New SMTP ICID 1 interface Data 1 (127.0.0.1) address 127.0.0.1 reverse dns host localhost verified yes",
        "ICID 1 ACCEPT SG None match ALL SBRS not enabled",
    ]
    assert "MID 1 ICID 1 To: <x@elsewhere.example> Rejected by RAT" in lines
    assert lines[-4:] == [
        "MID 2 ICID 1 From: <carol@example.net>",
        "Message aborted MID 2 Receiving aborted by sender",
        "Message finished MID 2 done",
        "ICID 1 close",
    ]
    assert list(Message.objects.order_by("mid").values_list("mid", "state")) == [(1, "queued"), (2, "aborted")]


def test_a_commit_decides_the_next_recipient_of_an_open_session(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        client.mail("alice@example.net")
        assert client.rcpt("bob@new.example")[0] == 550
        configuration.commit(recipient_access=[{"recipient": "new.example", "action": "accept"}])
        committed = running.newest()[1]
        deadline = timezone.now() + timedelta(seconds=10)
        while running.held().number < committed:
            assert timezone.now() < deadline
        assert client.rcpt("bob@new.example")[0] == 250


def test_starttls_is_offered_and_told_in_the_log(tmp_path: Path, log: Callable[[], list[str]]) -> None:
    configuration.commit()
    context = ssl.create_default_context()
    with listening(tls_folder=tmp_path / "tls") as port, smtplib.SMTP("127.0.0.1", port) as client:
        context.load_verify_locations(tmp_path / "tls" / "listener.pem")
        # smtplib checks the certificate for the name it dialled; the gateway's own is meant here.
        vars(client)["_host"] = "gw1.corp.example"
        client.starttls(context=context)
        client.ehlo()
        assert submit(client, "bob@corp.example")[0] == 250
    assert any(re.fullmatch(r"ICID 1 TLS success protocol TLSv1\.[23] cipher \S+", line) for line in log())
    assert b" with ESMTPS id 1" in bytes(Body.objects.get().content)


def test_a_certificate_without_its_key_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="SEG_TLS_CERTIFICATE and SEG_TLS_KEY go together"):
        tls_context(certificate="x.pem", key="", folder=tmp_path, hostname="gw", now=timezone.now())
    with pytest.raises(ImproperlyConfigured, match="cannot be used"):
        tls_context(certificate="missing.pem", key="missing.key", folder=tmp_path, hostname="gw", now=timezone.now())


def test_database_trouble_is_answered_451_and_nothing_is_half_stored(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seg_console.gateway.accept.enqueue", fail_in_transaction)
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        assert submit(client, "bob@corp.example") == (
            451,
            b"4.3.0 Message could not be stored, try again later",
        )
        assert not Message.objects.exists()
        assert not Body.objects.exists()
        monkeypatch.undo()
        assert submit(client, "bob@corp.example")[0] == 250


def fail_in_transaction(*_: Any, **__: Any) -> None:
    raise OperationalError("disk I/O error")


def test_a_message_that_goes_round_in_a_circle_is_refused(port: int) -> None:
    content = b"Received: from a by b; Mon, 23 Nov 2026 16:40:12 +0000\r\n" * 100 + MESSAGE
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        code, text = submit(client, "bob@corp.example", content=content)
        assert (code, text[:5]) == (554, b"5.4.6")
    assert not Body.objects.exists()


def test_many_sessions_at_once_get_a_mid_each(port: int) -> None:
    clients = [smtplib.SMTP("127.0.0.1", port) for _ in range(10)]
    try:
        for client in clients:
            client.ehlo()
            client.mail("alice@example.net")
            client.rcpt("bob@corp.example")
            client.docmd("DATA")
        for client in clients:
            client.send(MESSAGE + b".\r\n")
        answers = [client.getreply() for client in clients]
    finally:
        for client in clients:
            client.close()
    assert {code for code, _ in answers} == {250}
    assert len({text for _, text in answers}) == 10
    assert Body.objects.count() == 10
    assert running.held().number > 1


def raw(port: int, *said: bytes) -> list[bytes]:
    """The last line of the reply to each piece of a dialogue, octets as they are given."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client, client.makefile("rb") as replies:
        heard = [last_line(replies)]
        for each in said:
            client.sendall(each)
            heard.append(last_line(replies))
    return heard[1:]


def last_line(replies: BinaryIO) -> bytes:
    line = replies.readline()
    while line[3:4] == b"-":
        line = replies.readline()
    return line


OPENING = (b"EHLO c.example\r\n", b"MAIL FROM:<alice@example.net>\r\n", b"RCPT TO:<bob@corp.example>\r\n", b"DATA\r\n")
ODD = b"From: alice@example.net\r\r\nSubject: Twice\r\r\n converted\r\r\n\r\r\nNUL \0 and CR \r here\n.\n..\r\r\n.\r\n"


def test_odd_line_ends_are_stored_as_they_were_meant(port: int) -> None:
    assert raw(port, *OPENING, ODD, b"QUIT\r\n")[-2:] == [
        b"250 ok:  Message 1 accepted\r\n",
        b"221 2.0.0 gw1.corp.example\r\n",
    ]
    message = Message.objects.get()
    assert message.subject == "Twice converted"
    whole = bytes(Body.objects.get().content)
    assert whole.endswith(b"\r\n\r\nNUL  and CR   here\r\n.\r\n..\r\n")
    assert whole.count(b"\r") == whole.count(b"\n") == whole.count(b"\r\n")


@pytest.mark.parametrize(
    ("content", "reply", "reason"),
    [
        (ODD, b"550 5.6.0 Message contains bare CR or LF\r\n", "Bare CR or LF in message"),
        (b"a\0b\r\n.\r\n", b"550 5.6.0 Message contains NUL\r\n", "NUL in message"),
    ],
)
def test_odd_line_ends_are_refused_where_the_listener_says_so(
    log: Callable[[], list[str]], content: bytes, reply: bytes, reason: str
) -> None:
    configuration.commit(listener={"bare_line_ends": "reject"})
    with listening() as port:
        assert raw(port, *OPENING, content, b"QUIT\r\n")[-2:] == [reply, b"221 2.0.0 gw1.corp.example\r\n"]
    assert log()[-3:] == [f"Message aborted MID 1 {reason}", "Message finished MID 1 done", "ICID 1 close"]
    assert not Body.objects.exists()


def test_a_message_that_cleaning_makes_too_large_is_refused(log: Callable[[], list[str]]) -> None:
    configuration.commit(listener={"max_message_size": 1024})
    with listening() as port:
        assert raw(port, *OPENING, b"\n" * 1000 + b"\r\n.\r\n")[-1] == b"552 5.3.4 Message size exceeds limit\r\n"
    assert "Message aborted MID 1 Message size exceeds limit" in log()
    assert not Body.objects.exists()


@pytest.mark.parametrize("size", [KEPT - 100, KEPT + 100, 3_000_000])
def test_a_message_of_any_size_is_stored_as_it_was_sent_and_leaves_no_file(port: int, size: int) -> None:
    content = MESSAGE + b"x" * 70 + b"\r\n" + b"..dot\r\n" * (size // 7)
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        assert submit(client, "bob@corp.example", content=content)[0] == 250
    [body] = Body.objects.all()
    assert bytes(body.content).partition(b"From: ")[2] == content.partition(b"From: ")[2]
    folder = settings.SEG_DATA_DIR / "receiving"
    assert not folder.exists() or list(folder.iterdir()) == []


def test_a_long_message_without_a_place_for_it_is_answered_452_and_a_short_one_is_taken(
    tmp_path: Path, log: Callable[[], list[str]]
) -> None:
    configuration.commit()
    (tmp_path / "file").touch()
    with listening(receiving=Receiving(tmp_path / "file")) as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        answer = submit(client, "bob@corp.example", content=MESSAGE + b"x" * KEPT)
        assert answer == (452, b"4.3.1 Insufficient system storage, try again later")
        assert submit(client, "bob@corp.example")[0] == 250
    [stored] = Message.objects.exclude(state=MessageState.ABORTED)
    assert [line for line in log() if "aborted" in line] == [
        f"Message aborted MID {stored.mid - 1} Insufficient storage"
    ]
    assert not Body.objects.exclude(pk=stored.mid).exists()


def test_beyond_the_memory_for_messages_in_hand_clients_are_told_to_come_again() -> None:
    configuration.commit()
    with listening(receiving=Receiving(settings.SEG_DATA_DIR, most_memory=KEPT)) as port:
        first, second = smtplib.SMTP("127.0.0.1", port), smtplib.SMTP("127.0.0.1", port)
        for client in (first, second):
            client.ehlo()
            client.mail("alice@example.net")
            client.rcpt("bob@corp.example")
        assert first.docmd("DATA")[0] == 354
        assert second.docmd("DATA") == (452, b"4.3.1 Insufficient system storage, try again later")
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            smtplib.SMTP("127.0.0.1", port)
        assert refused.value.smtp_code == 421
        first.send(MESSAGE + b".\r\n")
        assert first.getreply()[0] == 250
        assert second.data(MESSAGE)[0] == 250
        with smtplib.SMTP("127.0.0.1", port) as third:
            third.ehlo()
            assert submit(third, "bob@corp.example")[0] == 250
        first.quit()
        second.quit()
    assert Message.objects.count() == 3
