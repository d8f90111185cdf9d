"""What a finished message becomes, as plain values: its policies, its parts, their deliveries. Nothing is stored here.

Acceptance writes the plans down; Trace only shows them, so what it says is what would happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple

from policies.matching import Part, PolicyTable, Senders
from policies.running import policy_table, service_rules
from policies.services import Piece, Rule
from seg_console.config.running import Running
from seg_console.delivery.ordinary import specs_for
from seg_console.gateway.arrival import Arrival, below_our_headers, gateway_headers
from seg_console.mail.headers import Headers, read_headers


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The part of the running configuration that decides where a message goes, and this gateway's own name.

    `services`: the rules of the policies' services, in the order in which a message meets them.
    """

    table: PolicyTable
    services: tuple[Rule, ...]
    adds_sender_ip_header: bool
    hostname: str
    zone: tzinfo

    @classmethod
    def of(cls, running: Running, *, hostname: str, zone: tzinfo) -> Rulebook:
        rules = running.value(service_rules)
        adds_sender_ip_header = any(rule.adds_sender_ip_header for rule in rules)
        return cls(running.value(policy_table), rules, adds_sender_ip_header, hostname, zone)


class _Read(NamedTuple):
    """An arrival whose content was read, once: it may stand in a file."""

    arrival: Arrival
    content: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Plan:
    """What one arrival becomes. A message that is not split has one piece, under the MID it came in with."""

    arrival: Arrival
    headers: Headers
    content: bytes
    pieces: tuple[Piece, ...]

    @property
    def mid(self) -> int:
        """Of what came in."""
        return self.arrival.message.envelope.mid

    @property
    def is_split(self) -> bool:
        return len(self.pieces) > 1


def plan_all(arrivals: Sequence[Arrival], rules: Rulebook, *, new_mids: Callable[[int], Iterable[int]]) -> list[Plan]:
    """Match every recipient. `new_mids(n)` gives the n MIDs of all the parts of messages that split, in one block."""
    read = [_read(arrival) for arrival in arrivals]
    splits = [
        rules.table.split(senders_of(each.arrival, each.headers), each.arrival.message.envelope.recipients)
        for each in read
    ]
    needed = sum(len(parts) for parts in splits if len(parts) > 1)
    fresh = iter(new_mids(needed)) if needed else iter(())
    return [_plan(each, parts, rules, fresh) for each, parts in zip(read, splits, strict=True)]


def senders_of(arrival: Arrival, headers: Headers) -> Senders:
    """Who the message says it is from, as policies ask it."""
    return Senders(arrival.message.envelope.sender, headers.from_address, headers.reply_to, headers.sender)


def _read(arrival: Arrival) -> _Read:
    content = arrival.message.content
    return _Read(arrival, content, read_headers(content))


def _plan(read: _Read, parts: Sequence[Part], rules: Rulebook, fresh: Iterator[int]) -> Plan:
    arrival, envelope = read.arrival, read.arrival.message.envelope
    sender_ip = rules.adds_sender_ip_header
    above = gateway_headers(arrival, hostname=rules.hostname, zone=rules.zone, sender_ip=sender_ip)
    content = above + below_our_headers(read.content, sender_ip=sender_ip)
    mids = [envelope.mid] if len(parts) == 1 else [next(fresh) for _ in parts]
    pieces = [
        _piece(
            mid,
            part,
            tuple(envelope.recipients[rid] for rid in part.rids),
            size=len(content),
            services=rules.services,
        )
        for mid, part in zip(mids, parts, strict=True)
    ]
    return Plan(arrival, read.headers, content, tuple(pieces))


def _piece(mid: int, part: Part, recipients: tuple[str, ...], *, size: int, services: tuple[Rule, ...]) -> Piece:
    """One delivery per recipient domain for the original, and whatever the policy's services make of that."""
    piece = Piece(mid, part, recipients, size, tuple(specs_for(mid=mid, recipients=recipients, size=size)))
    for rule in services:
        piece = rule.decide(piece)
    return piece
