"""How long things are kept: a body only as long as something of it is left to send, tracking by age."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from seg_console.mail.models import Body, MailCounter, Message

# Tracking answers questions about the last month; counters are small and kept for a year.
TRACKING_DAYS = 30
COUNTER_DAYS = 365
# Rows of one transaction: a large one would hold up the writers on SQLite.
BATCH = 500


def drop_bodies(*, batches: int = 100) -> int:
    """Remove the bodies of messages of which nothing is left to do. Returns how many; bounded, call it again."""
    return sum(_until_short(_drop_some_bodies, batches))


def drop_old(now: datetime, *, batches: int = 20) -> int:
    """Remove messages finished longer than TRACKING_DAYS ago with all their rows, and old counters. Returns how many
    messages; bounded, call it again."""
    MailCounter.objects.filter(hour__lt=now - timedelta(days=COUNTER_DAYS)).delete()
    limit = now - timedelta(days=TRACKING_DAYS)
    return sum(_until_short(lambda: _drop_some_messages(limit), batches))


def _until_short(drop: Callable[[], int], batches: int) -> list[int]:
    counts: list[int] = []
    while len(counts) < batches and (not counts or counts[-1] == BATCH):
        counts.append(drop())
    return counts


def _drop_some_bodies() -> int:
    unfinished = Message.objects.filter(body=OuterRef("pk"), finished_at__isnull=True)
    with transaction.atomic():
        done = list(Body.objects.filter(~Exists(unfinished)).order_by("pk").values_list("pk", flat=True)[:BATCH])
        Message.objects.filter(body__in=done).update(body=None)
        Body.objects.filter(pk__in=done).delete()
    return len(done)


def _drop_some_messages(limit: datetime) -> int:
    with transaction.atomic():
        old = Message.objects.filter(received_at__lt=limit, finished_at__isnull=False).order_by("received_at")
        mids = list(old.values_list("pk", flat=True)[:BATCH])
        Message.objects.filter(pk__in=mids).delete()
    return len(mids)
