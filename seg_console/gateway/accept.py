"""Taking responsibility: a batch of finished messages becomes rows in one transaction, and only then is any of them
answered with 250 (docs/flow.md).

What a message becomes is worked out first, as plain values (gateway.planning); then it is written with a number of
queries that does not depend on the size of the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeAlias, TypedDict

from django.db import transaction

from seg_console.delivery.enqueue import enqueue
from seg_console.gateway.arrival import Abandoned, Arrival, Peer, Relayed, TurnedAway, client_of
from seg_console.gateway.planning import Plan, Rulebook, plan_all
from seg_console.gateway.protocol import Envelope
from seg_console.gateway.refusals import refusals
from seg_console.mail import events, ids, rows
from seg_console.mail.lines import printable
from seg_console.mail.record import record
from seg_console.mail.refusals import FloodBound
from seg_console.mail.rows import MessageRow
from seg_console.mail.values import Direction, MessageState, RefusalKind

Happening: TypeAlias = Arrival | Abandoned | TurnedAway | events.Event


def store(happenings: Sequence[Happening], rules: Rulebook, *, now: datetime, bound: FloodBound | None = None) -> None:
    """Store what the listener saw, in its order, in one transaction; all of it or nothing.

    Arrivals and abandoned transactions get their rows, and so does everybody who was turned away, within `bound` (None:
    as if nobody had been before); everything is recorded. Raises DatabaseError, and then nothing of the batch exists.
    When it returns, every arrival in the batch may be answered with 250.
    """
    bound = bound or FloodBound()
    divided = bound.divide(refusals(happenings), now=now)
    with transaction.atomic():
        plans = plan_all(
            [each for each in happenings if isinstance(each, Arrival)],
            rules,
            new_mids=lambda needed: ids.take("MID", needed),
        )
        _insert(plans, [each for each in happenings if isinstance(each, Abandoned)])
        rows.insert_refusals(divided.rows, divided.overflow)
        record(_events(happenings, {plan.mid: plan for plan in plans}))
        enqueue([spec for plan in plans for piece in plan.pieces for spec in piece.deliveries], now=now)
    bound.count(divided)


def _insert(plans: Sequence[Plan], abandoned: Sequence[Abandoned]) -> None:
    rows.insert(
        bodies=[(plan.mid, plan.content) for plan in plans],
        messages=[
            *(row for plan in plans for row in _message_rows(plan)),
            *(_abandoned_row(each) for each in abandoned),
        ],
        recipients=[(piece.mid, piece.recipients) for plan in plans for piece in plan.pieces],
    )


def _message_rows(plan: Plan) -> list[MessageRow]:
    """One for each piece, and one that ends at once for what came in as their whole."""
    mid, headers = plan.mid, plan.headers
    whole = _row(
        plan.arrival.message.envelope,
        plan.arrival.client,
        plan.arrival.received_at,
        subject=rows.header_shown(headers.subject),
        message_id_header=rows.header_shown(headers.message_id) or "",
        size=len(plan.content),
    )
    pieces = [
        whole._replace(
            mid=piece.mid,
            body_id=mid,
            state=MessageState.QUEUED,
            finished_at=None,
            outstanding=len(piece.deliveries),
            policy_name=piece.part.policy.name,
        )
        for piece in plan.pieces
    ]
    if not plan.is_split:
        return pieces
    return [whole, *(piece._replace(parent_mid=mid, icid=0) for piece in pieces)]


def _abandoned_row(abandoned: Abandoned) -> MessageRow:
    client = client_of(abandoned.peer, abandoned.relayed)
    row = _row(abandoned.message.envelope, client, abandoned.at)
    return row._replace(state=MessageState.ABORTED)


def _row(
    envelope: Envelope,
    peer: Peer,
    at: datetime,
    *,
    subject: str | None = None,
    message_id_header: str = "",
    size: int = 0,
) -> MessageRow:
    """An incoming message of which nothing goes on."""
    return MessageRow(
        mid=envelope.mid,
        root_mid=envelope.mid,
        parent_mid=None,
        icid=peer.icid,
        direction=Direction.INCOMING,
        received_at=at,
        envelope_sender=envelope.sender,
        subject=subject,
        message_id_header=message_id_header,
        size=size,
        body_id=None,
        outstanding=0,
        state=MessageState.SPLIT,
        finished_at=at,
        interface=peer.interface,
        interface_ip=peer.interface_ip,
        remote_ip=peer.remote_ip,
        reverse_dns=peer.reverse_dns,
        reverse_dns_verified=peer.verified,
    )


def _events(happenings: Sequence[Happening], plans: dict[int, Plan]) -> list[events.Event]:
    """Everything in the order in which the listener saw it."""
    happened: list[events.Event] = []
    for each in happenings:
        match each:
            case Arrival():
                happened.extend(_arrival_events(plans[each.message.envelope.mid]))
            case Abandoned():
                happened.append(_abandoned_event(each))
            case TurnedAway():
                pass  # the listener tells of it by an event of its own, where the mail log has a line for it
            case _:
                happened.append(each)
    return happened


def _arrival_events(plan: Plan) -> Iterator[events.Event]:
    yield _received_event(plan)
    at, sender = plan.arrival.received_at, plan.arrival.message.envelope.sender
    for piece in plan.pieces:
        if plan.is_split:
            yield events.Splintered(
                mid=piece.mid,
                at=at,
                parent_mid=plan.mid,
                policy=piece.part.policy.name,
                envelope_sender=sender,
                recipients=piece.recipients,
                size=len(plan.content),
            )
        yield events.Processed(
            mid=piece.mid,
            at=at,
            policy=piece.part.policy.name,
            message_id=plan.headers.message_id,
            intake_address=piece.intake_address,
        )
    if plan.is_split:
        yield events.Finished(mid=plan.mid, at=at)


def _received_event(plan: Plan) -> events.Received:
    peer, headers = plan.arrival.peer, plan.headers
    return events.Received(
        **_told(plan.arrival.message.envelope),
        **_told_of_relay(plan.arrival.relayed),
        at=plan.arrival.received_at,
        icid=peer.icid,
        message_id=headers.message_id,
        raw_message_id=None if headers.raw_message_id == headers.message_id else headers.raw_message_id,
        subject=headers.subject,
        size=len(plan.content),
        interface=peer.interface,
        interface_ip=peer.interface_ip,
        remote_ip=peer.remote_ip,
        reverse_dns=peer.reverse_dns,
        verified=peer.verified,
        sender_group=peer.sender_group,
        matched=peer.matched,
    )


def _abandoned_event(abandoned: Abandoned) -> events.Aborted:
    return events.Aborted(
        **_told(abandoned.message.envelope),
        **_told_of_relay(abandoned.relayed),
        at=abandoned.at,
        icid=abandoned.peer.icid,
        reason=abandoned.message.reason,
    )


class _Told(TypedDict):
    """What events tell of an envelope."""

    mid: int
    envelope_sender: str
    recipients: tuple[str, ...]
    refused: tuple[str, ...]
    invalid: tuple[str, ...]
    throttled: tuple[str, ...]


def _told(envelope: Envelope) -> _Told:
    return {
        "mid": envelope.mid,
        "envelope_sender": envelope.sender,
        "recipients": envelope.recipients,
        "refused": _turned_away(envelope, RefusalKind.RECIPIENT),
        # What stood there may hold NUL, which PostgreSQL stores nowhere.
        "invalid": tuple(map(printable, _turned_away(envelope, RefusalKind.INVALID_RECIPIENT))),
        "throttled": _turned_away(envelope, RefusalKind.THROTTLED),
    }


def _turned_away(envelope: Envelope, kind: RefusalKind) -> tuple[str, ...]:
    return tuple(each.address for each in envelope.refused if each.kind is kind)


class _ToldOfRelay(TypedDict, total=False):
    """What events tell of the incoming relay, if the message came through one."""

    relay: str
    relay_header: str
    client_ip: str
    client_access: str
    client_group: str
    client_matched: str


def _told_of_relay(relayed: Relayed | None) -> _ToldOfRelay:
    if relayed is None:
        return {}
    client = relayed.client
    if client is None:
        return {"relay": relayed.relay, "relay_header": relayed.header}
    return {
        "relay": relayed.relay,
        "relay_header": relayed.header,
        "client_ip": client.remote_ip,
        "client_access": relayed.access,
        "client_group": client.sender_group,
        "client_matched": client.matched,
    }
