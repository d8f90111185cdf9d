"""The delivery queue: claim, give back, free what dead workers held. How a claim ends is in settle.py.

Every move is a conditional update: a row changes only while it is in the expected state and attempt, and the count is
looked at. PostgreSQL adds row locks so that workers skip each other's rows; SQLite's immediate transactions queue up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from seg_console.delivery import hosts
from seg_console.delivery.enqueue import DeliverySpec, enqueue
from seg_console.delivery.hold import alone, hold, whole_or_apart
from seg_console.delivery.kinds import Claimed, Destination, kind, kinds
from seg_console.delivery.models import Delivery
from seg_console.delivery.nudge import nudge
from seg_console.delivery.outcome import Failure, Outcome, Stage, expired
from seg_console.delivery.settle import Attempted, settle
from seg_console.delivery.states import ENDED, State
from seg_console.mail.events import Event
from seg_console.mail.models import Recipient
from seg_console.mail.record import record

logger = logging.getLogger(__name__)

# A worker renews its claims three times in this time; longer, and a crash delays a copy past half its life.
LEASE_S = 45
# Rows one sweep handles in a transaction, so that others get their turn.
SWEEP_ROWS = 500


@dataclass(frozen=True, slots=True)
class Demand:
    """How much a destination's connections can take on: at most `rows`, and `octets` of stored bodies."""

    destination: Destination
    rows: int
    octets: int


@dataclass(slots=True)
class Turn:
    """What a drain brings to the database in one transaction, and what it asks for. `settled`: the deliveries, by id,
    whose attempts were stored; another one's claim has passed to somebody else, or it is held."""

    attempts: list[Attempted] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)  # of connections; they happened before the attempts ended
    news: list[hosts.News] = field(default_factory=list)
    released: list[Claimed] = field(default_factory=list)
    demands: list[Demand] = field(default_factory=list)
    settled: frozenset[int] = frozenset()

    @property
    def writes(self) -> bool:
        return bool(self.attempts or self.events or self.news or self.released)


def take_turn(turn: Turn, *, now: datetime) -> list[list[Claimed]]:
    """Write what has ended and claim what comes next, in one transaction. One list of claims per demand.

    Should that fail, everything is tried by itself, so that what can be stored is. Raises OperationalError or
    InterfaceError when the database is away; the same turn may then be brought again.
    """
    if not turn.writes and not any(waiting(demand.destination, now=now) for demand in turn.demands):
        return [[] for _ in turn.demands]
    return whole_or_apart(lambda: _take_whole(turn, now), lambda: _take_apart(turn, now))


def _take_whole(turn: Turn, now: datetime) -> list[list[Claimed]]:
    if turn.attempts or turn.news:
        turn.settled = settle(turn.attempts, now=now, before=turn.events, news=turn.news).ours
    elif turn.events:
        record(turn.events)
    release(turn.released)
    return [claim(demand, now=now) for demand in turn.demands]


def _take_apart(turn: Turn, now: datetime) -> list[list[Claimed]]:
    """Attempts know for themselves when they were settled before; of events and news only the turn can tell."""
    alone(turn.events, lambda event: record([event]), _left_out)
    turn.events.clear()
    alone(turn.news, lambda news: hosts.update({}, [news], now=now), _left_out)
    turn.news.clear()
    settled = alone(turn.attempts, partial(_settle_one, now), partial(_held, now))
    turn.settled = frozenset().union(*settled)
    alone(turn.released, _release_one, _left_out)
    return alone(turn.demands, lambda demand: claim(demand, now=now), _not_claimed)


def _settle_one(now: datetime, attempted: Attempted) -> frozenset[int]:
    return settle([attempted], now=now).ours


def _held(now: datetime, attempted: Attempted, error: Exception) -> frozenset[int]:
    hold(attempted, error, now=now)
    return frozenset()


def _release_one(claimed: Claimed) -> None:
    release([claimed])


def _left_out(part: Event | hosts.News | Claimed, error: Exception) -> None:
    logger.error("not stored: %.1000s", ascii(part), exc_info=error, extra={"action": "turn_part_failed"})


def _not_claimed(demand: Demand, error: Exception) -> list[Claimed]:
    logger.error("nothing claimed: %.1000s", ascii(demand), exc_info=error, extra={"action": "claim_failed"})
    return []


def waiting(destination: Destination, *, now: datetime) -> bool:
    """Whether there is something to claim."""
    return _to_claim(destination, now).exists()


def _to_claim(destination: Destination, now: datetime) -> QuerySet[Delivery]:
    kind_name, domain = destination
    return Delivery.objects.filter(
        state=State.QUEUED, kind=kind_name, domain=domain, due_at__lte=now, expires_at__gt=now
    )


def claim(demand: Demand, *, now: datetime) -> list[Claimed]:
    """Take the next due rows of a destination (move b): attempt counted and lease written before anybody dials.

    The first row is taken whatever its size. Call inside a transaction.
    """
    rows = _to_claim(demand.destination, now).order_by("due_at", "id")
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True, no_key=True)
    chosen = _within(demand.octets, list(rows.values_list("id", "size")[: demand.rows]))
    if not chosen:
        return []
    taken = Delivery.objects.filter(pk__in=chosen, state=State.QUEUED).update(
        state=State.DELIVERING, attempt=F("attempt") + 1, lease_until=now + timedelta(seconds=LEASE_S)
    )
    assert taken == len(chosen)  # the rows are locked, or the whole database is
    return _read(chosen, demand.destination)


def _within(octets: int, rows: list[tuple[int, int]]) -> list[int]:
    chosen: list[int] = []
    for pk, size in rows:
        octets -= size
        if chosen and octets < 0:
            break
        chosen.append(pk)
    return chosen


class _Row(NamedTuple):
    """What is read of a claimed delivery; each column by its look-up."""

    id: int
    message_id: int
    address: str
    attempt: int
    recipients: list[list[Any]]
    size: int
    enqueued_at: datetime
    expires_at: datetime
    unanswered: bool
    message__envelope_sender: str
    message__sender_as_given: str
    message__subject: str | None
    message__message_id_header: str
    message__icid: int
    message__body__content: bytes | memoryview | None


def _read(ids: Sequence[int], destination: Destination) -> list[Claimed]:
    """Everything needed to send, bodies included, in one query; a second for kinds that want the envelope."""
    rows = Delivery.objects.filter(pk__in=ids).order_by("due_at", "id").values_list(*_Row._fields)
    found = list(map(_Row._make, rows))
    envelopes = _envelopes([row.message_id for row in found]) if kind(destination.kind).wants_envelope else {}
    return [_read_claim(row, destination, envelopes.get(row.message_id, [])) for row in found]


def _read_claim(row: _Row, destination: Destination, envelope: Sequence[str]) -> Claimed:
    content = row.message__body__content
    return Claimed(
        id=row.id,
        mid=row.message_id,
        destination=destination,
        address=row.address,
        attempt=row.attempt,
        recipients=tuple((rid, address) for rid, address in row.recipients),
        size=row.size,
        enqueued_at=row.enqueued_at,
        expires_at=row.expires_at,
        envelope_sender=row.message__sender_as_given or row.message__envelope_sender,
        subject=row.message__subject,
        message_id=row.message__message_id_header,
        icid=row.message__icid,
        content=None if content is None else bytes(content),
        envelope=tuple(envelope),
        unanswered=row.unanswered,
    )


def _envelopes(mids: Sequence[int]) -> dict[int, list[str]]:
    envelopes: dict[int, list[str]] = {}
    rows = Recipient.objects.filter(message__in=mids).order_by("message_id", "rid").values_list("message_id", "address")
    for mid, address in rows:
        envelopes.setdefault(mid, []).append(address)
    return envelopes


def release(held: Iterable[Claimed]) -> int:
    """Give back what was not tried (move j): its attempt is not counted. Returns how many were still ours."""
    count = 0
    for attempt, ids in _by_attempt(held):
        count += Delivery.objects.filter(pk__in=ids, state=State.DELIVERING, attempt=attempt).update(
            state=State.QUEUED, attempt=attempt - 1, lease_until=None
        )
    return count


def renew(held: Iterable[Claimed], *, now: datetime) -> int:
    """Put the end of the lease off for what a living worker still holds. Returns how many were still ours."""
    count = 0
    for attempt, ids in _by_attempt(held):
        count += Delivery.objects.filter(pk__in=ids, state=State.DELIVERING, attempt=attempt).update(
            lease_until=now + timedelta(seconds=LEASE_S)
        )
    return count


def _by_attempt(held: Iterable[Claimed]) -> list[tuple[int, list[int]]]:
    ordered = sorted((claimed.attempt, claimed.id) for claimed in held)
    return [(attempt, [pk for _, pk in group]) for attempt, group in groupby(ordered, key=lambda pair: pair[0])]


@dataclass(frozen=True, slots=True)
class _End:
    """An end that no connection brings about, for rows that are in the state `expected`."""

    expected: State
    outcome: Outcome
    at: datetime

    def of(self, row: Delivery, recipients: Iterable[tuple[int, str]]) -> Attempted:
        claimed = _claimed(row, tuple(recipients))
        outcomes = (self.outcome,) * len(claimed.recipients)
        return Attempted(claimed=claimed, outcomes=outcomes, at=self.at, expected=self.expected)


def leases_over(now: datetime) -> int:
    """Queue again what dead workers held (move f), due now. What has no retry left is given up: nobody knows whether
    it arrived, and trying for ever could be what kills the workers. Returns how many rows moved."""
    end = _End(State.DELIVERING, Outcome(Failure.UNKNOWN, Stage.CONTENT, 0, ("worker lost",)), now)
    lost = Delivery.objects.filter(state=State.DELIVERING, lease_until__lte=now).order_by("lease_until")
    return _swept(lost, _free, end)


def _free(lost: Sequence[Delivery], end: _End) -> int:
    used_up = [row for row in lost if row.attempt > kind(row.kind).rules(row.domain).max_retries]
    again = {row.pk for row in lost} - {row.pk for row in used_up}
    moved = Delivery.objects.filter(pk__in=again, state=State.DELIVERING, lease_until__lte=end.at).update(
        state=State.QUEUED, lease_until=None, due_at=end.at, unanswered=True
    )
    return moved + _give_up(used_up, end)


def expire(now: datetime) -> int:
    """Drop what has grown too old (move g). Ordinary mail expires when its next attempt would be made, a copy at once.
    Returns how many rows ended."""
    at_once = [each.name for each in kinds() if each.rules().expires_before_due]
    old = (
        Delivery.objects.filter(state=State.QUEUED, expires_at__lte=now)
        .filter(Q(due_at__lte=now) | Q(kind__in=at_once))
        .order_by("expires_at")
    )
    return _swept(old, _give_up, _End(State.QUEUED, expired(), now))


def _swept(found: QuerySet[Delivery], work: Callable[[Sequence[Delivery], _End], int], end: _End) -> int:
    """Work on what a sweep found, together or else row by row; a row whose end cannot be stored is held. Returns how
    many rows moved."""

    def apart() -> int:
        moved = alone(
            list(found.select_related("message")[:SWEEP_ROWS]),
            lambda row: work(_locked(found.filter(pk=row.pk)), end),
            lambda row, error: _hold_row(row, end, error),
        )
        return sum(moved)

    return whole_or_apart(lambda: work(_locked(found), end), apart)


def _hold_row(row: Delivery, end: _End, error: Exception) -> int:
    """Without its recipients: they may be what cannot be read."""
    attempted = Attempted(claimed=_claimed(row, ()), outcomes=(end.outcome,), at=end.at, expected=end.expected)
    hold(attempted, error, now=end.at)
    return 0


def _give_up(rows: Sequence[Delivery], end: _End) -> int:
    return settle([end.of(row, [(rid, address) for rid, address in row.recipients]) for row in rows], now=end.at).count


def _locked(rows: QuerySet[Delivery]) -> list[Delivery]:
    """Rows to work on, with their message but not its body."""
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True, no_key=True, of=("self",))
    return list(rows.select_related("message")[:SWEEP_ROWS])


def _claimed(row: Delivery, recipients: tuple[tuple[int, str], ...]) -> Claimed:
    """A row that nobody holds, as a claim without content: settling asks for one."""
    return Claimed(
        id=row.pk,
        mid=row.message_id,
        destination=Destination(row.kind, row.domain),
        address=row.address,
        attempt=row.attempt,
        recipients=recipients,
        size=row.size,
        enqueued_at=row.enqueued_at,
        expires_at=row.expires_at,
        envelope_sender=row.message.sender_as_given or row.message.envelope_sender,
        subject=row.message.subject,
        message_id=row.message.message_id_header,
        icid=row.message.icid,
        content=None,
        unanswered=row.unanswered,
    )


def retry(destinations: Iterable[Destination] | None, *, now: datetime) -> int:
    """Make what waits for a later attempt, or is held, due now (move h), and let hosts that are down be tried at once.

    None: every destination. An administrator's act: it never revives what was given up. Returns how many rows moved.
    """
    chosen = None if destinations is None else sorted(set(destinations))
    with transaction.atomic():
        rows = Delivery.objects.filter(Q(state=State.QUEUED, expires_at__gt=now) | Q(state=State.HELD))
        if chosen is not None:
            rows = rows.filter(_any_of(chosen))
        found = sorted(Destination(*pair) for pair in set(rows.values_list("kind", "domain")))
        moved = rows.filter(Q(state=State.HELD) | Q(due_at__gt=now)).update(state=State.QUEUED, due_at=now)
        hosts.try_now(found)
        nudge(found)
    return moved


def _any_of(destinations: Sequence[Destination]) -> Q:
    condition = Q(pk__in=())
    for kind_name, domain in destinations:
        condition |= Q(kind=kind_name, domain=domain)
    return condition


def due(now: datetime) -> list[Destination]:
    """Destinations with work that may be tried now: something is due and the host does not rest."""
    pairs = (
        Delivery.objects.filter(state=State.QUEUED, due_at__lte=now, expires_at__gt=now)
        .order_by()
        .values_list("kind", "domain")
        .distinct()
    )
    resting = hosts.resting(now)
    return [destination for pair in pairs if (destination := Destination(*pair)) not in resting]


def sweep(now: datetime) -> None:
    """Find what nudges and dead workers left behind: leases that are over, what is too old, what is due, probes."""
    tidy(now)
    nudge(due(now))


def tidy(now: datetime) -> None:
    """The part of the sweep that needs nobody else: leases that are over, and what is too old."""
    leases_over(now)
    expire(now)


def forget(before: datetime, *, most: int = 5000) -> int:
    """Delete deliveries that ended before that time; the message's tracking tells what became of them. Returns how
    many were deleted."""
    old = Delivery.objects.filter(ended_at__lt=before).order_by("ended_at").values_list("pk", flat=True)[:most]
    count, _ = Delivery.objects.filter(pk__in=list(old), state__in=sorted(ENDED)).delete()
    return count


__all__ = [
    "LEASE_S",
    "DeliverySpec",
    "Demand",
    "Turn",
    "claim",
    "due",
    "enqueue",
    "expire",
    "forget",
    "leases_over",
    "release",
    "renew",
    "retry",
    "sweep",
    "take_turn",
    "tidy",
    "waiting",
]
