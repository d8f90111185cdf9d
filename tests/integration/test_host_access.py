"""The Host Access Table as clients meet it: real sockets, and the exact lines of the mail log."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from seg_console.config import running
from seg_console.mail import tracking
from seg_console.mail.models import Message, TrackingEvent
from tests.support import running_configuration as configuration
from tests.support.listening import listening

pytestmark = pytest.mark.django_db(transaction=True)
MESSAGE = b"From: alice@example.net\r\nSubject: Hello\r\n\r\nHi\r\n"
OPENED = "New SMTP ICID {icid} interface Data 1 (127.0.0.1) address 127.0.0.1 reverse dns host localhost verified yes"


def group(name: str, *entries: str, **values: Any) -> dict[str, Any]:
    return {"name": name, "entries": list(entries), **values}


def opened(icid: int = 1) -> str:
    return OPENED.format(icid=icid)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[str]]:
    """The lines of the mail log so far, without time and level."""
    monkeypatch.setattr(settings, "SEG_MAIL_LOG", tmp_path / "mail_logs")
    return lambda: [line[31:] for line in (tmp_path / "mail_logs").read_text().splitlines()[3:]]


def submit(client: smtplib.SMTP, *recipients: str) -> tuple[int, bytes]:
    client.mail("alice@example.net")
    for recipient in recipients:
        client.rcpt(recipient)
    return client.data(MESSAGE)


def all_said(port: int) -> bytes:
    """Everything the gateway says to a client that says nothing, up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        return b"".join(iter(lambda: client.recv(1000), b""))


@pytest.mark.parametrize(
    ("entry", "matched"),
    [("127.0.0.0/8", "127.0.0.0/8"), ("127.0.0.1", "127.0.0.1"), ("127.0.0.1-9", "127.0.0.1-9"), ("localhost",) * 2],
)
def test_an_accepted_group_is_named_in_log_and_tracking(entry: str, matched: str, log: Callable[[], list[str]]) -> None:
    configuration.commit(host_access=[group("OTHERS", "203.0.113.1"), group("PARTNERS", entry)])
    with listening() as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo("client.example.net")
        assert submit(client, "bob@corp.example")[0] == 250
    assert log()[:2] == [opened(), f"ICID 1 ACCEPT SG PARTNERS match {matched} SBRS not enabled"]
    details = tracking.details(Message.objects.get().pk)
    assert details is not None
    assert details.sender_group == "PARTNERS"
    said = [line.text for line in details.lines]
    assert f"Incoming connection (ICID 1) falls to sender group PARTNERS, match {matched}." in said


def test_a_rejected_host_is_greeted_with_554_and_its_text(log: Callable[[], list[str]]) -> None:
    blocked = group("BLOCKED_LIST", "127.0.0.0/8", action="reject", response="Write to postmaster@corp.example")
    configuration.commit(host_access=[blocked])
    with listening() as port:
        assert all_said(port) == b"554 Write to postmaster@corp.example\r\n"
    assert log() == [
        opened(),
        "ICID 1 REJECT SG BLOCKED_LIST match 127.0.0.0/8 SBRS not enabled",
        "ICID 1 close",
    ]


def test_a_rejected_host_without_a_text_gets_the_usual_one() -> None:
    configuration.commit(host_access=[group("ALL", action="reject")])
    with listening() as port:
        assert all_said(port) == b"554 5.7.1 Access denied\r\n"


def test_a_refused_host_hears_nothing_at_all(log: Callable[[], list[str]]) -> None:
    configuration.commit(host_access=[group("BLOCKED_LIST", "127.0.0.1", action="refuse")])
    with listening() as port:
        assert all_said(port) == b""
    assert log() == [
        opened(),
        "ICID 1 TCPREFUSE SG BLOCKED_LIST match 127.0.0.1 SBRS not enabled",
        "ICID 1 close",
    ]


def test_the_last_row_takes_the_rest_and_is_logged_as_no_group(log: Callable[[], list[str]]) -> None:
    configuration.commit(host_access=[group("OTHERS", "203.0.113.1"), group("ALL", action="refuse")])
    with listening() as port:
        assert all_said(port) == b""
    assert log()[1] == "ICID 1 TCPREFUSE SG None match ALL SBRS not enabled"


def test_one_connection_too_many_of_a_client_is_turned_away(log: Callable[[], list[str]]) -> None:
    configuration.commit(host_access=[group("SLOW", "127.0.0.1", max_connections_per_client=1)])
    with listening() as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        assert all_said(port) == b"421 4.7.0 Too many connections, try again later\r\n"
        assert client.noop()[0] == 250
    assert log() == [
        opened(),
        "ICID 1 ACCEPT SG SLOW match 127.0.0.1 SBRS not enabled",
        opened(2),
        "ICID 2 ACCEPT SG SLOW match 127.0.0.1 SBRS not enabled",
        "ICID 2 Receiving Failed: Connection limit exceeded",
        "ICID 2 close",
        "ICID 1 close",
    ]


def test_one_message_too_many_ends_the_connection(log: Callable[[], list[str]]) -> None:
    configuration.commit(host_access=[group("SLOW", "127.0.0.1", max_messages_per_connection=2)])
    with listening() as port:
        client = smtplib.SMTP("127.0.0.1", port)
        client.ehlo()
        assert [submit(client, "bob@corp.example")[0] for _ in range(2)] == [250, 250]
        assert client.docmd("MAIL", "FROM:<alice@example.net>") == (
            421,
            b"4.7.0 Too many messages in this connection, open another one",
        )
        assert client.sock is not None
        assert client.sock.recv(1) == b""
        client.close()
    assert log()[-2:] == ["ICID 1 Receiving Failed: Message limit exceeded", "ICID 1 close"]
    assert Message.objects.count() == 2


def test_recipients_beyond_the_groups_limit_are_asked_to_come_in_another_message() -> None:
    configuration.commit(host_access=[group("SLOW", "127.0.0.1", max_recipients=2)])
    with listening() as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        client.mail("alice@example.net")
        assert [client.rcpt(f"{name}@corp.example")[0] for name in "abc"] == [250, 250, 452]


def test_recipients_beyond_the_hours_are_refused_for_now_over_all_connections(log: Callable[[], list[str]]) -> None:
    configuration.commit(host_access=[group("SLOW", "127.0.0.1", max_recipients_per_hour=3)])
    with listening() as port:
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.ehlo()
            assert submit(client, "a@corp.example", "nobody@elsewhere.example", "b@corp.example")[0] == 250
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.ehlo()
            client.mail("alice@example.net")
            assert client.rcpt("c@corp.example")[0] == 250
            assert client.rcpt("d@corp.example") == (452, b"4.7.1 Too many recipients received this hour")
            assert client.data(MESSAGE)[0] == 250
    lines = log()
    assert [line for line in lines if "Rejected" in line] == [
        "MID 1 ICID 1 To: <nobody@elsewhere.example> Rejected by RAT",
        "MID 2 ICID 2 To: <d@corp.example> Rejected by Receiving Control",
    ]
    assert TrackingEvent.objects.get(message=2, kind="received").data["throttled"] == ["d@corp.example"]


def test_no_message_begins_in_clear_where_tls_is_demanded(log: Callable[[], list[str]], tmp_path: Path) -> None:
    configuration.commit(host_access=[group("SAFE", "127.0.0.1", tls="required")])
    context = ssl._create_unverified_context()
    with listening(tls_folder=tmp_path / "tls") as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        for _attempt in range(2):
            assert client.mail("alice@example.net") == (530, b"5.7.0 Must issue a STARTTLS command first")
        client.starttls(context=context)
        client.ehlo()
        assert submit(client, "bob@corp.example")[0] == 250
    lines = log()
    assert lines.count("ICID 1 TLS was required but remote host did not initiate it") == 1
    assert any(line.startswith("ICID 1 TLS success protocol") for line in lines)


def test_tls_is_not_offered_where_the_group_says_no(tmp_path: Path) -> None:
    configuration.commit(host_access=[group("OLD", "127.0.0.1", tls="none")])
    with listening(tls_folder=tmp_path / "tls") as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        assert not client.has_extn("starttls")
        assert client.docmd("STARTTLS")[0] == 502


def test_a_commit_decides_the_next_connection() -> None:
    configuration.commit()
    with listening() as port:
        with smtplib.SMTP("127.0.0.1", port) as client:
            assert client.ehlo()[0] == 250
            configuration.commit(host_access=[group("BLOCKED_LIST", "127.0.0.1", action="reject")])
            committed = running.newest()[1]
            deadline = timezone.now() + timedelta(seconds=10)
            while running.held().number < committed:
                assert timezone.now() < deadline
            # Who is in already stays.
            assert client.noop()[0] == 250
        assert all_said(port).startswith(b"554 ")
