"""Taking responsibility: a batch of finished messages becomes rows in one transaction, and only then is any of them
answered with 250 (docs/flow.md).

What a message becomes is worked out first, as plain values (gateway.planning); then it is written with a number of
queries that does not depend on the size of the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeAlias

from django.db import transaction

from seg_console.delivery.enqueue import enqueue
from seg_console.gateway.arrival import Abandoned, Arrival, Peer
from seg_console.gateway.planning import Piece, Plan, Rulebook, plan_all
from seg_console.mail import events, ids
from seg_console.mail.bulk import insert_many
from seg_console.mail.models import Body, Message, Recipient
from seg_console.mail.record import record
from seg_console.mail.values import Direction, MessageState, RecipientState, Verdict

# What the database's columns hold; a longer header is cut for display, never in the message itself.
_HEADER_LENGTH = 998

Row: TypeAlias = tuple[object, ...]
Happening: TypeAlias = Arrival | Abandoned | events.Event


def store(happenings: Sequence[Happening], rules: Rulebook, *, now: datetime) -> None:
    """Store what the listener saw, in its order, in one transaction; all of it or nothing.

    Arrivals and abandoned transactions get their rows; everything is recorded. Raises DatabaseError, and then nothing
    of the batch exists. When it returns, every arrival in the batch may be answered with 250.
    """
    with transaction.atomic():
        plans = plan_all(
            [each for each in happenings if isinstance(each, Arrival)],
            rules,
            new_mids=lambda needed: ids.take("MID", needed),
        )
        _insert_messages(plans, [each for each in happenings if isinstance(each, Abandoned)])
        record(_events(happenings, {plan.arrival.message.mid: plan for plan in plans}))
        enqueue([spec for plan in plans for piece in plan.pieces for spec in piece.deliveries], now=now)


# Left out of a row: what is null until something happens.
_MESSAGE = (
    *("mid", "root_mid", "parent_mid", "icid", "direction", "received_at"),
    *("interface", "interface_ip", "remote_ip", "reverse_dns", "reverse_dns_verified"),
    *("envelope_sender", "subject", "message_id_header", "size", "policy_name", "verdict"),
    *("state", "outstanding", "finished_at", "body_id"),
)


def _insert_messages(plans: Sequence[Plan], abandoned: Sequence[Abandoned]) -> None:
    insert_many(Body, ("mid", "content"), [(plan.arrival.message.mid, plan.content) for plan in plans])
    rows = [row for plan in plans for row in _message_rows(plan)]
    insert_many(Message, _MESSAGE, [*rows, *(_abandoned_row(each) for each in abandoned)])
    insert_many(
        Recipient,
        ("message_id", "rid", "address", "state"),
        [
            (piece.mid, rid, address, RecipientState.QUEUED)
            for plan in plans
            for piece in plan.pieces
            for rid, address in enumerate(piece.recipients)
        ],
    )


def _message_rows(plan: Plan) -> list[Row]:
    mid, at = plan.arrival.message.mid, plan.arrival.received_at
    if not plan.is_split:
        return [_piece_row(plan, plan.pieces[0], parent=None)]
    root = (
        *(mid, mid, None, plan.arrival.peer.icid, Direction.INCOMING, at, *_host(plan.arrival.peer)),
        *(*_summary(plan), "", Verdict.CLEAN, MessageState.SPLIT, 0, at, None),
    )
    return [root, *(_piece_row(plan, piece, parent=mid) for piece in plan.pieces)]


def _piece_row(plan: Plan, piece: Piece, *, parent: int | None) -> Row:
    mid, peer = plan.arrival.message.mid, plan.arrival.peer
    icid = peer.icid if parent is None else 0
    return (
        *(piece.mid, mid, parent, icid, Direction.INCOMING, plan.arrival.received_at, *_host(peer)),
        *(*_summary(plan), piece.part.policy.name, Verdict.CLEAN),
        *(MessageState.QUEUED, len(piece.deliveries), None, mid),
    )


def _abandoned_row(abandoned: Abandoned) -> Row:
    mid, at, peer = abandoned.message.mid, abandoned.at, abandoned.peer
    return (
        *(mid, mid, None, peer.icid, Direction.INCOMING, at, *_host(peer)),
        *(abandoned.message.envelope_sender, None, "", 0, "", Verdict.CLEAN, MessageState.ABORTED, 0, at, None),
    )


def _host(peer: Peer) -> Row:
    return (peer.interface, peer.interface_ip, peer.remote_ip, peer.reverse_dns, peer.verified)


def _summary(plan: Plan) -> Row:
    headers = plan.headers
    subject = None if headers.subject is None else headers.subject[:_HEADER_LENGTH]
    return (
        plan.arrival.message.envelope_sender,
        subject,
        (headers.message_id or "")[:_HEADER_LENGTH],
        len(plan.content),
    )


def _events(happenings: Sequence[Happening], plans: dict[int, Plan]) -> list[events.Event]:
    """Everything in the order in which the listener saw it."""
    happened: list[events.Event] = []
    for each in happenings:
        match each:
            case Arrival():
                happened.extend(_arrival_events(plans[each.message.mid]))
            case Abandoned():
                happened.append(_abandoned_event(each))
            case _:
                happened.append(each)
    return happened


def _arrival_events(plan: Plan) -> Iterator[events.Event]:
    yield _received_event(plan)
    at, sender = plan.arrival.received_at, plan.arrival.message.envelope_sender
    for piece in plan.pieces:
        if plan.is_split:
            yield events.Splintered(
                mid=piece.mid,
                at=at,
                parent_mid=plan.arrival.message.mid,
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
        yield events.Finished(mid=plan.arrival.message.mid, at=at)


def _received_event(plan: Plan) -> events.Received:
    peer, message, headers = plan.arrival.peer, plan.arrival.message, plan.headers
    return events.Received(
        mid=message.mid,
        at=plan.arrival.received_at,
        icid=peer.icid,
        envelope_sender=message.envelope_sender,
        recipients=message.recipients,
        refused=message.refused,
        invalid=message.invalid,
        message_id=headers.message_id,
        subject=headers.subject,
        size=len(plan.content),
        interface=peer.interface,
        interface_ip=peer.interface_ip,
        remote_ip=peer.remote_ip,
        reverse_dns=peer.reverse_dns,
        verified=peer.verified,
        throttled=message.throttled,
        sender_group=peer.sender_group,
        matched=peer.matched,
    )


def _abandoned_event(abandoned: Abandoned) -> events.Aborted:
    message = abandoned.message
    return events.Aborted(
        mid=message.mid,
        at=abandoned.at,
        icid=abandoned.peer.icid,
        envelope_sender=message.envelope_sender,
        recipients=message.recipients,
        refused=message.refused,
        invalid=message.invalid,
        reason=message.reason,
        throttled=message.throttled,
    )
