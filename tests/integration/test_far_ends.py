"""Servers with limits and habits of their own, through a whole drain: how messages fare whose connection ends, whose
recipients are too many, or whose bytes are eight bits wide."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connections

from seg_console.delivery import drain as drain_module
from seg_console.delivery import queue
from seg_console.delivery.drain import Drain
from seg_console.delivery.kinds import Claimed, Destination
from seg_console.delivery.models import Delivery, HostStatus
from seg_console.delivery.queue import Turn
from seg_console.mail.models import Message, Recipient
from tests.support.deliveries import INTAKE, accept, configure, counters, drain, log_texts, make_due, route
from tests.support.smtp_remote import Action, Later, OnEach, Remote, Script, Step, Then, UpTo, authority, smtp_remote

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis", "_empty_log")]

ORDINARY = Destination("ordinary", "corp.example")
TDC = Destination("tdc", "intake.example")


@pytest.fixture
def _empty_log() -> None:
    settings.SEG_MAIL_LOG.unlink(missing_ok=True)


@dataclass(frozen=True)
class Leg:
    """Where mail goes, and over what."""

    destination: Destination
    over_tls: bool

    @contextmanager
    def remote(self, folder: Path, script: Script, **options: Any) -> Iterator[Remote]:
        """The destination's server, to which everything is routed."""
        domain = self.destination.domain
        tls = authority().server(folder, domain) if self.over_tls else None
        with smtp_remote(script, tls=tls, **options) as remote:
            configure(
                smtp_routes=[route(domain, remote.port)],
                destination_controls=[{"domain": "corp.example", "tls": "required" if self.over_tls else "none"}],
                threat_defense_connector={"ca_certificates": authority().pem},
            )
            yield remote

    def accept(self) -> int:
        return accept(intake=INTAKE, original=False) if self.destination == TDC else accept()

    def drain(self) -> None:
        drain(self.destination, name="tdc" if self.destination == TDC else "delivery")


PLAIN, ENCRYPTED, COPIES = Leg(ORDINARY, False), Leg(ORDINARY, True), Leg(TDC, True)
LEGS = pytest.mark.parametrize("leg", [PLAIN, ENCRYPTED, COPIES], ids=["plain", "tls", "copies"])

# --- a session's end is not the message's fault ---

ENOUGH = b"421 4.7.0 Too many messages in this connection\r\n"
LEAVING: dict[str, Script] = {
    "closes behind each message": {"CONTENT": Then("250 2.0.0 Ok")},
    "says 421 behind each message": {"CONTENT": Then(b"250 2.0.0 Ok\r\n" + ENOUGH)},
    "says 421 to the third message": {"MAIL": OnEach(("250 Ok", "250 Ok", Then(ENOUGH)))},
    "closes at the third message": {"MAIL": OnEach(("250 Ok", "250 Ok", Action.DROP))},
    "resets at the third message": {"MAIL": OnEach(("250 Ok", "250 Ok", Action.RESET))},
}


@LEGS
@pytest.mark.parametrize("script", LEAVING.values(), ids=LEAVING)
def test_a_server_that_ends_connections_gets_every_message_once_and_at_the_first_attempt(
    leg: Leg, script: Script, tmp_path: Path
) -> None:
    with leg.remote(tmp_path, script) as remote:
        for _ in range(20):
            leg.accept()
        leg.drain()
    assert len(remote.taken) == 20
    assert set(Delivery.objects.values_list("state", "attempt")) == {("delivered", 1)}
    assert counters(leg.destination) == {"delivered": 20}
    assert HostStatus.objects.get().status == "up"
    assert [line for line in log_texts() if "Delayed" in line or "Connection Error" in line] == []


@LEGS
@pytest.mark.parametrize("goodbye", [b"", b"421 4.4.2 idle\r\n"], ids=["close", "421"])
def test_a_connection_that_was_idle_too_long_costs_nothing(leg: Leg, goodbye: bytes, tmp_path: Path) -> None:
    with leg.remote(tmp_path, {}, idle_s=0.1, idle_reply=goodbye) as remote:
        leg.accept()

        async def watch() -> None:
            running = asyncio.create_task(Drain(leg.destination.kind).run([leg.destination]))
            await _until(lambda: remote.idle_ends > 0)
            await asyncio.to_thread(_in_thread, leg.accept)
            await running

        asyncio.run(watch())
        # Should the first drain have found nothing to wait for any more.
        leg.drain()
    assert len(remote.taken) == 2
    assert set(Delivery.objects.values_list("state", "attempt")) == {("delivered", 1)}
    assert [line for line in log_texts() if "Delayed" in line] == []


def test_a_421_in_the_middle_keeps_the_verdicts_that_were_given_before_it() -> None:
    known, unknown, unheard = range(3), range(3, 22), range(22, 35)
    replies: list[Step] = ["250 Ok"] * len(known)
    replies += ["550 5.1.1 nobody"] * len(unknown) + [Then("421 4.7.0 Error: too many errors"), "250 Ok"]
    with smtp_remote({"RCPT": replies}) as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        mid = accept([f"r{rid}@corp.example" for rid in range(35)])
        drain(ORDINARY)
        row = Delivery.objects.get(domain="corp.example")
        assert (row.state, row.attempt) == ("queued", 1)
        assert [rid for rid, _ in row.recipients] == [*known, *unheard]
        assert _rids(mid, "bounced") == [*unknown]
        assert _rids(mid, "queued") == [*known, *unheard]
        assert counters(ORDINARY) == {"soft_bounced": 16, "reply_hard_bounced": 19}
        lines = log_texts()
        assert [line for line in lines if line.startswith("Delivery start")] == [
            f"Delivery start DCID 1 MID {mid} to RID {list(range(35))}"
        ]
        assert sum(line.startswith("Bounced: ") for line in lines) == 19
        assert Message.objects.filter(parent_mid=mid).count() == 1
        make_due()
        drain(ORDINARY)
    (taken,) = remote.taken
    assert taken.recipients == [f"r{rid}@corp.example" for rid in [*known, *unheard]]
    assert _rids(mid, "delivered") == [*known, *unheard]
    assert log_texts().count(f"Message finished MID {mid} done") == 1


# --- more recipients than a server takes ---

TOO_MANY = ["452 4.5.3 Error: too many recipients", "452 too many", "552 5.5.3 Too many recipients"]


@pytest.mark.parametrize("reply", TOO_MANY)
@pytest.mark.parametrize(("asked", "taken"), [(None, 30), (1000, 100)])
def test_a_thousand_recipients_reach_a_server_that_takes_few_at_a_time(
    reply: str, asked: int | None, taken: int
) -> None:
    addresses = [f"r{rid}@corp.example" for rid in range(1000)]
    with smtp_remote({"RCPT": UpTo(taken, "250 2.1.5 Ok", reply)}) as remote:
        control = {"domain": "corp.example"} | ({"max_recipients_per_transaction": asked} if asked else {})
        configure(smtp_routes=[route("corp.example", remote.port)], destination_controls=[control])
        mid = accept(addresses)
        drain(ORDINARY)
    assert Counter(address for each in remote.taken for address in each.recipients) == Counter(addresses)
    assert max(len(each.recipients) for each in remote.taken) <= taken
    row = Delivery.objects.get()
    assert (row.state, row.attempt, row.recipients) == ("delivered", 1, [])
    assert _rids(mid, "delivered") == list(range(1000))
    assert counters(ORDINARY) == {"delivered": 1000}
    assert [line for line in log_texts() if "Delayed" in line] == []
    assert log_texts().count(f"Message finished MID {mid} done") == 1


def test_a_transaction_has_fifty_recipients_unless_said_otherwise() -> None:
    with smtp_remote() as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        mid = accept([f"r{rid}@corp.example" for rid in range(120)])
        drain(ORDINARY)
    assert [len(each.recipients) for each in remote.taken] == [50, 50, 20]
    starts = [line.partition(" to ")[2] for line in log_texts() if line.startswith("Delivery start")]
    assert starts == [f"RID {list(rids)}" for rids in (range(50), range(50, 100), range(100, 120))]
    assert _rids(mid, "delivered") == list(range(120))


def test_a_message_whose_claim_passed_to_another_worker_goes_on_in_no_further_transaction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_turn = queue.take_turn

    def lose_it(turn: Turn, *, now: datetime) -> list[list[Claimed]]:
        claimed = take_turn(turn, now=now)
        if turn.attempts:
            # As if the lease had ended while this worker stood still, and another had claimed the rest.
            Delivery.objects.update(attempt=2)
        return claimed

    monkeypatch.setattr(queue, "take_turn", lose_it)
    with smtp_remote() as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        accept([f"p{number}@corp.example" for number in range(200)])
        drain(ORDINARY)
    assert [len(taken.recipients) for taken in remote.taken] == [50, 50]
    row = Delivery.objects.get()
    assert (row.state, row.attempt, row.recipient_count) == ("delivering", 2, 150)
    assert Recipient.objects.filter(state="delivered").count() == 50


def test_recipients_put_off_for_another_reason_wait_for_the_next_attempt() -> None:
    replies = ["250 Ok"] * 10 + ["450 4.7.1 Greylisted, come back later"] * 3 + ["250 Ok"]
    with smtp_remote({"RCPT": replies}) as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        mid = accept([f"r{rid}@corp.example" for rid in range(120)])
        drain(ORDINARY)
    assert remote.counts["RCPT"] == 120
    row = Delivery.objects.get()
    assert (row.state, row.attempt, [rid for rid, _ in row.recipients]) == ("queued", 1, [10, 11, 12])
    assert row.last_status == "4.7.1"
    assert _rids(mid, "queued") == [10, 11, 12]
    assert counters(ORDINARY) == {"delivered": 117, "soft_bounced": 3}


def test_a_server_that_has_room_for_nobody_is_left_alone_until_the_next_attempt() -> None:
    with smtp_remote({"RCPT": "452 4.5.3 Too many recipients"}) as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        accept([f"r{rid}@corp.example" for rid in range(120)])
        drain(ORDINARY)
    assert remote.counts["RCPT"] <= 120
    row = Delivery.objects.get()
    assert (row.state, row.attempt, row.recipient_count, row.last_status) == ("queued", 1, 120, "4.5.3")


# --- eight bits ---

EIGHT_BIT = "Subject: Grüße\r\n\r\nGrüße\r\n".encode() + b"\xe4\xf6\xfc " + b"x" * 3000 + b"\r\n"


@LEGS
def test_eight_bits_and_long_lines_go_as_they_are_to_a_server_that_offers_nothing(leg: Leg, tmp_path: Path) -> None:
    with leg.remote(tmp_path, {}, offers=()) as remote:
        copies = leg.destination == TDC
        accept(content=EIGHT_BIT, intake=INTAKE if copies else None, original=not copies)
        leg.drain()
    (taken,) = remote.taken
    assert EIGHT_BIT in taken.content
    assert "BODY=" not in taken.mail_line
    assert set(Delivery.objects.values_list("state", "attempt")) == {("delivered", 1)}


# --- limits at the far end ---


@pytest.mark.parametrize("over_tls", [False, True], ids=["plain", "tls"])
def test_two_drains_at_once_never_have_a_third_connection_at_a_server_that_is_slow_to_close(
    over_tls: bool, tmp_path: Path
) -> None:
    tls = authority().server(tmp_path, "corp.example") if over_tls else None
    script: Script = {"CONTENT": Later(0.01, "250 Ok"), "QUIT": Later(0.05, "221 Bye")}
    with smtp_remote(script, tls=tls) as remote:
        control = {"domain": "corp.example", "max_connections": 2, "max_messages_per_connection": 3}
        control |= {"tls": "required" if over_tls else "none"}
        configure(smtp_routes=[route("corp.example", remote.port)], destination_controls=[control])
        for _ in range(40):
            accept()
        both = [threading.Thread(target=_in_thread, args=(lambda: drain(ORDINARY),)) for _ in range(2)]
        for each in both:
            each.start()
        for each in both:
            each.join()
        drain(ORDINARY)
    assert len(remote.taken) == 40
    assert remote.most_open <= 2
    assert remote.connections >= 40 / 3
    assert set(Delivery.objects.values_list("state", "attempt")) == {("delivered", 1)}


# --- patience ---


def test_a_drain_that_is_old_keeps_a_connection_whose_server_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain_module, "RUN_S", 0.2)
    with smtp_remote({"CONNECT": Later(1.0, "220 at last"), "MAIL": Later(0.2, "250 Ok")}) as remote:
        configure(
            smtp_routes=[route("corp.example", remote.port)],
            destination_controls=[{"domain": "corp.example", "max_connections": 1}],
        )
        for _ in range(5):
            accept()
        drain(ORDINARY)
    assert (len(remote.taken), remote.connections) == (5, 1)
    assert set(Delivery.objects.values_list("state", "attempt")) == {("delivered", 1)}


def _rids(mid: int, state: str) -> list[int]:
    return list(Recipient.objects.filter(message=mid, state=state).order_by("rid").values_list("rid", flat=True))


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not reached():  # noqa: ASYNC110 - the server is another thread
            await asyncio.sleep(0.02)


def _in_thread(function: Callable[[], object]) -> None:
    try:
        function()
    finally:
        connections.close_all()
