"""From events to everything they leave behind: tracking rows, counters and, once committed, mail-log lines.

Nothing else writes any of the three.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby

from django.db import models, transaction
from django.utils import timezone

from seg_console.mail import events, maillog
from seg_console.mail.bulk import insert_many
from seg_console.mail.maillog_text import level, lines
from seg_console.mail.models import MailCounter, TrackingEvent

# How many rows of counters an hour may have; processes that share one wait for each other's commit on PostgreSQL.
_SHARDS = 16


def record(happened: Sequence[events.Event]) -> None:
    """Record events in the order given. Call inside the transaction that makes them true.

    The message rows that message events belong to must exist in that transaction. Lines reach the log after the
    commit, so the log never mentions what was rolled back; a fixed number of queries whatever the number of events.
    """
    insert_many(
        TrackingEvent,
        ("message_id", "at", "kind", "data"),
        [
            (event.mid, event.at, event.kind, event.data())
            for event in happened
            if isinstance(event, events.MessageEvent) and not isinstance(event, events.Finished)
        ],
    )
    totals = counted(happened)
    if totals:
        _add(totals, happened[0].at)
    log(happened)


def log(happened: Iterable[events.Event]) -> None:
    """Only the log lines, on commit (at once outside a transaction): for events that belong to no message."""
    zone = timezone.get_default_timezone()
    for how_much, group in groupby(happened, key=level):
        entries = [(event.at, text) for event in group for text in lines(event, zone)]
        if entries:
            transaction.on_commit(partial(maillog.write, entries, level=how_much), robust=True)


def counted(happened: Iterable[events.Event]) -> dict[str, int]:
    """What the events add to the counters, by column of MailCounter. Copies are counted apart from the originals."""
    totals: Counter[str] = Counter()
    for event in happened:
        match event:
            case events.Delivered():
                _count(totals, event.connector, "copies_delivered", "delivered_recipients", len(event.rids))
            case events.Received():
                totals["received_messages"] += 1
                totals["received_recipients"] += len(event.recipients)
                totals["received_bytes"] += event.size
                totals["refused_recipients"] += len(event.refused)
            case events.Processed():
                totals["copies_queued"] += event.intake_address is not None
            case events.Aborted():
                totals["aborted_messages"] += 1
                totals["refused_recipients"] += len(event.refused)
            case events.Delayed():
                _count(totals, event.connector, "copies_delayed", "soft_bounced_events", len(event.rids))
            case events.Bounced():
                _count(totals, event.connector, _given_up(event), "hard_bounced_recipients", len(event.rids))
            case events.DoubleBounced():
                totals["hard_bounced_recipients"] += len(event.rids)
            case events.BounceGenerated():
                totals["generated_bounces"] += 1
            case events.Deleted():
                _count(totals, event.connector, _given_up(event), "deleted_recipients", len(event.rids))
            case _:
                pass
    return {name: count for name, count in totals.items() if count}


def _given_up(event: events.Bounced | events.Deleted) -> str:
    return "copies_unconfirmed" if event.unconfirmed else "copies_failed"


def _count(totals: Counter[str], connector: bool, copies: str, recipients: str, count: int) -> None:
    totals[copies if connector else recipients] += count


def _add(totals: dict[str, int], at: datetime) -> None:
    hour = at.replace(minute=0, second=0, microsecond=0)
    shard = os.getpid() % _SHARDS
    added = {name: models.F(name) + count for name, count in totals.items()}
    if not MailCounter.objects.filter(hour=hour, shard=shard).update(**added):
        # Two processes may share a shard: whoever comes second finds the row and adds to it.
        MailCounter.objects.bulk_create([MailCounter(hour=hour, shard=shard)], ignore_conflicts=True)
        MailCounter.objects.filter(hour=hour, shard=shard).update(**added)
