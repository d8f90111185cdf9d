"""Message Tracking's questions (seg-webui 6), answered from rows; nothing here reads the mail log.

A message and the parts it was split into are one hit, named by the MID that came in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Lower, Substr

from seg_console.mail import events
from seg_console.mail.addresses import least_quoted
from seg_console.mail.headers import read_message_id
from seg_console.mail.models import Message, Recipient, Refusal, TrackingEvent
from seg_console.mail.sentences import sentences

Operator = Literal["begins_with", "is", "contains", "is_empty"]
_LOOKUPS = {"begins_with": "startswith", "is": "exact", "contains": "contains"}
# A details page stays readable, and bounded, for a message to a thousand recipients.
MOST_EVENTS = 5000
MOST_REFUSED = 1000


@dataclass(frozen=True, slots=True)
class Match:
    """One text condition. Letter case does not matter, nor how an address is quoted; `is_empty` is for the subject
    alone."""

    operator: Operator
    value: str = ""


@dataclass(frozen=True, slots=True)
class TrackingQuery:
    """Conditions join by AND, the message events among themselves by OR (seg-webui 6.2). `until` is exclusive;
    `message_id_goes_on`: `message_id` is only the beginning of one."""

    sender: Match | None = None
    recipient: Match | None = None
    subject: Match | None = None
    message_id: str = ""
    message_id_goes_on: bool = False
    mid: int | None = None
    remote_ip: str = ""
    since: datetime | None = None
    until: datetime | None = None
    delivered: bool = False
    hard_bounced: bool = False
    soft_bounced: bool = False


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of a hit in the newest-first order; the next page begins after it."""

    received_at: datetime
    root_mid: int


@dataclass(frozen=True, slots=True)
class Hit:
    """One message as it came in, with all its parts. `states` by MID, in MID order."""

    mid: int
    icid: int
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str | None
    message_id: str
    remote_ip: str
    size: int
    mids: tuple[int, ...]
    policies: tuple[str, ...]
    states: dict[int, str]
    last_state: str
    cursor: Cursor


@dataclass(frozen=True, slots=True)
class TrackingPage:
    hits: list[Hit]
    following: Cursor | None  # where the next page begins; None on the last


@dataclass(frozen=True, slots=True)
class ProcessingLine:
    at: datetime
    text: str
    connector: bool
    last: bool = False


@dataclass(frozen=True, slots=True)
class RefusedRecipient:
    """A recipient that was turned away in the message's transaction; the reply with its code."""

    address: str
    reply: str


@dataclass(frozen=True, slots=True)
class MessageDetails:
    """Message Details (seg-webui 6.5): the hit, the sending host, and what happened, oldest first. `refused` in the
    order they were given."""

    hit: Hit
    interface: str
    interface_ip: str
    reverse_dns: str
    reverse_dns_verified: bool
    # "" where only the last row of the Host Access Table matched, or nothing tells.
    sender_group: str = ""
    refused: list[RefusedRecipient] = field(default_factory=list)
    lines: list[ProcessingLine] = field(default_factory=list)


def search(query: TrackingQuery, *, after: Cursor | None = None, limit: int = 20) -> TrackingPage:
    """One page of hits, newest first, in three queries whatever its size."""
    matching = _matching(query)
    if after is not None:
        matching = matching.filter(
            Q(received_at__lt=after.received_at) | Q(received_at=after.received_at, root_mid__lt=after.root_mid)
        )
    order = matching.order_by("-received_at", "-root_mid").values_list("received_at", "root_mid").distinct()
    roots = list(order[: limit + 1])
    hits = _hits([root for _, root in roots[:limit]])
    following = hits[-1].cursor if len(roots) > limit and hits else None
    return TrackingPage(hits=hits, following=following)


def details(mid: int, *, all_connector_events: bool = False) -> MessageDetails | None:
    """Everything about the message that `mid` belongs to, or None when there is no such MID."""
    root_mid = Message.objects.filter(pk=mid).values_list("root_mid", flat=True).first()
    if root_mid is None:
        return None
    hit = _hits([root_mid])[0]
    root = Message.objects.get(pk=root_mid)
    rows = list(TrackingEvent.objects.filter(message__in=hit.mids).order_by("at", "pk")[:MOST_EVENTS])
    return MessageDetails(
        hit=hit,
        interface=root.interface,
        interface_ip=root.interface_ip,
        reverse_dns=root.reverse_dns,
        reverse_dns_verified=root.reverse_dns_verified,
        sender_group=next(filter(None, (_sender_group(row.data) for row in rows)), ""),
        refused=_refused(root_mid),
        lines=_lines(rows, all_connector_events=all_connector_events),
    )


def oldest() -> datetime | None:
    """Since when there is tracking data."""
    return Message.objects.order_by("received_at").values_list("received_at", flat=True).first()


def newest_incoming() -> datetime | None:
    """When the last message came in that tracking knows of."""
    found = Message.objects.filter(direction=Message.Direction.INCOMING).order_by("-received_at")
    return found.values_list("received_at", flat=True).first()


def _matching(query: TrackingQuery) -> QuerySet[Message]:
    found = Message.objects.all()
    if query.since is not None:
        found = found.filter(received_at__gte=query.since)
    if query.until is not None:
        found = found.filter(received_at__lt=query.until)
    if query.mid is not None:
        found = found.filter(root_mid__in=Message.objects.filter(pk=query.mid).values("root_mid"))
    if query.message_id:
        found = _with_message_id(found, query)
    if query.remote_ip:
        found = found.filter(remote_ip=query.remote_ip)
    if query.sender is not None:
        sender = _of_address(query.sender)
        found = found.annotate(sender_key=Lower("envelope_sender")).filter(_condition("sender_key", sender))
    if query.subject is not None:
        found = found.annotate(subject_key=Lower("subject")).filter(_condition("subject_key", query.subject))
    if query.recipient is not None:
        found = found.filter(_recipient_condition(query.recipient))
    return _with_events(found, query)


def _with_events(found: QuerySet[Message], query: TrackingQuery) -> QuerySet[Message]:
    wanted = Q()
    if query.delivered:
        wanted |= Q(state=Message.State.DELIVERED)
    if query.hard_bounced:
        wanted |= Q(state=Message.State.BOUNCED)
    if query.soft_bounced:
        delays = TrackingEvent.objects.filter(message=OuterRef("pk"), kind=events.Delayed.kind, data__connector=False)
        wanted |= Q(Exists(delays))
    return found.filter(wanted)


def _condition(column: str, match: Match) -> Q:
    if match.operator == "is_empty":
        return Q(**{f"{column}__isnull": True}) | Q(**{column: ""})
    return Q(**{f"{column}__{_LOOKUPS[match.operator]}": match.value.lower()})


def _of_address(match: Match) -> Match:
    """The condition as rows can be held to it, which have addresses least quoted."""
    return replace(match, value=least_quoted(match.value.strip()))


def _recipient_condition(match: Match) -> Q:
    rows = Recipient.objects.annotate(key=Lower("address")).filter(_condition("key", _of_address(match)))
    if match.operator == "is":
        # Led by the index on the address; the other operators are checked message by message, newest first.
        return Q(pk__in=rows.values("message_id"))
    return Q(Exists(rows.filter(message=OuterRef("pk"))))


def _with_message_id(found: QuerySet[Message], query: TrackingQuery) -> QuerySet[Message]:
    """With and without brackets, whatever stands around it; the domain in any case, what is before it as it stands."""
    found = found.annotate(message_id_key=Lower("message_id_header"))
    if query.message_id_goes_on:
        beginning = query.message_id.strip().removeprefix("<").lower()
        return found.filter(
            Q(message_id_key__startswith=f"<{beginning}") | Q(message_id_key__startswith=beginning),
        )
    bare = read_message_id(query.message_id).strip("<>")
    local, at, _domain = bare.rpartition("@")
    # SQLite leaves letters outside ASCII as they are.
    keys = {bare.lower(), bare.encode().lower().decode()}
    begins = (f"<{local}", f"{local}@") if at else (f"<{bare}", bare)
    return found.annotate(message_id_begins=Substr("message_id_header", 1, len(begins[0]))).filter(
        message_id_key__in=[*keys, *(f"<{key}>" for key in keys)], message_id_begins__in=begins
    )


def _hits(roots: list[int]) -> list[Hit]:
    parts: dict[int, list[Message]] = {root: [] for root in roots}
    for message in Message.objects.filter(root_mid__in=roots).order_by("mid"):
        parts[message.root_mid].append(message)
    addresses: dict[int, list[str]] = {}
    rows = Recipient.objects.filter(message__root_mid__in=roots).order_by("message_id", "rid")
    for root, address in rows.values_list("message__root_mid", "address"):
        addresses.setdefault(root, []).append(address)
    return [_hit(messages, addresses.get(root, [])) for root, messages in parts.items() if messages]


def _hit(parts: list[Message], recipients: Iterable[str]) -> Hit:
    root = next((part for part in parts if part.mid == part.root_mid), parts[0])
    return Hit(
        mid=root.mid,
        icid=root.icid,
        received_at=root.received_at,
        sender=root.envelope_sender,
        # A split message and its parts name the same recipients.
        recipients=tuple(dict.fromkeys(recipients)),
        subject=root.subject,
        message_id=root.message_id_header,
        remote_ip=root.remote_ip,
        size=root.size,
        mids=tuple(part.mid for part in parts),
        policies=tuple(dict.fromkeys(part.policy_name for part in parts if part.policy_name)),
        states={part.mid: part.get_state_display() for part in parts},
        last_state=_last_state(parts),
        cursor=Cursor(received_at=root.received_at, root_mid=root.root_mid),
    )


def _sender_group(data: dict[str, Any]) -> str:
    """Of who sent the message; where an incoming relay says who that was, not the relay's."""
    group: str = data.get("client_group" if data.get("client_ip") else "sender_group", "")
    return group


def _last_state(parts: list[Message]) -> str:
    """Of several parts the one that still needs attention speaks: waiting, then bounced."""
    order = {state: rank for rank, state in enumerate(("queued", "bounced", "deleted", "delivered"))}
    ended = [part for part in parts if part.state != Message.State.SPLIT] or parts
    return min(ended, key=lambda part: order.get(part.state, len(order))).get_state_display()


def _refused(mid: int) -> list[RefusedRecipient]:
    rows = Refusal.objects.filter(mid=mid, kind__in=Refusal.AT_RCPT).order_by("pk")
    found = rows.values_list("recipient", "code", "reply")[:MOST_REFUSED]
    return [RefusedRecipient(address, f"{code} {' '.join(reply.splitlines())}") for address, code, reply in found]


def _lines(rows: Iterable[TrackingEvent], *, all_connector_events: bool) -> list[ProcessingLine]:
    said: list[ProcessingLine] = []
    for row in rows:
        event = events.from_row(kind=row.kind, mid=row.message_id, at=row.at, data=row.data)
        said.extend(
            ProcessingLine(at=row.at, text=sentence.text, connector=sentence.connector)
            for sentence in sentences(event)
            if all_connector_events or not sentence.extra
        )
    if said:
        last = said[-1]
        said[-1] = ProcessingLine(at=last.at, text=last.text, connector=last.connector, last=True)
    return said
