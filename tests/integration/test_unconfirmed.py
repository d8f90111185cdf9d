"""Copies whose content was sent and whose final dot nobody answered: they may have arrived, so they are not lost."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from seg_console.delivery import queue
from seg_console.delivery.delete import delete
from seg_console.delivery.kinds import Destination
from seg_console.delivery.models import Delivery
from seg_console.delivery.queue import Demand
from seg_console.mail import tracking
from seg_console.mail.models import Message, TrackingEvent
from tdc.kind import ConnectorKind
from tests.support.deliveries import INTAKE, accept, configure, copies, counters, drain, log_texts, make_due, route
from tests.support.smtp_remote import Action, authority, smtp_remote

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis", "_empty_log")]

TDC = Destination("tdc", "intake.example")
ORDINARY = Destination("ordinary", "corp.example")
UNCONFIRMED = (
    "TDC: MID 1 delivery to Cisco Secure Email Threat Defense unconfirmed: "
    "no reply after the end of the message, it may have arrived."
)
LIFE, LEASE = timedelta(seconds=121), timedelta(seconds=queue.LEASE_S + 1)


@pytest.fixture
def _empty_log() -> None:
    settings.SEG_MAIL_LOG.unlink(missing_ok=True)


def no_connection(folder: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    send_again(port)


def no_tls(folder: Path) -> None:
    with smtp_remote() as remote:
        send_again(remote.port)


def refused_recipient(folder: Path) -> None:
    with smtp_remote({"RCPT": "550 5.1.1 nobody"}, tls=authority().server(folder, "intake.example")) as remote:
        send_again(remote.port)


def too_old(folder: Path) -> None:
    assert queue.expire(timezone.now() + LIFE) == 1


def worker_lost(folder: Path) -> None:
    make_due()
    with transaction.atomic():
        assert len(queue.claim(Demand(TDC, 1, 10**6), now=timezone.now())) == 1
    assert queue.leases_over(timezone.now() + LEASE) == 1


ENDS: dict[Callable[[Path], None], tuple[str, str, str]] = {
    no_connection: ("bounced", "other", "5.4.1 - No answer from host ('000', ['[Errno 111] Connection refused'])"),
    no_tls: ("bounced", "other", "5.7.5 - Cryptographic failure ('000', ['STARTTLS is not offered'])"),
    refused_recipient: ("bounced", "reply", "5.1.0 - Unknown address error ('550', ['5.1.1 nobody'])"),
    too_old: ("expired", "expired", "5.4.7 - Delivery expired (message too old) ('000', ['timeout'])"),
    worker_lost: ("bounced", "other", "5.4.2 - Bad connection ('000', ['worker lost'])"),
}


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_a_copy_whose_dot_stayed_unanswered_is_unconfirmed_however_it_ends(
    end: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_unanswered(tmp_path, monkeypatch)
    before = len(log_texts())
    end(tmp_path)
    state, counter, tail = ENDS[end]
    row = Delivery.objects.get()
    assert (row.state, row.unanswered, row.last_status) == (state, True, tail[:5])
    assert counters(TDC) == {"soft_bounced": 1, f"{counter}_hard_bounced": 1, "unconfirmed": 1}
    assert copies() == {"copies_queued": 1, "copies_delayed": 1, "copies_unconfirmed": 1}
    lines = [re.sub(r"DCID \d+", "DCID D", line) for line in log_texts()[before:]]
    record = f"Bounced: DCID D MID 1 to RID 0 - Bounced by destination server with response: {tail}"
    assert [line for line in lines if "MID 1 " in line and "start" not in line] == [
        UNCONFIRMED,
        record,
        "Message finished MID 1 done",
    ]
    event = TrackingEvent.objects.get(kind="bounced")
    assert event.data["unconfirmed"] is True
    assert (Message.objects.count(), Message.objects.get().outstanding) == (1, 0)


def test_message_details_say_that_it_may_have_arrived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    send_unanswered(tmp_path, monkeypatch)
    too_old(tmp_path)
    found, usual = tracking.details(1, all_connector_events=True), tracking.details(1)
    assert found is not None
    assert found.lines[-1].text == (
        "TDC: Message 1 delivery to Cisco Secure Email Threat Defense unconfirmed: no reply after the end of the "
        "message, it may have arrived. 5.4.7 - Delivery expired (message too old) (timeout)"
    )
    assert usual is not None
    assert not any(line.connector for line in usual.lines)


def test_a_copy_held_by_two_workers_that_died_may_have_arrived() -> None:
    accept(intake=INTAKE, original=False)
    for _ in range(2):
        with transaction.atomic():
            queue.claim(Demand(TDC, 1, 10**6), now=timezone.now())
        assert queue.leases_over(timezone.now() + LEASE) == 1
        assert Delivery.objects.get().unanswered
        make_due()
    assert Delivery.objects.get().state == "bounced"
    assert counters(TDC) == {"other_hard_bounced": 1, "unconfirmed": 1}


def test_a_copy_that_never_got_as_far_as_its_content_is_lost_and_says_so(tmp_path: Path) -> None:
    with smtp_remote({"DATA": Action.DROP}, tls=authority().server(tmp_path, "intake.example")) as remote:
        intake_at(remote.port)
        accept(intake=INTAKE, original=False)
        drain(TDC, name="tdc")
        send_again(remote.port)
    assert (Delivery.objects.get().state, Delivery.objects.get().unanswered) == ("bounced", False)
    assert counters(TDC) == {"soft_bounced": 1, "other_hard_bounced": 1}
    assert copies() == {"copies_queued": 1, "copies_delayed": 1, "copies_failed": 1}
    assert not any("unconfirmed" in line for line in log_texts())


def test_a_copy_that_an_administrator_deletes_after_it_was_sent_may_have_arrived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_unanswered(tmp_path, monkeypatch)
    assert delete(Delivery.objects.values_list("pk", flat=True), now=timezone.now()) == 1
    assert counters(TDC) == {"soft_bounced": 1, "deleted": 1}
    assert copies() == {"copies_queued": 1, "copies_delayed": 1, "copies_unconfirmed": 1}
    found = tracking.details(1, all_connector_events=True)
    assert found is not None
    assert found.lines[-1].text == ("TDC: Copy of message 1 deleted by an administrator; it may have arrived before.")


def test_ordinary_mail_that_ends_so_is_bounced_and_reported_as_before() -> None:
    with smtp_remote({"CONTENT": Action.TAKE_AND_DROP}) as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        accept()
        Delivery.objects.update(attempt=100)
        before = len(log_texts())
        drain(ORDINARY)
    row = Delivery.objects.get(message=1)
    assert (row.state, row.attempt, row.unanswered) == ("bounced", 101, True)
    assert counters(ORDINARY) == {"other_hard_bounced": 1}
    assert copies() == {}
    tail = "5.4.2 - Bad connection ('000', ['EOF'])"
    assert f"Bounced: DCID 1 MID 1 to RID 0 - Bounced by destination server with response: {tail}" in log_texts()
    assert not any("unconfirmed" in line for line in log_texts()[before:])
    assert TrackingEvent.objects.get(kind="bounced").data["unconfirmed"] is False
    assert Message.objects.get(parent_mid=1).envelope_sender == ""  # the report


def send_unanswered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first attempt whose content arrives and whose final dot is never answered; its retry waits."""
    with monkeypatch.context() as short:
        short.setattr(ConnectorKind, "timeouts", replace(ConnectorKind.timeouts, dot_s=0.3))
        with smtp_remote({"CONTENT": Action.HANG}, tls=authority().server(folder, "intake.example")) as remote:
            intake_at(remote.port)
            accept(intake=INTAKE, original=False)
            drain(TDC, name="tdc")
    row = Delivery.objects.get()
    assert (row.state, row.attempt, row.unanswered) == ("queued", 1, True)
    assert counters(TDC) == {"soft_bounced": 1}


def send_again(port: int) -> None:
    intake_at(port)
    make_due()
    drain(TDC, name="tdc")


def intake_at(port: int) -> None:
    configure(
        smtp_routes=[route("intake.example", port)],
        destination_controls=[{"domain": "intake.example", "max_connections": 1}],
        threat_defense_connector={"ca_certificates": authority().pem, "verify_certificate": True},
    )
