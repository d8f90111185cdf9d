"""What cannot be stored takes nothing with it: the rest of its turn or sweep is stored once, and it is held."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from seg_console.delivery import hold, queue, settle, status
from seg_console.delivery.delete import delete
from seg_console.delivery.hosts import News
from seg_console.delivery.kinds import Claimed, Destination
from seg_console.delivery.models import Delivery, HostStatus
from seg_console.delivery.outcome import Failure, Outcome, Stage
from seg_console.delivery.queue import Demand, Turn
from seg_console.delivery.reports import Undelivered
from seg_console.delivery.settle import Attempted
from seg_console.mail import events
from seg_console.mail.models import Message, Recipient, TrackingEvent
from tests.support.deliveries import INTAKE, accept, configure, counters, drain, log_texts, route
from tests.support.smtp_remote import smtp_remote

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis", "_empty_log")]

ORDINARY = Destination("ordinary", "corp.example")
OTHER = Destination("ordinary", "other.example")
TDC = Destination("tdc", "intake.example")
OK = Outcome(None, Stage.CONTENT, 250, ("2.0.0 Ok",))
NEVER = Outcome(Failure.REPLY, Stage.RCPT, 550, ("5.1.1 nobody",))
# What reading a reply leaves out; here it stands for any value that a database refuses.
SURROGATE = replace(NEVER, lines=("5.1.1 Empf\udce4nger unbekannt",))
NUL = replace(NEVER, lines=("5.1.1 no\0body",))


@pytest.fixture
def _empty_log() -> None:
    settings.SEG_MAIL_LOG.unlink(missing_ok=True)


def claim(destination: Destination = ORDINARY) -> list[Claimed]:
    with transaction.atomic():
        return queue.claim(Demand(destination, 100, 10**8), now=timezone.now())


def ended(claimed: Claimed, outcome: Outcome = OK) -> Attempted:
    rids = tuple(rid for rid, _ in claimed.recipients)
    return Attempted(claimed, (outcome,) * len(rids), timezone.now(), transaction=rids, dcid=7)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def state_of(mid: int) -> tuple[str, str]:
    row = Delivery.objects.get(message=mid)
    return row.state, row.last_text


def failing_for(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, mid: int, mid_of: Callable[[Any], int | None]
) -> None:
    """The function of a module raises for one message."""
    real = getattr(module, name)

    def fails(items: Sequence[Any], **given: Any) -> Any:
        if any(mid_of(item) == mid for item in items):
            raise TypeError("a fault of ours")
        return real(items, **given)

    monkeypatch.setattr(module, name, fails)


def of_event(event: events.Event) -> int | None:
    return event.mid if isinstance(event, events.MessageEvent) else None


def of_undelivered(undelivered: Undelivered) -> int:
    return undelivered.claimed.mid


NONSENSE = replace(NEVER, lines=cast(Any, [7]))
REFUSED = [pytest.param(SURROGATE, id="surrogate"), pytest.param(NONSENSE, id="nonsense")]
if connection.vendor == "postgresql":
    REFUSED.append(pytest.param(NUL, id="NUL"))


@pytest.mark.parametrize("refused", REFUSED)
def test_an_outcome_that_cannot_be_stored_takes_no_other_with_it(
    refused: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    first, bad, second = accept(), accept(), accept(["x@other.example"])
    nobody, waiting = accept(["y@other.example"]), accept(["z@third.example"])
    mine, others = claim(), claim(OTHER)
    untried = claim(Destination("ordinary", "third.example"))
    at = timezone.now()
    turn = Turn(
        attempts=[ended(mine[0]), ended(mine[1], refused), ended(others[0]), ended(others[1], NEVER)],
        events=[events.DeliveryConnectionClosed(at=at, dcid=7)],
        news=[News(ORDINARY, up=True, at=at)],
        released=untried,
        demands=[Demand(Destination("ordinary", "third.example"), 10, 10**6), Demand(ORDINARY, 10, 10**6)],
    )
    before = len(log_texts())
    with caplog.at_level(logging.WARNING):
        claimed, none = queue.take_turn(turn, now=at)

    assert [state_of(mid)[0] for mid in (first, second, nobody, waiting)] == [
        "delivered",
        "delivered",
        "bounced",
        "delivering",
    ]
    assert [each.mid for each in claimed] == [waiting]
    assert none == []
    row = Delivery.objects.get(message=bad)
    assert (row.state, row.attempt, row.lease_until, row.ended_at) == ("held", 1, None, None)
    assert row.recipients == [[0, "bob@corp.example"]]
    assert row.last_text.startswith("outcome could not be stored: ")
    assert row.last_text.isascii()
    assert (Message.objects.get(mid=bad).outstanding, Message.objects.get(mid=bad).state) == (1, "queued")
    assert Recipient.objects.get(message=bad).state == "queued"
    assert counters(ORDINARY) == {"delivered": 1}
    assert HostStatus.objects.get(domain="corp.example").status == "up"
    assert counters(OTHER) == {"delivered": 1, "reply_hard_bounced": 1}

    texts = log_texts()[before:]
    report = Message.objects.get(envelope_sender="")
    assert [text for text in texts if not text.startswith(("Start MID", f"MID {report.mid} "))] == [
        "DCID 7 close",
        f"Delivery start DCID 7 MID {first} to RID [0]",
        f"Message done DCID 7 MID {first} to RID [0] ",
        f"MID {first} RID [0] Response '2.0.0 Ok'",
        f"Message finished MID {first} done",
        f"MID {bad} held: its outcome at corp.example could not be stored",
        f"Delivery start DCID 7 MID {second} to RID [0]",
        f"Message done DCID 7 MID {second} to RID [0] ",
        f"MID {second} RID [0] Response '2.0.0 Ok'",
        f"Message finished MID {second} done",
        f"Delivery start DCID 7 MID {nobody} to RID [0]",
        f"Bounced: DCID 7 MID {nobody} to RID 0 - Bounced by destination server with response: "
        "5.1.0 - Unknown address error ('550', ['5.1.1 nobody']) []",
        f"Message finished MID {nobody} done",
    ]
    assert f" Warning: MID {bad} held" in settings.SEG_MAIL_LOG.read_text()
    (error,) = errors(caplog)
    assert error == f"held, its outcome could not be stored: MID {bad} to 'corp.example': 1 x {refused!a}"
    assert error.isascii()


def test_an_event_that_cannot_be_recorded_holds_its_message_alone_and_without_a_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = accept(), accept()
    attempts = [ended(each) for each in claim()]
    failing_for(monkeypatch, settle, "record", bad, of_event)
    failing_for(monkeypatch, hold, "record", bad, of_event)
    queue.take_turn(Turn(attempts=attempts), now=timezone.now())
    assert state_of(good) == ("delivered", "")
    assert state_of(bad) == ("held", "outcome could not be stored: TypeError")
    assert counters(ORDINARY) == {"delivered": 1}
    assert not any(f"MID {bad} held" in text for text in log_texts())
    (error,) = errors(caplog)
    assert error == f"held, its outcome could not be stored: MID {bad} to 'corp.example': 1 x {OK!a}"


def test_a_report_that_cannot_be_built_keeps_no_other_sender_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = accept(sender="one@example.net"), accept(sender="two@example.org")
    attempts = [ended(each, NEVER) for each in claim()]
    failing_for(monkeypatch, settle, "report", bad, of_undelivered)
    queue.take_turn(Turn(attempts=attempts), now=timezone.now())
    assert state_of(good)[0] == "bounced"
    assert state_of(bad)[0] == "held"
    assert list(Message.objects.filter(envelope_sender="").values_list("recipients__address")) == [("one@example.net",)]
    assert counters(ORDINARY) == {"reply_hard_bounced": 1}


def test_a_database_that_goes_away_half_way_is_told_and_what_was_stored_is_not_stored_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, bad, last = accept(), accept(), accept()
    one, refused, three = claim()
    at = timezone.now()
    turn = Turn(
        attempts=[ended(one), ended(refused, SURROGATE), ended(three)],
        events=[events.DeliveryConnectionClosed(at=at, dcid=7)],
        news=[News(ORDINARY, up=True, at=at)],
    )
    real = settle.settle

    def away_at_the_last(attempts: Sequence[Attempted], **given: Any) -> Any:
        if [each.claimed.mid for each in attempts] == [last]:
            raise OperationalError("server closed the connection unexpectedly")
        return real(attempts, **given)

    with monkeypatch.context() as patched:
        patched.setattr(queue, "settle", away_at_the_last)
        with pytest.raises(OperationalError):
            queue.take_turn(turn, now=at)
    queue.take_turn(turn, now=at)
    assert [state_of(mid)[0] for mid in (first, bad, last)] == ["delivered", "held", "delivered"]
    assert counters(ORDINARY) == {"delivered": 2}
    for text in ("DCID 7 close", *(f"Message finished MID {mid} done" for mid in (first, last))):
        assert log_texts().count(text) == 1
    assert len(errors(caplog)) == 1


def test_a_database_that_is_away_holds_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept()
    turn = Turn(attempts=[ended(each) for each in claim()])

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("the database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(settle, "record", away)
        with pytest.raises(OperationalError):
            queue.take_turn(turn, now=timezone.now())
    assert Delivery.objects.get().state == "delivering"
    assert errors(caplog) == []
    queue.take_turn(turn, now=timezone.now())
    assert Delivery.objects.get().state == "delivered"


def test_a_claim_that_fails_costs_only_its_own_destination(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done, mine, others = accept(), accept(), accept(["x@other.example"])
    Delivery.objects.filter(message=mine).update(due_at=timezone.now() + timedelta(seconds=60))
    attempts = [ended(each) for each in claim()]
    Delivery.objects.filter(message=mine).update(due_at=timezone.now())
    real = queue._read

    def fails(ids: Sequence[int], destination: Destination) -> list[Claimed]:
        if destination == ORDINARY:
            raise ValueError("a fault of ours")
        return real(ids, destination)

    monkeypatch.setattr(queue, "_read", fails)
    turn = Turn(attempts=attempts, demands=[Demand(ORDINARY, 5, 10**6), Demand(OTHER, 5, 10**6)])
    nothing, claimed = queue.take_turn(turn, now=timezone.now())
    assert nothing == []
    assert [each.mid for each in claimed] == [others]
    assert state_of(done) == ("delivered", "")
    assert (Delivery.objects.get(message=mine).state, Delivery.objects.get(message=mine).attempt) == ("queued", 0)
    assert counters(ORDINARY) == {"delivered": 1}
    (error,) = errors(caplog)
    assert error.startswith("nothing claimed: Demand(")


def test_a_row_that_cannot_even_be_held_is_left_to_its_lease(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = accept(), accept()
    one, two = claim()

    def fails(*_: Any) -> bool:
        raise ValueError("a fault of ours")

    monkeypatch.setattr(hold, "_hold", fails)
    queue.take_turn(Turn(attempts=[ended(two, SURROGATE), ended(one)]), now=timezone.now())
    assert [state_of(mid)[0] for mid in (good, bad)] == ["delivered", "delivering"]
    (error,) = errors(caplog)
    assert error.startswith(f"could not be held: MID {bad} to 'corp.example'")
    assert queue.leases_over(lease_ends()) == 1
    assert state_of(bad)[0] == "queued"


def test_an_outcome_that_comes_too_late_and_cannot_be_stored_holds_nothing() -> None:
    accept()
    (late,) = claim()
    queue.leases_over(lease_ends())
    claim()
    queue.take_turn(Turn(attempts=[ended(late, SURROGATE)]), now=timezone.now())
    hold.hold(ended(late, SURROGATE), ValueError(), now=timezone.now())
    assert Delivery.objects.get().state == "delivering"
    assert not TrackingEvent.objects.filter(kind="held").exists()


def test_a_lease_that_cannot_be_given_up_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    used_up, bad, again = (accept(intake=INTAKE, original=False) for _ in range(3))
    Delivery.objects.exclude(message=again).update(attempt=1)
    claim(TDC)
    failing_for(monkeypatch, settle, "record", bad, of_event)
    assert queue.leases_over(lease_ends()) == 2
    assert [state_of(mid)[0] for mid in (used_up, bad, again)] == ["bounced", "held", "queued"]
    assert counters(TDC) == {"other_hard_bounced": 1, "unconfirmed": 1}
    (error,) = errors(caplog)
    assert f"MID {bad} to 'intake.example': 1 x Outcome(failure=<Failure.UNKNOWN" in error
    assert queue.leases_over(timezone.now() + timedelta(hours=1)) == 0


def test_an_expiry_that_cannot_be_stored_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    first, bad, last = (accept(now=now - timedelta(hours=73)) for _ in range(3))
    failing_for(monkeypatch, settle, "report", bad, of_undelivered)
    assert queue.expire(now) == 2
    assert [state_of(mid)[0] for mid in (first, bad, last)] == ["expired", "held", "expired"]
    assert Message.objects.filter(envelope_sender="").count() == 2
    assert f"MID {bad} held: its outcome at corp.example could not be stored" in log_texts()
    assert queue.expire(now + timedelta(hours=1)) == 0
    assert state_of(bad) == ("held", "outcome could not be stored: TypeError")


def test_a_row_that_cannot_be_read_stops_no_sweep() -> None:
    now = timezone.now()
    good, bad = accept(now=now - timedelta(hours=73)), accept(now=now - timedelta(hours=73))
    Delivery.objects.filter(message=bad).update(recipients=7)
    assert queue.expire(now) == 1
    assert [state_of(mid)[0] for mid in (good, bad)] == ["expired", "held"]


def test_what_is_held_waits_until_an_administrator_retries_it() -> None:
    mid = held()
    now = timezone.now()
    assert claim() == []
    assert queue.leases_over(now + timedelta(days=9)) == queue.expire(now + timedelta(days=9)) == 0
    assert queue.due(now) == []
    assert queue.forget(now + timedelta(days=9)) == 0
    assert f"Message finished MID {mid} done" not in log_texts()
    with smtp_remote() as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        assert queue.retry([ORDINARY], now=timezone.now()) == 1
        row = Delivery.objects.get(message=mid)
        assert (row.state, row.attempt) == ("queued", 1)
        assert row.due_at <= timezone.now()
        drain(ORDINARY)
    assert len(remote.taken) == 1
    assert (Delivery.objects.get(message=mid).state, Delivery.objects.get(message=mid).attempt) == ("delivered", 2)
    assert log_texts().count(f"Message finished MID {mid} done") == 1


def test_what_is_held_can_be_deleted_and_its_message_is_finished() -> None:
    mid = held()
    assert delete(Delivery.objects.values_list("pk", flat=True), now=timezone.now()) == 1
    assert state_of(mid)[0] == "deleted"
    assert (Message.objects.get(mid=mid).state, Message.objects.get(mid=mid).outstanding) == ("deleted", 0)
    assert counters(ORDINARY) == {"deleted": 1}


def test_the_status_counts_what_is_held_with_its_reason() -> None:
    held()
    held()
    accept()
    (row,) = [each for each in status.destinations(timezone.now()) if each.destination == "corp.example"]
    assert (row.held_messages, row.active_recipients) == (2, 3)
    found = status.details("corp.example")
    assert found is not None
    assert found.held == (status.HeldMessages("outcome could not be stored: ValueError", 2),)
    assert found.row.held_messages == 2
    assert (found.attempted_recipients, found.unattempted_recipients) == (2, 1)


def held() -> int:
    """The MID of a message that is held after its first attempt."""
    mid = accept()
    (claimed,) = [each for each in claim() if each.mid == mid]
    hold.hold(ended(claimed), ValueError(), now=timezone.now())
    assert state_of(mid)[0] == "held"
    return mid


def lease_ends() -> datetime:
    Delivery.objects.filter(state="delivering").update(lease_until=timezone.now() - timedelta(seconds=1))
    return timezone.now()
