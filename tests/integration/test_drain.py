"""The drain against scripted servers: what is sent, over how many connections, and what becomes of the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections
from redis import Redis

from seg_console.delivery.drain import Drain
from seg_console.delivery.kinds import Destination
from seg_console.delivery.models import Delivery, HostStatus
from seg_console.mail.models import Message, Recipient
from tests.support.deliveries import CONTENT, INTAKE, accept, configure, counters, drain, log_texts, make_due, route
from tests.support.smtp_remote import Action, Script, authority, smtp_remote

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis", "_empty_log")]

ORDINARY = Destination("ordinary", "corp.example")
TDC = Destination("tdc", "intake.example")


@pytest.fixture
def _empty_log() -> None:
    settings.SEG_MAIL_LOG.unlink(missing_ok=True)


def test_an_original_is_delivered_byte_for_byte_and_its_message_finished(redis: Redis) -> None:
    with smtp_remote() as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        mid = accept()
        drain()
    (taken,) = remote.taken
    assert (taken.sender, taken.recipients, taken.content) == ("alice@example.net", ["bob@corp.example"], CONTENT)
    assert Delivery.objects.get().state == "delivered"
    assert Recipient.objects.get().state == "delivered"
    message = Message.objects.get(mid=mid)
    assert (message.state, message.outstanding) == ("delivered", 0)
    assert counters(ORDINARY) == {"delivered": 1}
    assert HostStatus.objects.get().status == "up"


def test_a_copy_goes_over_tls_while_three_connections_are_open(tmp_path: Path) -> None:
    with smtp_remote(tls=authority().server(tmp_path, "intake.example")) as remote:
        configure(
            smtp_routes=[route("intake.example", remote.port)],
            threat_defense_connector={"ca_certificates": authority().pem},
        )
        accept(intake=INTAKE, original=False)
        drain(TDC, name="tdc")
    (taken,) = remote.taken
    assert (taken.sender, taken.recipients, taken.tls) == ("", [INTAKE], True)
    assert (remote.most_open, remote.connections, remote.open) == (3, 3, 0)
    assert counters(TDC) == {"delivered": 1}
    assert sum(text.startswith("TDC: New SMTP DCID") for text in log_texts()) == 3


def test_copies_go_ten_to_a_connection_and_every_connection_is_closed(tmp_path: Path) -> None:
    with smtp_remote(tls=authority().server(tmp_path, "intake.example")) as remote:
        _intake(remote.port)
        for _ in range(45):
            accept(intake=INTAKE, original=False)
        drain(TDC, name="tdc")
    assert len(remote.taken) == 45
    assert max(sum(line == "DATA" for line in commands) for commands in remote.commands) <= 10
    assert remote.most_open >= 3
    assert remote.open == 0
    opened = [text for text in log_texts() if text.startswith("TDC: New SMTP DCID")]
    closed = [text for text in log_texts() if text.startswith("DCID") and text.endswith("close")]
    assert len(opened) == len(closed) == remote.connections


def test_a_destination_gets_no_more_connections_than_its_control_allows() -> None:
    with smtp_remote() as remote:
        configure(
            smtp_routes=[route("corp.example", remote.port)],
            destination_controls=[{"domain": "corp.example", "max_connections": 4, "max_messages_per_connection": 5}],
        )
        for _ in range(60):
            accept()
        drain(ORDINARY)
    assert len(remote.taken) == 60
    assert 1 < remote.most_open <= 4
    assert max(sum(line == "DATA" for line in commands) for commands in remote.commands) <= 5


def test_a_server_that_takes_few_connections_gets_all_mail_over_those() -> None:
    script: Script = {"CONNECT": ["220 hello", "220 hello", "421 4.7.0 too many"]}
    with smtp_remote(script) as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        for _ in range(40):
            accept()
        drain(ORDINARY)
        drain(ORDINARY)
    assert len(remote.taken) == 40
    assert set(Delivery.objects.values_list("state", "attempt")) == {("delivered", 1)}


def test_a_server_that_hangs_does_not_hold_other_destinations_up() -> None:
    with smtp_remote({"CONTENT": Action.HANG}) as slow, smtp_remote() as quick:
        configure(smtp_routes=[route("slow.example", slow.port), route("corp.example", quick.port)])
        accept(["x@slow.example"])
        for _ in range(10):
            accept()
        worker = Drain("delivery")

        async def watch() -> None:
            running = asyncio.create_task(worker.run([Destination("ordinary", "slow.example"), ORDINARY]))
            await _until(lambda: len(quick.taken) == 10)
            running.cancel()
            await asyncio.wait([running])

        asyncio.run(watch())
    assert Delivery.objects.filter(domain="corp.example", state="delivered").count() == 10
    # Broken off in the middle: nobody knows whether it arrived, so its lease has to run out.
    assert Delivery.objects.get(domain="slow.example").state == "delivering"


def test_outcomes_of_a_server_that_hangs_are_not_waited_for_before_others_are_stored() -> None:
    with smtp_remote({"CONTENT": ["250 Ok", Action.HANG]}) as slow:
        configure(smtp_routes=[route("corp.example", slow.port)])
        for _ in range(8):
            accept()
        worker = Drain("delivery")
        expected: list[int] = []

        async def watch() -> None:
            running = asyncio.create_task(worker.run([ORDINARY]))
            await _until(lambda: slow.counts["CONTENT"] >= 4)
            (post,) = worker._lanes.values()
            ended_at = post.lane._ended_at
            expected.extend(post.lane.in_transaction(ended_at + later) for later in (0.1, 0.3))
            running.cancel()
            await asyncio.wait([running])

        asyncio.run(watch())
    lively, hanging = expected
    assert lively >= 3
    assert hanging == 0


def test_what_is_announced_while_a_drain_hangs_is_taken_on() -> None:
    with smtp_remote({"CONTENT": Action.HANG}) as slow, smtp_remote() as quick:
        configure(smtp_routes=[route("slow.example", slow.port), route("corp.example", quick.port)])
        accept(["x@slow.example"])

        async def watch() -> None:
            running = asyncio.create_task(Drain("delivery").run())
            await _until(lambda: slow.counts["CONTENT"] == 1)
            await asyncio.to_thread(_accept_in_thread)
            await _until(lambda: len(quick.taken) == 1)
            running.cancel()
            await asyncio.wait([running])

        asyncio.run(watch())
    assert len(quick.taken) == 1


def test_a_worker_that_is_told_to_stop_finishes_what_is_in_hand_and_releases_the_rest() -> None:
    with smtp_remote() as remote:
        configure(
            smtp_routes=[route("corp.example", remote.port)],
            destination_controls=[{"domain": "corp.example", "max_connections": 1}],
        )
        for _ in range(300):
            accept()
        with asyncio.Runner() as runner:
            worker = Drain("delivery", stopping=lambda: len(remote.taken) > 5)
            runner.run(worker.run([ORDINARY]))
    delivered = Delivery.objects.filter(state="delivered").count()
    assert delivered == len(remote.taken) < 300
    rest = Delivery.objects.exclude(state="delivered")
    assert set(rest.values_list("state", "attempt")) == {("queued", 0)}


def test_a_route_to_dev_null_delivers_to_nowhere() -> None:
    configure(smtp_routes=[{"domain": "corp.example", "hosts": [{"host": "/dev/null"}]}])
    accept()
    drain(ORDINARY)
    assert Delivery.objects.get().state == "delivered"
    assert counters(ORDINARY) == {"delivered": 1}


def test_a_dead_first_host_of_a_route_costs_nothing_when_the_second_answers() -> None:
    with smtp_remote() as remote:
        configure(smtp_routes=[route("corp.example", 1, remote.port)])
        accept()
        drain(ORDINARY)
    assert len(remote.taken) == 1
    assert counters(ORDINARY) == {"delivered": 1}
    assert any("Connection Error: DCID" in text and "port: 1 " in text for text in log_texts())


def test_refused_and_deferred_recipients_share_a_transaction_with_accepted_ones() -> None:
    script: Script = {"RCPT": ["250 Ok", "450 4.2.1 later", "550 5.1.1 nobody", "250 Ok"]}
    with smtp_remote(script) as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        mid = accept([f"{name}@corp.example" for name in "abc"])
        drain(ORDINARY)
        make_due()
        drain(ORDINARY)
    assert [taken.recipients for taken in remote.taken] == [["a@corp.example"], ["b@corp.example"]]
    states = Recipient.objects.filter(message=mid).order_by("rid").values_list("state", flat=True)
    assert list(states) == ["delivered", "delivered", "bounced"]
    assert log_texts().count(f"Message finished MID {mid} done") == 1


def test_the_report_of_a_message_with_raw_bytes_goes_to_a_server_that_offers_nothing() -> None:
    header = "Subject: Größe\r\n".encode("latin-1") + b"X-Long: " + b"x" * 1200 + b"\r\n"
    with smtp_remote({"RCPT": "550 5.1.1 nobody"}) as remote, smtp_remote(offers=()) as senders:
        configure(smtp_routes=[route("corp.example", remote.port), route("example.net", senders.port)])
        accept(content=header + b"\r\nbody\r\n")
        drain(ORDINARY)
        drain(Destination("ordinary", "example.net"))
    (report,) = senders.taken
    assert (report.sender, report.recipients, report.mail_line) == ("", ["alice@example.net"], "MAIL FROM:<>")
    assert report.content.isascii()
    parts = list(message_from_bytes(report.content, policy=policy.default).iter_parts())
    assert parts[2].get_payload(decode=True) == header
    assert list(Delivery.objects.order_by("id").values_list("state", flat=True)) == ["bounced", "delivered"]


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 - the server is another thread
            await asyncio.sleep(0.05)


def _intake(port: int) -> None:
    configure(
        smtp_routes=[route("intake.example", port)],
        threat_defense_connector={"ca_certificates": authority().pem},
    )


def _accept_in_thread() -> None:
    try:
        accept()
    finally:
        connections.close_all()
