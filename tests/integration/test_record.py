"""One call records an event: its row, its counters and, on commit, its lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from seg_console.delivery.tasks import housekeeping
from seg_console.mail import events, retention
from seg_console.mail.models import Body, MailCounter, Message, Recipient, TrackingEvent
from seg_console.mail.progress import deliveries_ended
from seg_console.mail.record import counted, record
from tests.unit.sample_events import (
    AT,
    BOUNCED,
    COPY_DELIVERED,
    DELAYED,
    DELETED,
    DELIVERED,
    MID,
    RECEIVED,
    with_changes,
)

pytestmark = pytest.mark.django_db


def message(mid: int = MID, **values: Any) -> Message:
    return Message.objects.create(
        **{
            "mid": mid,
            "root_mid": mid,
            "icid": 5012,
            "direction": Message.Direction.INCOMING,
            "received_at": AT,
            "size": 4096,
            "subject": None,
            **values,
        }
    )


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[str]]:
    monkeypatch.setattr(settings, "SEG_MAIL_LOG", tmp_path / "mail_logs")
    return lambda: [line[31:] for line in (tmp_path / "mail_logs").read_text().splitlines()[3:]]


@pytest.mark.django_db(transaction=True)
def test_an_event_leaves_a_row_a_count_and_a_line(log: Callable[[], list[str]]) -> None:
    message()
    with transaction.atomic():
        record([DELIVERED])
    row = TrackingEvent.objects.get()
    assert (row.message_id, row.at, row.kind) == (MID, AT, "delivered")
    assert events.from_row(kind=row.kind, mid=row.message_id, at=row.at, data=row.data) == DELIVERED
    counter = MailCounter.objects.get()
    assert (counter.hour, counter.delivered_recipients) == (datetime(2024, 2, 17, 3, tzinfo=UTC), 1)
    assert log() == [
        "Delivery start DCID 4566149 MID 14501404 to RID [0]",
        "Message done DCID 4566149 MID 14501404 to RID [0] ",
        "MID 14501404 RID [0] Response '2.0.0 Ok: queued as 3jjSKk4fyqz1Vvjv'",
    ]


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_leaves_nothing_not_even_a_line(log: Callable[[], list[str]], tmp_path: Path) -> None:
    message()
    with transaction.atomic():
        record([DELIVERED])
        transaction.set_rollback(True)
    assert not TrackingEvent.objects.exists()
    assert not MailCounter.objects.exists()
    assert not (tmp_path / "mail_logs").exists()


@pytest.mark.django_db(transaction=True)
def test_a_log_that_cannot_be_written_does_not_undo_what_was_committed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(settings, "SEG_MAIL_LOG", tmp_path / "file" / "mail_logs")
    message()
    with transaction.atomic():
        record([DELIVERED])
    assert TrackingEvent.objects.count() == 1
    assert "mail log not written" in caplog.text


def test_counters_of_the_same_hour_add_up() -> None:
    message()
    record([RECEIVED])
    record([RECEIVED, DELIVERED])
    counter = MailCounter.objects.get()
    assert (counter.received_messages, counter.received_recipients, counter.refused_recipients) == (2, 2, 2)
    assert (counter.received_bytes, counter.delivered_recipients) == (8192, 1)


def test_copies_are_counted_apart_from_the_originals() -> None:
    copies = [COPY_DELIVERED, with_changes(DELAYED, connector=True), with_changes(BOUNCED, connector=True)]
    assert counted(copies) == {"copies_delivered": 1, "copies_delayed": 1, "copies_failed": 1}
    unconfirmed = [with_changes(event, connector=True, unconfirmed=True) for event in (BOUNCED, DELETED)]
    assert counted(unconfirmed) == {"copies_unconfirmed": 2}
    assert counted([DELIVERED, DELAYED, BOUNCED]) == {
        "delivered_recipients": 1,
        "soft_bounced_events": 1,
        "hard_bounced_recipients": 1,
    }


def test_recording_takes_the_same_number_of_queries_for_one_event_and_for_many(
    django_assert_num_queries: Callable[[int], Any],
) -> None:
    message()
    record([RECEIVED])
    for happened in ([RECEIVED], [RECEIVED, DELIVERED, COPY_DELIVERED] * 30):
        with django_assert_num_queries(2):
            record(happened)


# --- progress ---


def recipients(mid: int, *states: str) -> None:
    Recipient.objects.bulk_create(
        Recipient(message_id=mid, rid=rid, address=f"r{rid}@corp.example", state=state)
        for rid, state in enumerate(states)
    )


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["delivered"], "delivered"),
        (["delivered", "queued"], "queued"),
        (["delivered", "bounced"], "bounced"),
        (["bounced", "queued"], "queued"),
        (["delivered", "deleted"], "deleted"),
    ],
)
def test_a_message_shows_the_state_of_its_worst_recipient(states: Sequence[str], expected: str) -> None:
    message(outstanding=2)
    recipients(MID, *states)
    deliveries_ended(originals=[MID], now=AT)
    assert Message.objects.get().state == expected


def test_a_message_finishes_once_when_its_last_delivery_ends() -> None:
    message(outstanding=2)
    recipients(MID, "delivered")
    assert deliveries_ended(originals=[MID], now=AT) == []
    assert Message.objects.get().finished_at is None
    assert deliveries_ended(originals=[MID], now=AT) == [events.Finished(mid=MID, at=AT)]
    assert (Message.objects.get().finished_at, Message.objects.get().outstanding) == (AT, 0)


def test_original_and_copy_may_end_in_the_same_batch() -> None:
    message(outstanding=2)
    message(mid=7, outstanding=1)
    recipients(MID, "delivered")
    recipients(7, "bounced")
    assert deliveries_ended(originals=[MID, 7], copies=[MID], now=AT) == [
        events.Finished(mid=MID, at=AT),
        events.Finished(mid=7, at=AT),
    ]
    assert list(Message.objects.order_by("mid").values_list("mid", "state")) == [(7, "bounced"), (MID, "delivered")]


# --- retention ---


def test_a_body_is_kept_while_any_part_of_its_message_is_unfinished() -> None:
    body = Body.objects.create(mid=1, content=b"x")
    message(mid=1, body=body, finished_at=AT)
    message(mid=2, root_mid=1, body=body)
    assert retention.drop_bodies() == 0
    Message.objects.filter(pk=2).update(finished_at=AT)
    assert retention.drop_bodies() == 1
    assert not Body.objects.exists()
    assert Message.objects.filter(body=None).count() == 2


def test_large_bodies_go_a_few_at_a_time_and_all_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH_BYTES", 250)
    for mid in range(1, 6):
        message(mid=mid, body=Body.objects.create(mid=mid, content=bytes(100)), finished_at=AT)
    assert retention.drop_bodies(batches=1) == 2
    assert retention.drop_bodies() == 3
    assert not Body.objects.exists()


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([], []), ([(1, 900)], [1]), ([(1, 900), (2, 1)], [1]), ([(1, 50), (2, 50), (3, 1)], [1, 2])],
)
def test_a_batch_is_as_large_as_it_may_be_and_never_empty(sizes: list[tuple[int, int]], expected: list[int]) -> None:
    assert retention.first_of(sizes, 100) == expected


def test_housekeeping_drops_the_body_of_a_finished_message_and_keeps_its_tracking() -> None:
    message(body=Body.objects.create(mid=MID, content=b"x"), received_at=timezone.now(), finished_at=timezone.now())
    record([RECEIVED])
    housekeeping()
    assert not Body.objects.exists()
    assert Message.objects.get().body_id is None
    assert TrackingEvent.objects.count() == 1


def test_tracking_is_dropped_after_thirty_days_and_never_while_a_message_waits() -> None:
    message(mid=1, finished_at=AT)
    message(mid=2)
    TrackingEvent.objects.create(message_id=1, at=AT, kind="finished", data={})
    now = datetime(2024, 3, 18, 3, 19, 22, tzinfo=UTC)
    assert retention.drop_old(now) == 0
    assert retention.drop_old(now.replace(second=23)) == 1
    assert list(Message.objects.values_list("pk", flat=True)) == [2]
    assert not TrackingEvent.objects.exists()
