"""Putting deliveries into the queue (move a)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from seg_console.delivery.kinds import Destination, kind, kinds
from seg_console.delivery.models import Delivery
from seg_console.delivery.nudge import nudge


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


def enqueue(specs: Sequence[DeliverySpec], *, now: datetime) -> list[Delivery]:
    """Queue deliveries, due at once, and wake the workers on commit.

    The messages' rows must exist and count them as outstanding. Call inside the transaction that accepts the messages.
    """
    lives = {each.name: timedelta(seconds=each.rules().life_s) for each in kinds()}
    rows = Delivery.objects.bulk_create([_row(spec, now, lives[spec.kind]) for spec in specs])
    nudge(Destination(spec.kind, spec.domain) for spec in specs)
    return rows


def _row(spec: DeliverySpec, now: datetime, life: timedelta) -> Delivery:
    return Delivery(
        message_id=spec.mid,
        kind=spec.kind,
        destination=kind(spec.kind).shown_as(spec.domain),
        domain=spec.domain,
        address=spec.address,
        recipients=[list(pair) for pair in spec.recipients],
        recipient_count=len(spec.recipients),
        size=spec.size,
        enqueued_at=now,
        due_at=now,
        expires_at=now + life,
    )
