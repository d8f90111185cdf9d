"""The moves of docs/states.md on a real database: conditional, in batches, and safe against workers that die."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from seg_console.config import running
from seg_console.delivery import queue
from seg_console.delivery.delete import delete
from seg_console.delivery.kinds import Claimed, Destination
from seg_console.delivery.models import Delivery, HostStatus
from seg_console.delivery.outcome import Failure, Outcome, Stage, expired
from seg_console.delivery.queue import Demand, Turn
from seg_console.delivery.settle import Attempted, settle
from seg_console.mail.models import Message, Recipient, TrackingEvent
from tests.support.deliveries import INTAKE, accept, configure, counters, drain, log_texts, route
from tests.support.smtp_remote import smtp_remote

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis", "_empty_log")]

ORDINARY = Destination("ordinary", "corp.example")
TDC = Destination("tdc", "intake.example")
OK = Outcome(None, Stage.CONTENT, 250, ("2.0.0 Ok",))
LATER = Outcome(Failure.REPLY, Stage.RCPT, 450, ("4.2.1 later",))
NEVER = Outcome(Failure.REPLY, Stage.RCPT, 550, ("5.1.1 nobody",))


@pytest.fixture
def _empty_log() -> None:
    settings.SEG_MAIL_LOG.unlink(missing_ok=True)


def claim(destination: Destination = ORDINARY, *, rows: int = 100, octets: int = 10**8) -> list[Claimed]:
    with transaction.atomic():
        return queue.claim(Demand(destination, rows, octets), now=timezone.now())


def ended(claimed: Claimed, *outcomes: Outcome | None) -> Attempted:
    return Attempted(
        claimed=claimed,
        outcomes=outcomes or (OK,) * len(claimed.recipients),
        at=timezone.now(),
        transaction=tuple(rid for rid, _ in claimed.recipients),
        dcid=7,
    )


def recipients(mid: int) -> list[str]:
    return list(Recipient.objects.filter(message=mid).order_by("rid").values_list("state", flat=True))


def lease_ends() -> datetime:
    Delivery.objects.filter(state="delivering").update(lease_until=timezone.now() - timedelta(seconds=1))
    return timezone.now()


def test_a_claim_counts_the_attempt_and_writes_the_lease_before_anybody_dials() -> None:
    accept()
    (claimed,) = claim()
    row = Delivery.objects.get()
    assert (row.state, row.attempt, claimed.attempt) == ("delivering", 1, 1)
    assert row.lease_until is not None
    assert row.lease_until > timezone.now()
    assert claim() == []


def test_a_claim_is_bounded_in_rows_and_octets_but_always_takes_one() -> None:
    for _ in range(5):
        accept(content=b"x" * 1000)
    assert len(claim(rows=1)) == 1
    assert len(claim(octets=2500)) == 2
    assert len(claim(octets=10)) == 1


def test_what_is_released_untried_has_its_attempt_back() -> None:
    accept()
    assert queue.release(claim()) == 1
    row = Delivery.objects.get()
    assert (row.state, row.attempt, row.lease_until) == ("queued", 0, None)


def test_a_worker_that_dies_leaves_its_claim_to_the_next_one() -> None:
    with smtp_remote() as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        accept()
        claim()  # and never heard of again
        assert queue.leases_over(timezone.now()) == 0
        assert queue.leases_over(lease_ends()) == 1
        drain(ORDINARY)
        drain(ORDINARY)
    assert len(remote.taken) == 1
    assert (Delivery.objects.get().state, Delivery.objects.get().attempt) == ("delivered", 2)


def test_a_worker_that_comes_back_late_changes_nothing() -> None:
    accept()
    (late,) = claim()
    queue.leases_over(lease_ends())
    (present,) = claim()
    assert settle([ended(late, NEVER)], now=timezone.now()).late == 1
    assert queue.release([late]) == queue.renew([late], now=timezone.now()) == 0
    assert Delivery.objects.get().state == "delivering"
    assert settle([ended(present)], now=timezone.now()).count == 1
    assert (Delivery.objects.get().state, Message.objects.get().outstanding) == ("delivered", 0)
    assert not TrackingEvent.objects.filter(kind__in=["bounced", "delayed"]).exists()


def test_a_copy_whose_worker_died_twice_is_given_up() -> None:
    accept(intake=INTAKE, original=False)
    for _ in range(2):
        claim(TDC)
        queue.leases_over(lease_ends())
    assert Delivery.objects.get().state == "bounced"
    assert counters(TDC) == {"other_hard_bounced": 1, "unconfirmed": 1}


def test_each_recipient_of_a_delivery_is_settled_on_its_own() -> None:
    mid = accept([f"{name}@corp.example" for name in "abc"])
    (claimed,) = claim()
    settle([ended(claimed, OK, LATER, NEVER)], now=timezone.now())
    row = Delivery.objects.get(message=mid)
    assert (row.state, row.recipients, row.recipient_count) == ("queued", [[1, "b@corp.example"]], 1)
    assert recipients(mid) == ["delivered", "queued", "bounced"]
    assert counters(ORDINARY) == {"delivered": 1, "soft_bounced": 1, "reply_hard_bounced": 1}
    Delivery.objects.filter(message=mid).update(due_at=timezone.now())
    (again,) = claim()
    assert again.recipients == ((1, "b@corp.example"),)
    settle([ended(again)], now=timezone.now())
    message = Message.objects.get(mid=mid)
    assert (Delivery.objects.get(message=mid).state, message.state, message.outstanding) == ("delivered", "bounced", 0)


def test_an_attempt_goes_on_with_the_recipients_that_a_transaction_left() -> None:
    mid = accept([f"{name}@corp.example" for name in "abcd"])
    (claimed,) = claim()
    before = Delivery.objects.get()
    assert settle([ended(claimed, OK, None, NEVER, None)], now=timezone.now()).count == 1
    row = Delivery.objects.get(message=mid)
    assert (row.state, row.attempt, row.lease_until, row.due_at) == (
        "delivering",
        1,
        before.lease_until,
        before.due_at,
    )
    assert (row.recipients, row.recipient_count) == ([[1, "b@corp.example"], [3, "d@corp.example"]], 2)
    assert (row.last_status, row.last_text) == ("5.1.0", "5.1.1 nobody")
    assert recipients(mid) == ["delivered", "queued", "bounced", "queued"]
    assert counters(ORDINARY) == {"delivered": 1, "reply_hard_bounced": 1}
    assert f"Message finished MID {mid} done" not in log_texts()
    assert claim() == []

    rest = replace(claimed, recipients=((1, "b@corp.example"), (3, "d@corp.example")))
    assert settle([ended(rest, OK, LATER)], now=timezone.now()).count == 1
    row.refresh_from_db()
    assert (row.state, row.attempt, row.recipients) == ("queued", 1, [[3, "d@corp.example"]])
    assert recipients(mid) == ["delivered", "delivered", "bounced", "queued"]
    assert counters(ORDINARY) == {"delivered": 2, "soft_bounced": 1, "reply_hard_bounced": 1}


def test_what_a_transaction_left_undecided_is_neither_logged_nor_counted() -> None:
    mid = accept([f"{name}@corp.example" for name in "ab"])
    (claimed,) = claim()
    before = log_texts()
    settle([ended(claimed, None, None)], now=timezone.now())
    row = Delivery.objects.get(message=mid)
    assert (row.state, row.recipient_count, row.last_text) == ("delivering", 2, "")
    assert counters(ORDINARY) == {}
    assert log_texts() == before


def test_a_soft_failure_goes_on_with_the_attempt_even_without_a_retry_left() -> None:
    mid = accept([f"{name}@corp.example" for name in "abc"])
    Delivery.objects.update(attempt=100)
    (claimed,) = claim()
    settle([ended(claimed, NEVER, LATER, None)], now=timezone.now())
    row = Delivery.objects.get(message=mid)
    assert (row.state, row.recipients) == ("delivering", [[1, "b@corp.example"], [2, "c@corp.example"]])
    assert counters(ORDINARY) == {"reply_hard_bounced": 1}


def test_a_transaction_that_is_brought_twice_counts_once() -> None:
    mid = accept([f"{name}@corp.example" for name in "ab"])
    (claimed,) = claim()
    settle([ended(claimed, OK, None)], now=timezone.now())
    before = log_texts()
    assert settle([ended(claimed, OK, None)], now=timezone.now()).late == 1
    assert counters(ORDINARY) == {"delivered": 1}
    assert TrackingEvent.objects.filter(message=mid, kind="delivered").count() == 1
    assert log_texts() == before


def test_a_worker_that_dies_between_two_transactions_leaves_only_the_rest() -> None:
    with smtp_remote() as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        accept(["a@corp.example", "b@corp.example"])
        (claimed,) = claim()
        settle([ended(claimed, OK, None)], now=timezone.now())
        assert queue.leases_over(lease_ends()) == 1
        drain(ORDINARY)
    assert [taken.recipients for taken in remote.taken] == [["b@corp.example"]]
    assert (Delivery.objects.get().state, Delivery.objects.get().attempt) == ("delivered", 2)


def test_delivery_start_names_every_recipient_of_the_transaction_once() -> None:
    mid = accept([f"{name}@corp.example" for name in "abcde"])
    (claimed,) = claim()
    sent = replace(ended(claimed, NEVER, OK, None, None, LATER), transaction=(0, 1, 4))
    settle([sent], now=timezone.now())
    starts = [text for text in log_texts() if "elivery start" in text or "RID 0 -" in text]
    assert starts[0] == f"Delivery start DCID 7 MID {mid} to RID [0, 1, 4]"
    assert starts[1].startswith(f"Bounced: DCID 7 MID {mid} to RID 0 -")
    assert len(starts) == 2
    assert TrackingEvent.objects.get(message=mid, kind="bounced").data["transaction"] == [0, 1, 4]
    assert TrackingEvent.objects.get(message=mid, kind="delivered").data["transaction"] == []


def test_a_long_reply_is_stored_whole() -> None:
    accept()
    (claimed,) = claim()
    text = "5.1.1 " + "x" * 70_000
    settle([ended(claimed, replace(NEVER, lines=(text,)))], now=timezone.now())
    assert Delivery.objects.get(pk=claimed.id).last_text == text
    assert HostStatus.objects.get(domain="corp.example").last_5xx_text == f"550 {text}"


def test_a_hard_bounce_is_reported_to_the_sender_once_and_a_report_never() -> None:
    mid = accept()
    (claimed,) = claim()
    settle([ended(claimed, NEVER)], now=timezone.now())
    report = Message.objects.exclude(mid=mid).get()
    assert (report.envelope_sender, report.icid, report.outstanding) == ("", 0, 1)
    assert report.body is not None
    assert b"5.1.1 nobody" in bytes(report.body.content)
    assert f"MID {report.mid} was generated for bounce of MID {mid}" in log_texts()
    (second,) = claim(Destination("ordinary", "example.net"))
    settle([ended(second, NEVER)], now=timezone.now())
    assert Message.objects.count() == 2
    assert any(text.startswith(f"Double bounce: MID {report.mid} to RID 0") for text in log_texts())


def test_a_message_is_finished_once_when_original_and_copy_have_ended() -> None:
    mid = accept(intake=INTAKE)
    originals, copies = claim(), claim(TDC)
    settle([ended(originals[0])], now=timezone.now())
    assert f"Message finished MID {mid} done" not in log_texts()
    settle([ended(copies[0])], now=timezone.now())
    assert log_texts().count(f"Message finished MID {mid} done") == 1


def test_two_settlers_at_once_finish_each_message_once() -> None:
    mids = [accept(intake=INTAKE) for _ in range(20)]
    originals, copies = claim(), claim(TDC)
    copies.reverse()
    _at_once(
        lambda: settle([ended(each) for each in originals], now=timezone.now()),
        lambda: settle([ended(each) for each in copies], now=timezone.now()),
    )
    finished = [text for text in log_texts() if text.startswith("Message finished")]
    assert len([text for text in finished if int(text.split()[3]) in mids]) == 20
    assert set(Message.objects.values_list("outstanding", flat=True)) == {0}


def test_two_drains_deliver_each_message_once() -> None:
    with smtp_remote() as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        for number in range(60):
            accept(content=b"Subject: %d\r\n\r\n\r\n" % number)
        _at_once(lambda: drain(ORDINARY), lambda: drain(ORDINARY))
    assert len(remote.taken) == len({taken.content for taken in remote.taken}) == 60
    assert set(Delivery.objects.values_list("state", "attempt")) == {("delivered", 1)}
    assert counters(ORDINARY) == {"delivered": 60}


def test_the_number_of_queries_does_not_depend_on_the_size_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    # The look for a newer configuration comes by the clock, not by the message.
    held = running.current()
    monkeypatch.setattr(running, "current", lambda: held)

    def queries(size: int) -> int:
        for _ in range(size):
            accept()
        claimed = claim()
        assert len(claimed) == size
        turn = Turn(attempts=[ended(each) for each in claimed], demands=[Demand(ORDINARY, 10, 10**6)])
        with CaptureQueriesContext(connection) as captured:
            queue.take_turn(turn, now=timezone.now())
        return len(captured)

    queries(1)  # what is only asked once
    assert queries(2) == queries(40)


def test_the_queue_is_claimed_and_swept_by_index() -> None:
    accept()
    rows = queue._to_claim(ORDINARY, timezone.now()).order_by("due_at", "id").values_list("id", "size")
    if connection.vendor == "sqlite":
        assert "delivery_to_claim" in rows.explain()


def test_an_administrators_retry_makes_waiting_mail_due_and_lets_a_dead_host_be_tried() -> None:
    accept()
    (claimed,) = claim()
    settle([ended(claimed, LATER)], now=timezone.now())
    HostStatus.objects.update(status="down", next_probe_at=timezone.now() + timedelta(hours=1))
    assert queue.due(timezone.now()) == []
    assert queue.retry([ORDINARY], now=timezone.now()) == 1
    assert queue.due(timezone.now()) == [ORDINARY]
    assert Delivery.objects.get().attempt == 1


def test_deleting_ends_what_waits_and_leaves_what_is_being_delivered() -> None:
    first, second = accept(), accept()
    (held,) = claim(rows=1)
    assert delete(Delivery.objects.values_list("pk", flat=True), now=timezone.now()) == 1
    assert Delivery.objects.get(message=second).state == "deleted"
    assert Delivery.objects.get(message=first).pk == held.id
    assert Recipient.objects.get(message=second).state == "deleted"
    assert Message.objects.get(mid=second).state == "deleted"
    assert counters(ORDINARY) == {"deleted": 1}


def test_ordinary_mail_expires_when_its_next_attempt_would_be_made_and_is_reported() -> None:
    now = timezone.now()
    mid = accept(now=now - timedelta(hours=73))
    Delivery.objects.update(due_at=now + timedelta(seconds=1))
    assert queue.expire(now) == 0
    assert queue.expire(now + timedelta(seconds=1)) == 1
    assert Delivery.objects.get(message=mid).state == "expired"
    assert Message.objects.count() == 2
    assert counters(ORDINARY) == {"expired_hard_bounced": 1}


def test_a_claim_found_too_old_before_mail_from_expires() -> None:
    accept(intake=INTAKE, original=False)
    (claimed,) = claim(TDC)
    settle([ended(claimed, expired())], now=timezone.now())
    assert Delivery.objects.get().state == "expired"
    assert counters(TDC) == {"expired_hard_bounced": 1}


def test_a_rolled_back_settlement_leaves_the_claim_and_says_nothing() -> None:
    accept()
    (claimed,) = claim()
    before = log_texts()
    with transaction.atomic():
        settle([ended(claimed)], now=timezone.now())
        transaction.set_rollback(True)
    assert Delivery.objects.get().state == "delivering"
    assert log_texts() == before


def _at_once(*calls: Callable[[], Any]) -> None:
    errors: list[BaseException] = []

    def run(call: Callable[[], Any]) -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
