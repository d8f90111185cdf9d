"""How long things are kept: a body only as long as something of it is left to send, tracking by age."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import accumulate

from django.db import models, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Length

from seg_console.mail.models import Body, MailCounter, Message, Refusal, RefusalOverflow

# Tracking answers questions about the last month; counters are small and kept for a year.
TRACKING_DAYS = 30
COUNTER_DAYS = 365
# Rows of one transaction, and octets of bodies: a large one would hold up the writers on SQLite.
BATCH = 500
BATCH_BYTES = 32 * 1024 * 1024


def drop_bodies(*, batches: int = 100) -> int:
    """Remove the bodies of messages of which nothing is left to do. Returns how many; bounded, call it again."""
    return sum(_until_none(_drop_some_bodies, batches))


def drop_old(now: datetime, *, batches: int = 20) -> int:
    """Remove messages finished longer than TRACKING_DAYS ago with all their rows, refusals as old, and old counters.
    Returns how many messages; bounded, call it again."""
    MailCounter.objects.filter(hour__lt=now - timedelta(days=COUNTER_DAYS)).delete()
    limit = now - timedelta(days=TRACKING_DAYS)
    _until_none(lambda: _drop_some(Refusal.objects.filter(at__lt=limit).order_by("at")), batches)
    _until_none(lambda: _drop_some(RefusalOverflow.objects.filter(minute__lt=limit).order_by("minute")), batches)
    return sum(_until_none(lambda: _drop_some_messages(limit), batches))


def _until_none(drop: Callable[[], int], batches: int) -> list[int]:
    counts: list[int] = []
    while len(counts) < batches and (not counts or counts[-1]):
        counts.append(drop())
    return counts


def _drop_some_bodies() -> int:
    unfinished = Message.objects.filter(body=OuterRef("pk"), finished_at__isnull=True)
    with transaction.atomic():
        finished = Body.objects.filter(~Exists(unfinished)).order_by("pk")
        done = first_of(list(finished.values_list("pk", Length("content"))[:BATCH]), BATCH_BYTES)
        Message.objects.filter(body__in=done).update(body=None)
        # Their contents are not needed to delete them, and would all be read.
        Body.objects.filter(pk__in=done).only("pk").delete()
    return len(done)


def first_of(sizes: Sequence[tuple[int, int]], most: int) -> list[int]:
    """The first keys whose sizes, (key, octets) each, are `most` octets together, at least one if there is any."""
    totals = accumulate(size for _, size in sizes)
    return [
        key for place, ((key, _), total) in enumerate(zip(sizes, totals, strict=True)) if total <= most or not place
    ]


def _drop_some_messages(limit: datetime) -> int:
    with transaction.atomic():
        old = Message.objects.filter(received_at__lt=limit, finished_at__isnull=False).order_by("received_at")
        mids = list(old.values_list("pk", flat=True)[:BATCH])
        Message.objects.filter(pk__in=mids).delete()
    return len(mids)


def _drop_some(old: models.QuerySet[Refusal] | models.QuerySet[RefusalOverflow]) -> int:
    with transaction.atomic():
        some = list(old.values_list("pk", flat=True)[:BATCH])
        old.model._default_manager.filter(pk__in=some).delete()
    return len(some)
