"""Putting deliveries into the queue (move a)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from seg_console.delivery.kinds import Destination, kind
from seg_console.delivery.models import Delivery
from seg_console.delivery.nudge import nudge
from seg_console.delivery.states import State
from seg_console.mail.bulk import insert_many


@dataclass(frozen=True, slots=True)
class DeliverySpec:
    """One delivery to queue. `recipients` are (RID, address) pairs; for a copy ((0, intake address),).

    `domain` is looked up; `address` is a copy's intake address, else "". `size` in octets.
    """

    mid: int
    kind: str
    domain: str
    recipients: tuple[tuple[int, str], ...]
    size: int
    address: str = ""


def enqueue(specs: Sequence[DeliverySpec], *, now: datetime) -> None:
    """Queue deliveries, due at once, and wake the workers on commit.

    The messages' rows must exist and count them as outstanding. Call inside the transaction that accepts the messages.
    """
    destinations = {Destination(spec.kind, spec.domain) for spec in specs}
    lives = {each: timedelta(seconds=kind(each.kind).rules(each.domain).life_s) for each in destinations}
    insert_many(Delivery, _COLUMNS, [_row(spec, now, lives[Destination(spec.kind, spec.domain)]) for spec in specs])
    nudge(destinations)


_COLUMNS = (
    *("message_id", "kind", "destination", "domain", "address", "recipients", "recipient_count", "size"),
    *("state", "attempt", "enqueued_at", "due_at", "expires_at", "last_status", "last_code", "last_text"),
    "unanswered",
)


def _row(spec: DeliverySpec, now: datetime, life: timedelta) -> tuple[object, ...]:
    shown_as = kind(spec.kind).shown_as(spec.domain)
    return (
        *(spec.mid, spec.kind, shown_as, spec.domain, spec.address, spec.recipients, len(spec.recipients), spec.size),
        *(State.QUEUED, 0, now, now, now + life, "", "", "", False),
    )
