"""One destination's connections while a drain works on it: plan, dial, send, and stop when the host does not answer.

Runs inside the drain's event loop and touches no database: what has ended goes to the drain, which stores it and
hands out what comes next.

A failed connect is charged to the one message that was assigned to that connection; messages that wait keep their
attempts. Therefore only the first connection dials with a message in hand, and others pick theirs up once connected.

A message with many recipients goes out in several transactions, each stored before the next begins. They go on as long
as each brings something about: what a server refuses only because it has enough for now is asked again at once.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from django.utils import timezone

from seg_console.delivery import cancelling
from seg_console.delivery.connections import Limits, Load, plan
from seg_console.delivery.hosts import News
from seg_console.delivery.kinds import Claimed, DeliveryKind, Destination, IpPreference, Terms, Timeouts
from seg_console.delivery.nexthop import LookupFailed, NextHop
from seg_console.delivery.outcome import Failure, Outcome, Stage, expired, told, too_many_recipients
from seg_console.delivery.rules import RetryRules, is_final
from seg_console.delivery.session import (
    Address,
    ConnectionGone,
    Conversation,
    DialError,
    Discard,
    Envelope,
    Sent,
    Session,
    dial,
)
from seg_console.delivery.settle import Attempted
from seg_console.delivery.shelf import LOOK_S, Shelf
from seg_console.mail import events

logger = logging.getLogger(__name__)

# A queue that is empty for this long is empty: until then connections stay open for what may come.
QUIET_S: Final = 0.5
# A destination of which nothing ended for so long is slow.
LIVELY_S: Final = 0.25
# Connections that broke one after the other, without a delivery between them, before the host counts as down.
MOST_BROKEN: Final = 3
# Connections of one process to one destination; more bring nothing, because one thread serves them all.
MOST_CONNECTIONS: Final = 50
# Rows claimed before any connection shows how fast the host is, and at once when all get the same answer.
FIRST_CLAIM: Final = 10
MOST_JUDGED: Final = 100
# A connection that is so old takes no further message: a server that answers a character a second would keep it for
# hours, under the configuration of long ago.
LONGEST_CONNECTION_S: Final = 900.0


# Beyond what connections may wait for: storing an outcome, looking a name up.
MARGIN_S: Final = 120.0


def longest_wait(timeouts: Timeouts) -> float:
    """Seconds within which a lane that is told to end, or gives way, has ended, whatever its host does."""
    return LONGEST_CONNECTION_S + timeouts.longest_s + MARGIN_S


class Office(Protocol):
    """What a lane asks of the drain."""

    @property
    def hostname(self) -> str: ...

    async def next_hop(self, domain: str, ip: IpPreference) -> NextHop: ...

    async def next_dcid(self) -> int: ...

    async def store(self, attempted: Attempted) -> bool:
        """Returns once the attempt is settled in the database; False when it was not ours any more, or is held."""

    def note(self, *happened: events.Event) -> None:
        """Record events of connections with the next batch."""

    def tell(self, news: News) -> None: ...

    def release(self, claimed: Claimed) -> None: ...

    async def take_slots(self, destination: Destination, wanted: int, most: int) -> int: ...

    async def give_slots(self, destination: Destination, count: int) -> None: ...

    def need_work(self) -> None:
        """There is room for more claims."""


@dataclass(frozen=True, slots=True)
class _Way:
    """How far a connection came; of one that was never tried, nothing."""

    dcid: int = 0
    address: Address | None = None
    local_ip: str = ""
    tls_protocol: str = ""
    tls_cipher: str = ""


NO_WAY: Final = _Way()


@dataclass(frozen=True, slots=True)
class _Unreachable:
    """Why there is no connection."""

    outcome: Outcome
    way: _Way = NO_WAY


class Lane:
    """One destination. `run` ends when nothing is left to do, the host is down, or `wind_up` or `give_way` was said."""

    def __init__(
        self,
        destination: Destination,
        kind: DeliveryKind,
        *,
        terms: Terms,
        rules: RetryRules,
        probe: bool,
        office: Office,
    ) -> None:
        self.destination = destination
        self.kind = kind
        self.terms = terms
        self._rules = rules
        self._probe = probe
        self._office = office
        self._shelf = Shelf()
        self._idle: deque[asyncio.Future[Claimed | None]] = deque()
        self._tasks: set[asyncio.Task[object]] = set()
        self._wake = asyncio.Event()
        self._in_hand: dict[int, Claimed] = {}
        # Of a message that goes on: what was said to recipients that have to wait, by delivery and RID.
        self._put_off: dict[int, dict[int, Outcome]] = {}
        self._spare: set[asyncio.Task[None]] = set()  # dialling without a message
        self._open = 0
        self._closing = 0
        self._dialling = 0
        self._established = 0
        self._slots = 0
        self._piloting = False
        self._proven = False
        self._broken = 0
        self._cap = MOST_CONNECTIONS
        self._stopping = False
        self._giving_way = False
        self._down = False
        self._verdict: Outcome | None = None
        self._ended_at = -math.inf

    # --- what the drain sees ---

    @property
    def stopping(self) -> bool:
        return self._stopping or self._down

    @property
    def is_ending(self) -> bool:
        """It takes on no more than what its connections may still carry."""
        return self.stopping or self._giving_way

    @property
    def is_down(self) -> bool:
        """The host did not answer: it rests until a probe."""
        return self._down

    @property
    def opens_at(self) -> float | None:
        """The loop's time from which more recipients may be sent to, None while nothing says that they may not."""
        return self._shelf.opens_at

    @property
    def held(self) -> list[Claimed]:
        """Everything claimed and not settled yet."""
        return [*self._shelf, *self._in_hand.values()]

    def in_transaction(self, now: float) -> int:
        """Messages whose outcomes may be expected at any moment: those that connections have in hand, if any has ended
        lately. A server that hangs is not waited for. `now` is the loop's clock."""
        return len(self._in_hand) if now - self._ended_at < LIVELY_S else 0

    def appetite(self, now: float, *, by_the_way: bool) -> int:
        """How many rows to claim now, 0 for none. `now` is the loop's clock; `by_the_way` as in Shelf.room."""
        if self.stopping or (self._giving_way and not self._open):
            return 0
        return self._shelf.room(
            self._wanted - int(self._piloting), connections=self._open, now=now, by_the_way=by_the_way
        )

    @property
    def _wanted(self) -> int:
        if self._verdict is not None:
            return MOST_JUDGED
        return 1 if self._alone else max(FIRST_CLAIM, 2 * self._open)

    def take(self, claimed: list[Claimed], now: float, *, asked: int) -> None:
        """The answer to an appetite of `asked` rows."""
        self._shelf.found(len(claimed), asked=asked, now=now)
        if self.stopping:
            for each in claimed:
                self._office.release(each)
            return
        self._shelf.put(claimed)
        self._hand_out()
        self._wake.set()

    def allow(self, recipients: int) -> None:
        """Claim no more rows than there may be recipients."""
        self._shelf.allow(recipients)

    def pause(self, opens_at: float) -> None:
        """Take nothing more before that time of the loop; what was taken is sent."""
        self._shelf.pause(opens_at, now=asyncio.get_running_loop().time())
        self._wake.set()

    def wind_up(self) -> None:
        """Take nothing new: what is in a transaction ends, the rest is released."""
        self._stopping = True
        self._release_ready()
        self._close_idle(len(self._idle))
        self._wake.set()

    def give_way(self) -> None:
        """Open no further connection: those that are there carry as many messages as they may, however slow their
        server is, and a dial that waits for a greeting goes on waiting."""
        self._giving_way = True
        self._wake.set()

    async def run(self) -> None:
        """Work until there is nothing to do; connections are closed then. Cancelling breaks off: leases of what is in
        hand run out, and the rows are queued again."""
        try:
            while not self._finished():
                cancelling.check()
                self._wake.clear()
                await self._adjust()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._wake.wait()
                self._office.need_work()
        finally:
            self.wind_up()
            await self._end()

    # --- planning ---

    @property
    def _alone(self) -> bool:
        """Only one connection at a time: a probe, or a host that has not answered well yet."""
        return (self._probe or self._broken > 0) and not self._established

    @property
    def _limits(self) -> Limits:
        limits = self.terms.limits
        # One that is being closed is still one for the server.
        most = min(limits.most - self._closing, max(self._cap, 1), MOST_CONNECTIONS)
        if self._alone:
            return Limits(1, 1 - min(self._closing, 1), limits.messages_per_connection)
        return Limits(min(limits.least, most), most, limits.messages_per_connection)

    def _finished(self) -> bool:
        if self.stopping:
            return not self._in_hand and not self._shelf
        if self._giving_way and not self._open:
            return True
        now = asyncio.get_running_loop().time()
        quiet = self._shelf.has_been_dry(QUIET_S if self._established else 0.0, now)
        return quiet and not self._shelf and not self._in_hand

    async def _adjust(self) -> None:
        if self._verdict is not None:
            self._judge_ready(self._verdict)
            return
        if self.stopping or self._giving_way:
            return
        load = Load(
            waiting=self._shelf.waiting,
            in_flight=len(self._in_hand),
            open=self._open - self._closing,
            idle=len(self._idle),
            dialling=self._dialling,
        )
        change = plan(load, self._limits)
        if change.open:
            await self._open_connections(change.open)
        elif change.close and (load.waiting or load.in_flight):
            # With nothing left at all, they stay until the queue has been quiet for a moment.
            self._close_idle(change.close)

    async def _open_connections(self, wanted: int) -> None:
        spare = self._slots - self._open
        if spare < wanted:
            most = self.terms.limits.most
            self._slots += await self._office.take_slots(self.destination, wanted - spare, most)
        for _ in range(min(wanted, self._slots - self._open)):
            if self.stopping:
                return
            self._open += 1
            self._dialling += 1
            pilot = self._pilot()
            task = asyncio.create_task(self._connection(pilot))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            if pilot is None:
                self._spare.add(task)
                task.add_done_callback(self._spare.discard)

    def _pilot(self) -> Claimed | None:
        """The message that pays if the first connection fails."""
        if self._established or self._piloting or not self._shelf:
            return None
        self._piloting = True
        return self._hold(self._shelf.take())

    def _hold(self, claimed: Claimed) -> Claimed:
        self._in_hand[claimed.id] = claimed
        return claimed

    def _hand_out(self) -> None:
        while self._shelf and self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(self._hold(self._shelf.take()))

    def _close_idle(self, count: int) -> None:
        for _ in range(min(count, len(self._idle))):
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)

    def _release_ready(self) -> None:
        for each in self._shelf.clear():
            self._office.release(each)

    async def _end(self) -> None:
        """Wait for the connections, or break them off. How long they may take is the drain's to say."""
        try:
            while self._tasks and not cancelling.told():
                for task in self._spare:
                    task.cancel()
                await asyncio.wait(set(self._tasks), timeout=LOOK_S)
        finally:
            try:
                await cancelling.ended(self._tasks)
            finally:
                self._release_ready()
                await self._give_slots()

    async def _give_slots(self) -> None:
        if self._slots:
            await self._office.give_slots(self.destination, self._slots)
            self._slots = 0

    # --- one connection ---

    async def _connection(self, pilot: Claimed | None) -> None:
        try:
            session, dcid = await self._dial(pilot)
            if session is None:
                return
            try:
                await self._serve(session, dcid, pilot)
            finally:
                await self._hang_up(session, dcid)
        except Exception:
            logger.exception("connection failed", extra={"action": "connection_failed"})
            self._fault(pilot)
        finally:
            self._open -= 1
            self._wake.set()

    async def _hang_up(self, session: Conversation, dcid: int) -> None:
        """It carries nothing more, but it counts until the server has let go of it too."""
        self._established -= 1
        self._closing += 1
        self._wake.set()
        try:
            session.abort() if cancelling.told() else await session.close()
        finally:
            self._closing -= 1
            if dcid:
                self._office.note(events.DeliveryConnectionClosed(at=timezone.now(), dcid=dcid))

    def _fault(self, pilot: Claimed | None) -> None:
        """A fault of ours concerns the message of that connection, which is freed when its lease is over. Only when one
        follows the other, nothing more is tried."""
        if pilot is not None:
            self._drop(pilot)
        self._broken += 1
        if self._broken >= MOST_BROKEN:
            self._down = True
            self._release_ready()
            self._close_idle(len(self._idle))

    def _drop(self, claimed: Claimed) -> None:
        if self._in_hand.get(claimed.id) is claimed:
            del self._in_hand[claimed.id]

    async def _dial(self, pilot: Claimed | None) -> tuple[Conversation | None, int]:
        try:
            found = await self._connect(pilot)
        finally:
            self._dialling -= 1
            if pilot is not None:
                self._piloting = False
            elif (task := asyncio.current_task()) is not None:
                self._spare.discard(task)
        if isinstance(found, _Unreachable):
            await self._unreachable(found, pilot)
            return None, 0
        session, dcid = found
        self._established += 1
        if not self._proven:
            self._proven = True
            self._office.tell(News(self.destination, up=True, at=timezone.now()))
        return session, dcid

    async def _connect(self, pilot: Claimed | None) -> tuple[Conversation, int] | _Unreachable:
        try:
            hop = await self._office.next_hop(self.destination.domain, self.terms.ip)
        except LookupFailed as failure:
            # A failed lookup is told by the connection that has a message in hand, not by each.
            if pilot is not None:
                self._office.note(_dns_event(failure))
            return _Unreachable(failure.outcome)
        if hop.discard:
            return Discard(), 0
        tried = _Unreachable(
            Outcome(Failure.NETWORK, Stage.CONNECT, 0, ("timeout",), "timeout", "connection timed out")
        )
        clock = asyncio.get_running_loop().time
        until, began = self._until(pilot), clock()
        for place, address in enumerate(hop.addresses):
            if clock() - began > self.kind.timeouts.dial_s:
                break
            # One address that is silent leaves the others their share of the time.
            share = None if until is None else clock() + (until - clock()) / (len(hop.addresses) - place)
            result = await self._connect_to(address, share)
            if not isinstance(result, _Unreachable):
                return result
            tried = result
            if tried.outcome.failure is Failure.TLS and is_final(self._rules, tried.outcome):
                break
        return tried

    def _until(self, claimed: Claimed | None) -> float | None:
        """The loop's time that no wait for this message outlasts."""
        if claimed is None or not self.kind.waits_end_with_life:
            return None
        left = claimed.expires_at - timezone.now()
        return asyncio.get_running_loop().time() + left.total_seconds()

    async def _connect_to(self, address: Address, until: float | None) -> tuple[Conversation, int] | _Unreachable:
        dcid = await self._office.next_dcid()
        domain = self.destination.domain.strip("[]")
        try:
            session = await dial(
                address,
                hostname=self._office.hostname,
                tls=self.terms.tls,
                server_name=address.name or domain,
                timeouts=self.kind.timeouts,
                until=until,
            )
        except DialError as error:
            self._office.note(*self._failure_events(address, dcid, error))
            return _Unreachable(error.outcome, _Way(dcid, address, error.local_ip))
        self._office.note(*self._opening_events(session, address, dcid))
        return session, dcid

    async def _unreachable(self, found: _Unreachable, pilot: Claimed | None) -> None:
        outcome = found.outcome
        if pilot is None:
            # One more than the host takes, or a second look at what the pilot finds out: nobody pays for it.
            self._cap = max(self._established, 1)
            return
        self._broken += 1
        stays = is_final(self._rules, outcome) and outcome.failure in {Failure.DNS_NEGATIVE, Failure.TLS}
        if not self._established and not stays:
            self._host_down()
        if outcome.failure is Failure.DNS_NEGATIVE:
            self._verdict = outcome
            self._office.tell(News(self.destination, up=False, at=timezone.now(), rests=False))
        await self._store(pilot, (outcome,) * len(pilot.recipients), found.way)

    def _host_down(self) -> None:
        """Rest the destination, not each message: everything that waits goes back untried."""
        self._down = True
        self._office.tell(News(self.destination, up=False, at=timezone.now()))
        self._release_ready()
        self._close_idle(len(self._idle))

    def _judge_ready(self, verdict: Outcome) -> None:
        """An authoritative "no" about the domain is the answer for every message that waits for it."""
        while self._shelf:
            claimed = self._hold(self._shelf.take())
            task = asyncio.create_task(self._store(claimed, (verdict,) * len(claimed.recipients)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    # --- messages on a connection ---

    async def _serve(self, session: Conversation, dcid: int, claimed: Claimed | None) -> None:
        """As many transactions as a connection may carry; what is left of a message goes on over another one."""
        clock = asyncio.get_running_loop().time
        ends_at = clock() + LONGEST_CONNECTION_S
        for _ in range(self.terms.limits.messages_per_connection):
            if not session.usable or clock() > ends_at or cancelling.told():
                break
            claimed = claimed or await self._next()
            if claimed is None:
                return
            try:
                left = await self._transact(session, dcid, claimed)
            except Exception:
                self._drop(claimed)
                raise
            claimed = left
        if claimed is not None:
            self._put_back(claimed)

    def _put_back(self, claimed: Claimed) -> None:
        """Untried so far: the next connection takes it, or nobody when no more are made."""
        self._in_hand.pop(claimed.id, None)
        if self.stopping:
            self._put_off.pop(claimed.id, None)
            self._office.release(claimed)
        else:
            self._shelf.put_first(claimed)
            self._hand_out()
        self._wake.set()

    async def _next(self) -> Claimed | None:
        """The next message, waiting for one if need be; None when the connection is no longer wanted."""
        if self._shelf and not self.stopping:
            return self._hold(self._shelf.take())
        if self.stopping:
            return None
        waiter: asyncio.Future[Claimed | None] = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        self._wake.set()
        try:
            return await waiter
        finally:
            with suppress(ValueError):
                self._idle.remove(waiter)

    async def _transact(self, session: Conversation, dcid: int, claimed: Claimed) -> Claimed | None:
        """One transaction of a message. Returns what goes on in another one, None when the attempt has ended."""
        if claimed.expires_at <= timezone.now():
            await self._store(claimed, (expired(),) * len(claimed.recipients))
            return None
        if claimed.content is None:
            gone = Outcome(Failure.INTERNAL, Stage.MAIL, 0, ("message body is gone",))
            await self._store(claimed, (gone,) * len(claimed.recipients))
            return None
        part = self._part(claimed)
        try:
            result = await self._send(session, claimed, [address for _, address in part])
        except ConnectionGone:
            return claimed
        rids = tuple(rid for rid, _ in part)
        outcomes = self._judge(claimed, dict(zip(rids, result.outcomes, strict=True)), is_usable=session.usable)
        transaction = rids if result.started else ()
        left = tuple(pair for pair, outcome in zip(claimed.recipients, outcomes, strict=True) if outcome is None)
        way = _Way(dcid, session.address, session.local_ip, session.tls_protocol, session.tls_cipher)
        is_ours = await self._store(claimed, outcomes, way, transaction=transaction)
        if left and is_ours:
            return self._hold(replace(claimed, recipients=left))
        self._put_off.pop(claimed.id, None)
        return None

    def _part(self, claimed: Claimed) -> tuple[tuple[int, str], ...]:
        """The recipients of the next transaction."""
        put_off = self._put_off.get(claimed.id, {})
        unheard = [pair for pair in claimed.recipients if pair[0] not in put_off]
        return tuple(unheard[: self.terms.recipients_per_transaction])

    async def _send(self, session: Conversation, claimed: Claimed, recipients: list[str]) -> Sent:
        """Raises ConnectionGone. A message that cannot be made or sent for a fault of ours takes no other one along."""
        try:
            content = self.kind.content(claimed, timezone.now())
            envelope = Envelope(
                sender=self.kind.sender(claimed),
                recipients=tuple(recipients),
                content=content,
                eight_bit=not content.isascii(),
                conversion=self.terms.conversion,
            )
            return await session.send(envelope, until=self._until(claimed))
        except ConnectionGone:
            raise
        except Exception as error:
            logger.exception("MID %s could not be sent", claimed.mid, extra={"action": "message_failed"})
            session.abort()
            failed = Outcome(Failure.INTERNAL, Stage.MAIL, 0, told(f"internal error: {type(error).__name__}"))
            return Sent((failed,) * len(recipients), started=False)

    def _judge(self, claimed: Claimed, said: dict[int, Outcome], *, is_usable: bool) -> tuple[Outcome | None, ...]:
        """An outcome for every recipient; None for those that go on in another transaction of this attempt.

        `said`: what became of the recipients of the last one, by RID. As long as a transaction decides about anybody,
        the next one follows, and takes those along that the server had no room for; a server that decides nothing
        more is left alone until the next attempt.
        """
        verdicts = {rid: each for rid, each in said.items() if each.delivered or is_final(self._rules, each)}
        if verdicts or is_usable:
            self._broken = 0
        else:
            self._note_broken()
        put_off = self._put_off.pop(claimed.id, {}) | {rid: each for rid, each in said.items() if rid not in verdicts}
        if verdicts:
            put_off = {rid: each for rid, each in put_off.items() if not too_many_recipients(each)}
        rids = [rid for rid, _ in claimed.recipients]
        if verdicts and any(rid not in verdicts and rid not in put_off for rid in rids):
            self._put_off[claimed.id] = put_off
            return tuple(verdicts.get(rid) for rid in rids)
        unasked = next(iter(said.values()))
        return tuple(verdicts.get(rid) or put_off.get(rid, unasked) for rid in rids)

    def _note_broken(self) -> None:
        self._broken += 1
        if self._broken >= MOST_BROKEN and not self.stopping:
            self._host_down()

    async def _store(
        self,
        claimed: Claimed,
        outcomes: tuple[Outcome | None, ...],
        way: _Way = NO_WAY,
        *,
        transaction: tuple[int, ...] = (),
    ) -> bool:
        self._ended_at = asyncio.get_running_loop().time()
        attempted = Attempted(
            claimed=claimed,
            outcomes=outcomes,
            at=timezone.now(),
            transaction=transaction,
            dcid=way.dcid,
            local_ip=way.local_ip,
            remote_ip=way.address.ip if way.address else "",
            port=way.address.port if way.address else 0,
            tls_protocol=way.tls_protocol,
            tls_cipher=way.tls_cipher,
        )
        try:
            return await self._office.store(attempted)
        finally:
            self._in_hand.pop(claimed.id, None)
            self._wake.set()

    # --- events of connections ---

    def _opening_events(self, session: Session, address: Address, dcid: int) -> list[events.Event]:
        now = timezone.now()
        happened = [self._opened(address, dcid, session.local_ip, now)]
        if session.tls_protocol:
            happened.append(
                events.DeliveryTls(at=now, dcid=dcid, protocol=session.tls_protocol, cipher=session.tls_cipher)
            )
        elif session.tls_detail:
            happened.append(events.DeliveryTlsFailed(at=now, dcid=dcid, detail=session.tls_detail))
        return happened

    def _failure_events(self, address: Address, dcid: int, error: DialError) -> list[events.Event]:
        now = timezone.now()
        if error.outcome.failure is Failure.TLS:
            return [
                self._opened(address, dcid, error.local_ip, now),
                events.DeliveryTlsFailed(at=now, dcid=dcid, detail=error.tls_detail),
                events.DeliveryConnectionClosed(at=now, dcid=dcid),
            ]
        return [
            events.DeliveryConnectionFailed(
                at=now,
                dcid=dcid,
                connector=self.kind.connector,
                destination=self.kind.shown_as(self.destination.domain),
                remote_ip=address.ip,
                port=address.port,
                detail=error.outcome.details,
                local_ip=error.local_ip,
                reason=error.outcome.reason,
            )
        ]

    def _opened(self, address: Address, dcid: int, local_ip: str, now: datetime) -> events.Event:
        return events.DeliveryConnectionOpened(
            at=now,
            dcid=dcid,
            connector=self.kind.connector,
            local_ip=local_ip,
            remote_ip=address.ip,
            port=address.port,
        )


def _dns_event(failure: LookupFailed) -> events.DnsFailed:
    return events.DnsFailed(
        at=timezone.now(),
        domain=failure.domain,
        record=failure.record,
        answer=failure.answer,
        temporary=failure.temporary,
    )
