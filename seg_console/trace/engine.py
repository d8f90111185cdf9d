"""What would become of a message (seg-webui 8.10): the mail path's own functions are asked, and nothing is kept.

Trace takes no numbers from the sequences: the message is MID 1, and the parts of one that splits are MID 2, 3, ...
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Final

from policies.matching import Explanation, explain
from policies.services import Piece
from seg_console.config.running import Running, supposing
from seg_console.delivery.enqueue import DeliverySpec
from seg_console.delivery.kinds import Claimed, Destination, Terms, kind
from seg_console.delivery.nexthop import LookupFailed, Resolver, RouteHost
from seg_console.delivery.running import dns, routes
from seg_console.delivery.session import Address
from seg_console.gateway.arrival import Arrival, Peer, Relayed, gateway_headers, with_recipients
from seg_console.gateway.document import Listener, SenderGroup
from seg_console.gateway.host_access import ALL, Match
from seg_console.gateway.listener import (
    INTERFACE,
    LOOP_ANSWER,
    REJECTED,
    match_host,
    match_relayed,
    relayed_denial,
    session_limits,
)
from seg_console.gateway.planning import Plan, Rulebook, plan_all, senders_of
from seg_console.gateway.protocol import Limits, ReceivedMessage, Session
from seg_console.gateway.relays import true_client
from seg_console.gateway.reverse_dns import ClientName, ReverseDns, system_resolver
from seg_console.gateway.running import address_parsing, incoming_relays, listener, recipient_access
from seg_console.gateway.writer import accepted
from seg_console.mail.addresses import least_quoted
from seg_console.mail.headers import is_looping
from seg_console.trace.dialogue import Dialogue, converse
from tdc.running import Reason, connector

MID: Final = 1
# Of all look-ups of next hops together, whatever the configured time-out of one.
LOOKUPS_S: Final = 8.0
MOST_LOOKUPS: Final = 20


@dataclass(frozen=True, slots=True)
class Question:
    """An imagined message. `source_name` "" asks the DNS; `sender` "" is the null sender.

    `content` goes to the listener as it is, so its line ends should be CRLF.
    """

    source_ip: str
    source_name: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Client:
    """The connecting host and its sender group. `given`: its name was typed, and nobody looked it up.

    `refusal` is what it is told in place of a banner, "" where it is let in or dropped without a word.
    """

    ip: str
    name: ClientName
    given: bool
    group: Match[SenderGroup]

    @property
    def is_let_in(self) -> bool:
        return self.group.policy.action == "accept"

    @property
    def refusal(self) -> str:
        return f"554 {self.group.policy.response or REJECTED}" if self.group.policy.action == "reject" else ""


@dataclass(frozen=True, slots=True)
class Hop:
    """Where a destination's mail goes. `hosts`: those of its SMTP Route, None where none applies and MX decides.

    `addresses` are in the order of trying; `failure` says why there are none; neither, with `discard`, the mail goes
    nowhere. `looked_up` is False for destinations beyond MOST_LOOKUPS.
    """

    hosts: tuple[RouteHost, ...] | None
    addresses: tuple[Address, ...] = ()
    discard: bool = False
    failure: str = ""
    looked_up: bool = True


@dataclass(frozen=True, slots=True)
class TracedDelivery:
    """One delivery that would be queued. `sender` and `content` as the server there would get them."""

    spec: DeliverySpec
    shown_as: str
    is_copy: bool
    terms: Terms
    hop: Hop
    sender: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TracedPart:
    """The recipients that fall to one policy, index RID; where their copy goes and why."""

    mid: int
    policy_name: str
    policy_uid: str
    recipients: tuple[str, ...]
    explanations: tuple[Explanation, ...]
    intake_address: str | None
    reason: Reason
    inherits: bool
    deliveries: tuple[TracedDelivery, ...]

    @property
    def copy(self) -> TracedDelivery | None:
        return next((delivery for delivery in self.deliveries if delivery.is_copy), None)


@dataclass(frozen=True, slots=True)
class TracedMessage:
    """A message that was taken: what is put above it, the whole of it, and its parts."""

    headers_added: str
    content: bytes = field(repr=False)
    parts: tuple[TracedPart, ...]

    @property
    def is_split(self) -> bool:
        return len(self.parts) > 1


@dataclass(frozen=True, slots=True)
class Traced:
    """The whole answer. `relayed`: what an incoming relay says of who sent the message. `dialogue` is None for a client
    that is not let in; `answer` is the line after the final dot; `message` None where nothing would be stored."""

    question: Question
    at: datetime
    client: Client
    settings: Listener
    limits: Limits
    dialogue: Dialogue | None
    answer: str
    message: TracedMessage | None
    relayed: Relayed | None = None

    def files(self) -> dict[str, bytes]:
        """What is worth saving: `message`, and `copy-MID` for each part that is copied."""
        if self.message is None:
            return {}
        copies = {f"copy-{part.mid}": part.copy.content for part in self.message.parts if part.copy}
        return {"message": self.message.content} | copies


@dataclass(frozen=True, slots=True)
class Gateway:
    """Who this gateway is: its name, and the zone of its clock."""

    hostname: str
    zone: tzinfo


def trace(question: Question, configuration: Running, gateway: Gateway, *, now: datetime) -> Traced:
    """Ask the configuration, committed or not. Looks names up in the DNS, bounded in time; sends and stores nothing."""
    name = asyncio.run(_name(question))
    group = match_host(configuration, address=question.source_ip, name=name)
    client = Client(question.source_ip, name, given=bool(question.source_name), group=group)
    settings = configuration.value(listener)
    limits = session_limits(settings, group.policy)
    dialogue = _dialogue(question, configuration, gateway, client, limits) if client.is_let_in else None

    def ended(answer: str, message: TracedMessage | None = None, relayed: Relayed | None = None) -> Traced:
        return Traced(question, now, client, settings, limits, dialogue, answer, message, relayed)

    if dialogue is None or dialogue.message is None:
        return ended("\n".join(dialogue.content.reply if dialogue and dialogue.content else ()))
    if is_looping(dialogue.message.content):
        return ended("{} {}".format(*LOOP_ANSWER))
    arrival = _arrival(dialogue.message, client, configuration, gateway, now=now)
    relayed, sender_group = _relayed(arrival, configuration)
    if sender_group and sender_group.action != "accept":
        return ended("{} {}".format(*relayed_denial(sender_group)), relayed=relayed)
    arrival = replace(arrival, relayed=relayed)
    answer = accepted(arrival)
    return ended(f"{answer.code} {answer.text}", _message(arrival, configuration, gateway, now=now), relayed)


async def _name(question: Question) -> ClientName:
    """As it was given, else as the listener looks it up."""
    if question.source_name:
        return ClientName(question.source_name, verified=True)
    return await _looked_up(question.source_ip)


async def _looked_up(ip: str) -> ClientName:
    names = ReverseDns(system_resolver())
    now = asyncio.get_running_loop().time()
    return names.known(ip, now=now) or await names.look_up(ip, now=now)


def _relayed(arrival: Arrival, configuration: Running) -> tuple[Relayed | None, SenderGroup | None]:
    """What an incoming relay says of who sent the message, and the sender group of that client."""
    said = true_client(configuration.value(incoming_relays), arrival.peer.remote_ip, arrival.message.content)
    if said is None:
        return None, None
    if not said.ip:
        return Relayed(said.relay, said.header), None
    return match_relayed(configuration, said, asyncio.run(_looked_up(said.ip)), arrival.peer)


def _dialogue(question: Question, configuration: Running, gateway: Gateway, client: Client, limits: Limits) -> Dialogue:
    group = client.group.policy
    session = Session(
        hostname=gateway.hostname,
        access=configuration.value(recipient_access).decide,
        next_mid=lambda: MID,
        limits=limits,
        tls_available=group.tls != "none",
        tls_required=group.tls == "required",
        bare_line_ends=configuration.value(listener).bare_line_ends,
        parsing=configuration.value(address_parsing),
    )
    return converse(
        session,
        helo=client.name.name or f"[{client.ip}]",
        tls=group.tls == "required",
        sender=question.sender,
        recipients=question.recipients,
        content=question.content,
    )


def _arrival(
    message: ReceivedMessage, client: Client, configuration: Running, gateway: Gateway, *, now: datetime
) -> Arrival:
    peer = Peer(
        icid=1,
        interface=INTERFACE,
        interface_ip="",
        remote_ip=client.ip,
        reverse_dns=client.name.name,
        verified=client.name.verified,
        sender_group="" if client.group.name == ALL else client.group.name,
        matched=client.group.entry,
    )
    own = configuration.value(recipient_access).own_domain or gateway.hostname
    return Arrival(peer, now, with_recipients(message, own=own))


def _message(arrival: Arrival, configuration: Running, gateway: Gateway, *, now: datetime) -> TracedMessage:
    rules = Rulebook.of(configuration, hostname=gateway.hostname, zone=gateway.zone)
    (plan,) = plan_all([arrival], rules, new_mids=lambda needed: range(MID + 1, MID + 1 + needed))
    why = explain(rules.table, senders_of(arrival, plan.headers), arrival.message.envelope.recipients)
    specs = [spec for piece in plan.pieces for spec in piece.deliveries]
    # The kinds of delivery ask the running configuration themselves.
    with supposing(configuration):
        terms = {(spec.kind, spec.domain): kind(spec.kind).terms(spec.domain) for spec in specs}
        hops = asyncio.run(_hops(terms, configuration, gateway.hostname))
        serials = iter(range(1, len(specs) + 1))
        parts = tuple(
            _part(
                piece,
                tuple(why[rid] for rid in piece.part.rids),
                configuration,
                tuple(
                    _delivery(spec, plan, piece, terms=terms, hops=hops, serial=next(serials), now=now)
                    for spec in piece.deliveries
                ),
            )
            for piece in plan.pieces
        )
    above = gateway_headers(arrival, hostname=rules.hostname, zone=rules.zone, sender_ip=rules.adds_sender_ip_header)
    return TracedMessage(above.decode("ascii"), plan.content, parts)


def _part(
    piece: Piece, why: tuple[Explanation, ...], configuration: Running, deliveries: tuple[TracedDelivery, ...]
) -> TracedPart:
    policy, connected = piece.part.policy, configuration.value(connector)
    return TracedPart(
        mid=piece.mid,
        policy_name=policy.name,
        policy_uid=policy.uid,
        recipients=piece.recipients,
        explanations=why,
        intake_address=piece.intake_address,
        reason=connected.reason_for(policy.uid),
        inherits=connected.inherits(policy.uid),
        deliveries=deliveries,
    )


def _delivery(
    spec: DeliverySpec,
    plan: Plan,
    piece: Piece,
    *,
    terms: dict[tuple[str, str], Terms],
    hops: dict[tuple[str, str], Hop],
    serial: int,
    now: datetime,
) -> TracedDelivery:
    """As a worker would hold it. Of a delivery's row only the number is made up: it is in the copy's Message-ID."""
    of_kind = kind(spec.kind)
    claimed = Claimed(
        id=serial,
        mid=spec.mid,
        destination=Destination(spec.kind, spec.domain),
        address=spec.address,
        attempt=1,
        recipients=spec.recipients,
        size=spec.size,
        enqueued_at=now,
        expires_at=now,
        envelope_sender=plan.arrival.message.envelope.sender,
        subject=plan.headers.subject,
        message_id=plan.headers.message_id or "",
        icid=plan.arrival.peer.icid,
        content=plan.content,
        envelope=tuple(map(least_quoted, piece.recipients)) if of_kind.wants_envelope else (),
    )
    return TracedDelivery(
        spec=spec,
        shown_as=of_kind.shown_as(spec.domain),
        is_copy=of_kind.connector,
        terms=terms[spec.kind, spec.domain],
        hop=hops[spec.kind, spec.domain],
        sender=of_kind.sender(claimed),
        content=of_kind.content(claimed, now),
    )


async def _hops(
    terms: dict[tuple[str, str], Terms], configuration: Running, hostname: str
) -> dict[tuple[str, str], Hop]:
    """The next hop of each destination, all looked up at once."""
    lookup, table = configuration.value(dns), configuration.value(routes)
    resolver = Resolver(lookup.servers, timeout_s=min(lookup.timeout_s, LOOKUPS_S), hostname=hostname)
    asked = list(terms)[:MOST_LOOKUPS]

    async def look_up(key: tuple[str, str]) -> Hop:
        domain = key[1]
        hosts = table.lookup(domain)
        try:
            async with asyncio.timeout(LOOKUPS_S):
                found = await resolver.next_hop(domain, table, terms[key].ip)
        except LookupFailed as failure:
            return Hop(hosts, failure="\n".join(failure.outcome.lines))
        except TimeoutError:
            return Hop(hosts, failure=f"no answer from the DNS within {LOOKUPS_S:.0f} seconds")
        return Hop(hosts, found.addresses, found.discard)

    hops = await asyncio.gather(*map(look_up, asked))
    beyond: Sequence[tuple[str, str]] = list(terms)[MOST_LOOKUPS:]
    return dict(zip(asked, hops, strict=True)) | {key: Hop(table.lookup(key[1]), looked_up=False) for key in beyond}
