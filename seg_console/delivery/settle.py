"""How attempts end: rows, recipients, counters, health, events and bounces of a whole batch in one transaction.

The number of queries does not depend on the size of the batch. Two workers may settle the original and the copy of
one message at the same moment: message rows are locked first, in MID order, so neither waits for the other in a
circle and exactly one of them finishes the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias, TypedDict

from django.db import connection, transaction
from django.db.models import Q

from seg_console.delivery import hosts
from seg_console.delivery.hosts import News, Tally
from seg_console.delivery.kinds import Claimed, Destination, kind
from seg_console.delivery.models import Delivery
from seg_console.delivery.outcome import Failure, Outcome, diagnose
from seg_console.delivery.reports import Undelivered, report
from seg_console.delivery.rules import Decision, RetryRules, decide, is_final
from seg_console.delivery.states import Move, State
from seg_console.mail import events
from seg_console.mail.bulk import update_many
from seg_console.mail.models import Message, Recipient
from seg_console.mail.progress import deliveries_ended
from seg_console.mail.record import record

Pair: TypeAlias = tuple[int, str]  # RID and address


@dataclass(frozen=True, slots=True)
class Attempted:
    """A transaction that ended at `at`: one outcome per recipient of the claim, and the connection that brought it.

    None: this recipient goes on in the attempt's next transaction. `transaction`: the RIDs that MAIL FROM was followed
    by in the last one, empty when it was never sent. `dcid` 0 and empty addresses: there was no connection. `expected`
    is the state the row must still be in.
    """

    claimed: Claimed
    outcomes: tuple[Outcome | None, ...]
    at: datetime
    transaction: tuple[int, ...] = ()
    dcid: int = 0
    local_ip: str = ""
    remote_ip: str = ""
    port: int = 0
    tls_protocol: str = ""
    tls_cipher: str = ""
    expected: State = State.DELIVERING

    @property
    def started(self) -> bool:
        """Whether MAIL FROM was sent."""
        return bool(self.transaction)


@dataclass(frozen=True, slots=True)
class Settled:
    """`ours`: the deliveries whose attempts were settled, by id; `late` ones came too late: their claim had passed to
    another."""

    ours: frozenset[int]
    late: int

    @property
    def count(self) -> int:
        return len(self.ours)


@dataclass(frozen=True, slots=True)
class _Result:
    """One recipient's outcome and what follows from it."""

    pair: Pair
    outcome: Outcome
    decision: Decision


@dataclass(slots=True)
class _Ending:
    """One attempt with everything that follows from it. `rest`: recipients that go on in its next transaction."""

    attempted: Attempted
    results: list[_Result] = field(default_factory=list)
    rest: list[Pair] = field(default_factory=list)

    def taking(self, *moves: Move) -> list[_Result]:
        return [result for result in self.results if result.decision.move in moves]

    @property
    def ended(self) -> bool:
        return not self.rest and not self.taking(Move.RETRY_LATER)

    @property
    def state(self) -> State:
        """A delivery with several recipients counts as delivered when its last transaction delivered any of them."""
        if self.rest:
            return State.DELIVERING
        if not self.ended:
            return State.QUEUED
        moves = {result.decision.move for result in self.results}
        for move, state in _END_STATES:
            if move in moves:
                return state
        return State.BOUNCED

    @property
    def unanswered(self) -> bool:
        """Whether this attempt or an earlier one sent the content and got no answer: it may have arrived."""
        return self.attempted.claimed.unanswered or any(
            result.outcome.failure is Failure.UNKNOWN for result in self.results
        )

    @property
    def unconfirmed(self) -> bool:
        """Whether a copy that is given up now may have arrived. Ordinary mail is reported to its sender instead."""
        return self.unanswered and kind(self.attempted.claimed.destination.kind).connector


_END_STATES = ((Move.DELIVER, State.DELIVERED), (Move.BOUNCE, State.BOUNCED), (Move.EXPIRE, State.EXPIRED))


def settle(
    attempts: Sequence[Attempted],
    *,
    now: datetime,
    before: Sequence[events.Event] = (),
    news: Sequence[News] = (),
) -> Settled:
    """Settle a batch (moves c, d, e, g, k): each recipient on its own, the rest of a delivery stays queued, or with
    its worker where the attempt goes on.

    `before`: events that happened before these attempts ended. An attempt whose claim was lost meanwhile changes
    nothing, because another worker owns the row now.
    """
    with transaction.atomic(savepoint=False):
        ours = _still_ours(attempts)
        destinations = {each.claimed.destination for each in ours}
        rules = {each: kind(each.kind).rules(each.domain) for each in destinations}
        endings = [_end(attempted, rules[attempted.claimed.destination]) for attempted in ours]
        _write_deliveries(endings, now)
        _write_recipients(endings)
        finished = _finish(endings, now)
        reports = report(_undelivered(endings), now=now)
        record([*before, *_events(endings, finished), *reports])
        hosts.update(_tallies(endings), news, now=now)
    settled = frozenset(ending.attempted.claimed.id for ending in endings)
    return Settled(settled, late=len(attempts) - len(endings))


def _finish(endings: Sequence[_Ending], now: datetime) -> list[events.Finished]:
    ended = [ending.attempted.claimed for ending in endings if ending.ended]
    return deliveries_ended(
        originals=[claimed.mid for claimed in ended if not kind(claimed.destination.kind).connector],
        copies=[claimed.mid for claimed in ended if kind(claimed.destination.kind).connector],
        now=now,
    )


def _still_ours(attempts: Sequence[Attempted]) -> list[Attempted]:
    """Lock messages, then deliveries, both in order; keep the attempts whose row is in the expected state.

    Recipients only get fewer during an attempt, so their number tells a transaction that was settled before: when the
    database goes away, nobody knows whether it had committed, and the batch is brought again.
    """
    if not attempts:
        return []
    rows = Delivery.objects.filter(pk__in=[each.claimed.id for each in attempts]).order_by("pk")
    if connection.features.has_select_for_update:
        mids = {each.claimed.mid for each in attempts}
        list(Message.objects.filter(pk__in=mids).select_for_update().order_by("pk").values_list("pk"))
        rows = rows.select_for_update()
    standing = {pk: tuple(row) for pk, *row in rows.values_list("pk", "state", "attempt", "recipient_count")}
    return [each for each in attempts if standing.get(each.claimed.id) == _claim_of(each)]


def _claim_of(attempted: Attempted) -> tuple[State, int, int]:
    claimed = attempted.claimed
    return attempted.expected, claimed.attempt, len(claimed.recipients)


def _end(attempted: Attempted, rules: RetryRules) -> _Ending:
    """While the attempt goes on for one recipient, what can still be mended goes on with it."""
    claimed, goes_on = attempted.claimed, None in attempted.outcomes
    ending = _Ending(attempted)
    for pair, outcome in zip(claimed.recipients, attempted.outcomes, strict=True):
        if outcome is None or (goes_on and _may_change(outcome, rules)):
            ending.rest.append(pair)
        else:
            decision = decide(rules, outcome, attempt=claimed.attempt, now=attempted.at)
            ending.results.append(_Result(pair, outcome, decision))
    return ending


def _may_change(outcome: Outcome, rules: RetryRules) -> bool:
    """Whether another transaction could mend it, retries left or not."""
    return outcome.failure not in {None, Failure.EXPIRED} and not is_final(rules, outcome)


def _write_deliveries(endings: Sequence[_Ending], now: datetime) -> None:
    plain = [e.attempted for e in endings if e.state is State.DELIVERED and not e.taking(Move.BOUNCE, Move.EXPIRE)]
    if plain:
        moved = Delivery.objects.filter(pk__in=[each.claimed.id for each in plain], state=State.DELIVERING).update(
            state=State.DELIVERED, ended_at=now, lease_until=None, recipients=[], recipient_count=0
        )
        assert moved == len(plain)  # looked at and locked a moment ago
    done = {each.claimed.id for each in plain}
    others = [each for each in endings if each.attempted.claimed.id not in done]
    update_many(
        Delivery,
        (*_CHANGED, "state", "due_at", "lease_until", "ended_at"),
        [
            (*_changed(e), e.state, _due_at(e) or now, None, now if e.ended else None, e.attempted.claimed.id)
            for e in others
            if not e.rest
        ],
        kept=_LAST,
    )
    # They stay with their worker.
    update_many(Delivery, _CHANGED, [(*_changed(e), e.attempted.claimed.id) for e in others if e.rest], kept=_LAST)


_LAST = ("last_status", "last_code", "last_text")
_CHANGED = ("recipients", "recipient_count", "unanswered", *_LAST)


def _changed(ending: _Ending) -> tuple[object, ...]:
    """What an attempt that failed for at least one recipient, or that goes on, leaves in these columns; None for what
    it leaves as it was."""
    left = [*ending.rest, *(result.pair for result in ending.taking(Move.RETRY_LATER))]
    failed = ending.taking(Move.RETRY_LATER, Move.BOUNCE, Move.EXPIRE)
    last: tuple[str | None, str | None, str | None] = (None, None, None)
    if failed:
        diagnosis = diagnose(failed[-1].outcome, final=failed[-1].decision.move is not Move.RETRY_LATER)
        last = diagnosis.status, diagnosis.code, " ".join(diagnosis.lines)
    return [list(pair) for pair in left], len(left), ending.unanswered, *last


def _due_at(ending: _Ending) -> datetime | None:
    waiting = ending.taking(Move.RETRY_LATER)
    return waiting[0].decision.due_at if waiting else None


_RECIPIENT_STATES = {
    Recipient.State.DELIVERED: (Move.DELIVER,),
    Recipient.State.BOUNCED: (Move.BOUNCE, Move.EXPIRE),
}


def _write_recipients(endings: Sequence[_Ending]) -> None:
    """The recipients of originals; a copy's only recipient is the intake, which is nobody's recipient row."""
    originals = [e for e in endings if not kind(e.attempted.claimed.destination.kind).connector]
    for state, moves in _RECIPIENT_STATES.items():
        mids_by_rids: dict[tuple[int, ...], list[int]] = {}
        for ending in originals:
            rids = tuple(result.pair[0] for result in ending.taking(*moves))
            if rids:
                mids_by_rids.setdefault(rids, []).append(ending.attempted.claimed.mid)
        if mids_by_rids:
            Recipient.objects.filter(_any_of(mids_by_rids)).update(state=state)


def _any_of(mids_by_rids: dict[tuple[int, ...], list[int]]) -> Q:
    """Nearly always one term: single recipients with RID 0."""
    condition = Q()
    for rids, mids in mids_by_rids.items():
        condition |= Q(message__in=mids, rid__in=rids)
    return condition


def _events(endings: Sequence[_Ending], finished: Sequence[events.Finished]) -> list[events.Event]:
    """In the order in which the attempts ended, each message's Finished behind its last one."""
    last = {ending.attempted.claimed.mid: index for index, ending in enumerate(endings)}
    ends = {event.mid: event for event in finished}
    happened: list[events.Event] = []
    for index, ending in enumerate(endings):
        happened += _events_of(ending)
        mid = ending.attempted.claimed.mid
        if last[mid] == index and mid in ends:
            happened.append(ends[mid])
    return happened


def _events_of(ending: _Ending) -> Sequence[events.Event]:
    """One event for each group of recipients with the same outcome; only the first says that MAIL FROM was sent, and
    for whom."""
    groups: dict[tuple[Outcome, Move, datetime | None], list[Pair]] = {}
    for result in ending.results:
        key = (result.outcome, result.decision.move, result.decision.due_at)
        groups.setdefault(key, []).append(result.pair)
    happened: list[events.DeliveryEvent] = []
    for (outcome, move, due_at), pairs in groups.items():
        started = ending.attempted.started and not happened
        decision = Decision(move, due_at)
        happened.append(
            _event(ending.attempted, outcome, decision, pairs, started=started, unconfirmed=ending.unconfirmed)
        )
    return [replace(event, transaction=ending.attempted.transaction if event.started else ()) for event in happened]


class _Told(TypedDict):
    """What every event of a delivery tells (events.DeliveryEvent)."""

    mid: int
    at: datetime
    dcid: int
    connector: bool
    started: bool
    rids: tuple[int, ...]
    recipients: tuple[str, ...]


class _Failed(_Told):
    """And what every failed one does (events.DeliveryFailed)."""

    status: str
    reason: str
    code: str
    reply: tuple[str, ...]


def _event(
    attempted: Attempted,
    outcome: Outcome,
    decision: Decision,
    pairs: Sequence[Pair],
    *,
    started: bool,
    unconfirmed: bool,
) -> events.DeliveryEvent:
    claimed = attempted.claimed
    how = kind(claimed.destination.kind)
    told: _Told = {
        "mid": claimed.mid,
        "at": attempted.at,
        "dcid": attempted.dcid,
        "connector": how.connector,
        "started": started,
        "rids": tuple(rid for rid, _ in pairs),
        "recipients": tuple(address for _, address in pairs),
    }
    if decision.move is Move.DELIVER:
        return events.Delivered(
            **told,
            response=outcome.text,
            local_ip=attempted.local_ip,
            remote_ip=attempted.remote_ip,
            port=attempted.port,
            tls_protocol=attempted.tls_protocol,
            tls_cipher=attempted.tls_cipher,
        )
    diagnosis = diagnose(outcome, final=decision.move is not Move.RETRY_LATER)
    failed: _Failed = {
        **told,
        "status": diagnosis.status,
        "reason": diagnosis.reason,
        "code": diagnosis.code,
        "reply": diagnosis.lines,
    }
    if decision.move is Move.RETRY_LATER:
        assert decision.due_at is not None
        return events.Delayed(**failed, retry_at=decision.due_at.isoformat())
    if how.bounces and not claimed.envelope_sender:
        return events.DoubleBounced(**failed)
    return events.Bounced(
        **failed,
        tls=outcome.failure is Failure.TLS,
        expired=decision.move is Move.EXPIRE,
        unconfirmed=unconfirmed,
    )


def _undelivered(endings: Sequence[_Ending]) -> list[Undelivered]:
    """What must be reported to an envelope sender; never a copy, never a message that has none."""
    found: list[Undelivered] = []
    for ending in endings:
        claimed = ending.attempted.claimed
        given_up = ending.taking(Move.BOUNCE, Move.EXPIRE)
        if given_up and claimed.envelope_sender and kind(claimed.destination.kind).bounces:
            failures = tuple((result.pair[1], result.outcome) for result in given_up)
            found.append(Undelivered(claimed=claimed, failures=failures, remote=ending.attempted.remote_ip))
    return found


def _tallies(endings: Sequence[_Ending]) -> dict[Destination, Tally]:
    tallies: dict[Destination, Tally] = {}
    for ending in endings:
        attempted = ending.attempted
        tally = tallies.setdefault(attempted.claimed.destination, Tally())
        tally.attempted = tally.attempted or attempted.expected is State.DELIVERING
        for result in ending.results:
            tally.add(_counter(result))
            _remember(tally, result.outcome)
        if ending.unconfirmed:
            tally.add("unconfirmed", len(ending.taking(Move.BOUNCE, Move.EXPIRE)))
    return tallies


def _counter(result: _Result) -> str:
    """Which of the destination's counters a recipient's result belongs to (TDC reference 8.2)."""
    match result.decision.move, result.outcome.failure:
        case Move.DELIVER, _:
            return "delivered"
        case Move.RETRY_LATER, _:
            return "soft_bounced"
        case Move.EXPIRE, _:
            return "expired_hard_bounced"
        case _, Failure.DNS_NEGATIVE | Failure.DNS_TEMPORARY:
            return "dns_hard_bounced"
        case _, Failure.REPLY if 500 <= result.outcome.code < 600:
            return "reply_hard_bounced"
        case _:
            return "other_hard_bounced"


def _remember(tally: Tally, outcome: Outcome) -> None:
    if outcome.failure is Failure.REPLY and 500 <= outcome.code < 600:
        tally.last_5xx = f"{outcome.code} {outcome.text}"
    if outcome.failure is Failure.TLS:
        tally.last_tls = outcome.text
