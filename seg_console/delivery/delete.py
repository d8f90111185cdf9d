"""Removing deliveries from the queue: an administrator's act (move i)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q

from seg_console.delivery import hosts
from seg_console.delivery.hosts import Tally
from seg_console.delivery.kinds import Destination, kind
from seg_console.delivery.models import Delivery
from seg_console.delivery.states import MOVES, Move, State
from seg_console.mail import events
from seg_console.mail.models import Message, Recipient
from seg_console.mail.progress import deliveries_ended
from seg_console.mail.record import record

_DELETABLE = sorted(MOVES[Move.DELETE][0])


def delete(ids: Iterable[int], *, now: datetime) -> int:
    """Delete deliveries that wait or are held (move i). One that is being delivered right now is left to its worker.
    Nobody is told. Returns how many were deleted."""
    with transaction.atomic():
        rows = _locked(set(ids))
        moved = Delivery.objects.filter(pk__in=[row.pk for row in rows], state__in=_DELETABLE).update(
            state=State.DELETED, ended_at=now, recipients=[], recipient_count=0
        )
        assert moved == len(rows)  # looked at and locked a moment ago
        _delete_recipients(rows)
        finished = deliveries_ended(
            originals=[row.message_id for row in rows if not kind(row.kind).connector],
            copies=[row.message_id for row in rows if kind(row.kind).connector],
            now=now,
        )
        record([*(_event(row, now) for row in rows), *finished])
        hosts.update(_tallies(rows), (), now=now)
    return moved


def _locked(ids: set[int]) -> list[Delivery]:
    """Messages first, then deliveries, both in order, as settling does."""
    chosen = Delivery.objects.filter(pk__in=ids, state__in=_DELETABLE).order_by("pk")
    if connection.features.has_select_for_update:
        mids = set(chosen.values_list("message_id", flat=True))
        list(Message.objects.filter(pk__in=mids).select_for_update().order_by("pk").values_list("pk"))
        chosen = chosen.select_for_update()
    return list(chosen)


def _delete_recipients(rows: Iterable[Delivery]) -> None:
    condition = Q(pk__in=())
    for row in rows:
        if not kind(row.kind).connector:
            condition |= Q(message=row.message_id, rid__in=[rid for rid, _ in row.recipients])
    Recipient.objects.filter(condition).update(state=Recipient.State.DELETED)


def _event(row: Delivery, now: datetime) -> events.Deleted:
    return events.Deleted(
        mid=row.message_id,
        at=now,
        rids=tuple(rid for rid, _ in row.recipients),
        recipients=tuple(address for _, address in row.recipients),
        connector=kind(row.kind).connector,
        unconfirmed=kind(row.kind).connector and row.unanswered,
    )


def _tallies(rows: Iterable[Delivery]) -> dict[Destination, Tally]:
    tallies: dict[Destination, Tally] = {}
    for row in rows:
        tallies.setdefault(Destination(row.kind, row.domain), Tally()).add("deleted", row.recipient_count)
    return tallies
