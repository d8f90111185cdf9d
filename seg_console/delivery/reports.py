"""Delivery reports to the envelope senders of mail that hard-bounced: messages of our own making (mail-logs 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from seg_console.delivery.bounces import FailedRecipient, delivery_report
from seg_console.delivery.enqueue import DeliverySpec, enqueue
from seg_console.delivery.kinds import Claimed
from seg_console.delivery.outcome import Outcome, diagnose
from seg_console.mail import events, ids, rows
from seg_console.mail.addresses import domain_of
from seg_console.mail.models import Message
from seg_console.mail.rows import MessageRow
from seg_console.mail.values import Direction


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Recipients of one message that were given up together, with what befell each. `remote`: the server's address."""

    claimed: Claimed
    failures: tuple[tuple[str, Outcome], ...]
    remote: str


def report(undelivered: Sequence[Undelivered], *, now: datetime) -> list[events.BounceGenerated]:
    """Store and queue one report per message given up, from the null sender, so that it is never reported itself.

    Call inside the settling transaction; returns the events to record there.
    """
    if not undelivered:
        return []
    mids = ids.take("MID", len(undelivered))
    originals = {
        mid: (received_at, bytes(content or b""))
        for mid, received_at, content in Message.objects.filter(
            pk__in={each.claimed.mid for each in undelivered}
        ).values_list("mid", "received_at", "body__content")
    }
    contents = [
        _content(mid, each, *originals[each.claimed.mid], now=now) for mid, each in zip(mids, undelivered, strict=True)
    ]
    rows.insert(
        bodies=zip(mids, contents, strict=True),
        messages=[
            _row(mid, each, len(content), now) for mid, each, content in zip(mids, undelivered, contents, strict=True)
        ],
        recipients=[(mid, [each.claimed.envelope_sender]) for mid, each in zip(mids, undelivered, strict=True)],
    )
    enqueue(
        [_spec(mid, each, len(content)) for mid, each, content in zip(mids, undelivered, contents, strict=True)],
        now=now,
    )
    return [
        events.BounceGenerated(
            mid=mid, at=now, of_mid=each.claimed.mid, recipient=each.claimed.envelope_sender, size=len(content)
        )
        for mid, each, content in zip(mids, undelivered, contents, strict=True)
    ]


def _content(mid: int, undelivered: Undelivered, arrival: datetime, original: bytes, *, now: datetime) -> bytes:
    return delivery_report(
        mid=undelivered.claimed.mid,
        hostname=settings.SEG_HOSTNAME,
        envelope_sender=undelivered.claimed.envelope_sender,
        recipients=[_failed(address, outcome, undelivered.remote) for address, outcome in undelivered.failures],
        original_headers=original,
        arrival=arrival,
        date=now,
        message_id=_message_id(mid, undelivered),
    )


def _failed(address: str, outcome: Outcome, remote: str) -> FailedRecipient:
    if not outcome.code:
        return FailedRecipient(address, diagnose(outcome, final=True).status, "", "")
    # The server's own status says more than ours; a 4.x.x of the last of many attempts is permanent by now.
    status = "5" + outcome.enhanced[1:] if outcome.enhanced else diagnose(outcome, final=True).status
    return FailedRecipient(address, status, f"smtp; {outcome.code} {outcome.text}", remote)


def _row(mid: int, undelivered: Undelivered, size: int, now: datetime) -> MessageRow:
    return MessageRow(
        mid=mid,
        root_mid=mid,
        parent_mid=undelivered.claimed.mid,
        icid=0,
        direction=Direction.OUTGOING,
        received_at=now,
        envelope_sender="",
        subject="Delivery Status Notification (Failure)",
        message_id_header=_message_id(mid, undelivered),
        size=size,
        body_id=mid,
        outstanding=1,
    )


def _message_id(mid: int, undelivered: Undelivered) -> str:
    return f"<{mid}.{undelivered.claimed.id}.report@{settings.SEG_HOSTNAME}>"


def _spec(mid: int, undelivered: Undelivered, size: int) -> DeliverySpec:
    recipient = undelivered.claimed.envelope_sender
    return DeliverySpec(mid=mid, kind="ordinary", domain=domain_of(recipient), recipients=((0, recipient),), size=size)
