"""The drain: one event loop that works on many destinations, beside one thread that alone talks to the database.

Claims and settlements go to the database together: whatever has ended by now goes into one transaction, which also
claims what comes next, and a connection starts its next message only when its last outcome is stored. A destination
that hangs holds nobody up, because new ones are taken on as long as the drain lives.

Nothing that goes wrong with one lane, with Redis or with the database ends a drain with outcomes unstored: what fails
is logged and left, and outcomes wait for a database that is away. Whatever ends is bounded in time.

The loops, by function (docs/flow.md has the steps of one delivery):

    tour    board.take -> _open_all -> one lane for each destination -> _close_ended -> board.clear
    lane    run: _adjust -> plan -> _connection: _dial -> _serve: _next -> _transact -> _send -> office.store
    keeper  _keep: _gather -> _flush -> _take_turn -> queue.take_turn -> every waiting store returns, lane.take
            queue.take_turn, in the database's thread: settle what has ended, then claim what lanes have room for
    renewer _renew: puts the leases of everything held off, every RENEW_S
    look    _supervise -> _look: time to stop, lanes that give way, lanes that do not end, every LOOK_S
"""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import count
from typing import Any, Final, TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction
from django.utils import timezone

from seg_console.config import running
from seg_console.delivery import cancelling, hosts, queue
from seg_console.delivery.allowance import Allowance
from seg_console.delivery.kinds import Claimed, Destination, IpPreference, Terms, kind
from seg_console.delivery.lane import Lane, longest_wait
from seg_console.delivery.nexthop import NextHop, Resolver
from seg_console.delivery.nudge import FLAG_S, Board, Noticeboard, nudge
from seg_console.delivery.queue import Demand, Turn
from seg_console.delivery.rules import RetryRules
from seg_console.delivery.running import DnsLookup, dns, routes
from seg_console.delivery.settle import Attempted
from seg_console.delivery.shelf import LOOK_S
from seg_console.delivery.slots import Slots
from seg_console.delivery.watchdog import WATCH_S, watching
from seg_console.mail import events, ids

try:
    import uvloop

    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
except ImportError:  # no wheel for this platform; the standard loop does the same, slower
    new_event_loop = asyncio.new_event_loop

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

# After this a destination gives way to a fresh start under the configuration then: it opens no further connection,
# those that are there carry what they may, and it is announced again. A drain that is so old takes on nothing new.
RUN_S: Final = 20.0
# How long a drain that should end waits for a slow transaction before it takes on other work meanwhile.
GRACE_S: Final = 10.0
# How long a worker that is told to stop waits for messages in hand.
STOP_S: Final = 8.0
# How long a lane that is broken off may take, more than its connections may (cancelling.PATIENCE_S).
LANES_S: Final = 3.0
# How long what has ended may take to be stored when the drain has nothing else to do any more.
LAST_S: Final = 10.0
# A call to the database that takes longer never returns. The longest that does waits for a lock.
STUCK_S: Final = 600.0
# Boards and counts answer sooner, or say themselves that they cannot; this holds for whatever else they do.
HINT_S: Final = 10.0
RENEW_S: Final = 10.0
# How long nobody is woken for a destination that rests; then it is looked at anew, under the configuration then.
REST_S: Final = 5
MOST_LANES: Final = 200
MOST_OCTETS: Final = 16 * 1024 * 1024
DCID_BLOCK: Final = 100
# Django's words for a database that cannot be had now, deadlocks and locks that were waited for in vain among them.
AWAY: Final = (OperationalError, InterfaceError)
LONGEST_PAUSE_S: Final = 2.0
# While the database is away, one line in so many tries: about a minute.
TRIES_A_LINE: Final = 30
# A batch waits until this share of the messages in hand has ended: as long as the last transaction took, and at most
# this long.
LONGEST_GATHER_S: Final = 0.02
GATHER_SHARE: Final = 0.8


def run_drain(
    queue_name: str,
    *,
    stopping: Callable[[], bool] = lambda: False,
    board: Board | None = None,
    watch_s: float = WATCH_S,
) -> None:
    """Work on what is announced for a Celery queue until nothing is left, or until it is time to give way.

    `stopping` is polled; once true, messages in hand end and everything else is released. `board` as in Drain. A drain
    that makes no progress for `watch_s` seconds ends the process, and leases free what was held.
    """
    drain = Drain(queue_name, stopping=stopping, board=board)
    with watching(lambda: drain.rounds, patience_s=watch_s):
        run_to_the_end(drain)


def run_to_the_end(drain: Drain, destinations: Iterable[Destination] = ()) -> None:
    """Run it in an event loop of its own, which ends in bounded time like the drain itself."""
    cancelling.run(drain.run(destinations), loop_factory=new_event_loop)


@dataclass(slots=True)
class _Post:
    """A lane at work since that time of the loop. `told_at`: since when it should be ending; `faulty`: something of
    ours went wrong with it; `broken_off`: it took too long; `abandoned`: and even so does not end."""

    lane: Lane
    task: asyncio.Task[None]
    since: float
    told_at: float | None = None
    faulty: bool = False
    broken_off: bool = False
    abandoned: bool = False


class Drain:
    """One run. Use it once. `board`: what it takes its work from and closes at the end; None for the one in Redis.
    `stop_s`: how long messages in hand have once it is to stop, before they are broken off; None for STOP_S.

    `rounds` grows as long as it makes progress.
    """

    def __init__(
        self,
        queue_name: str,
        *,
        stopping: Callable[[], bool] = lambda: False,
        board: Board | None = None,
        stop_s: float | None = None,
    ) -> None:
        self._board = board or Noticeboard(queue_name)
        self._stopping = stopping
        self._stop_s = STOP_S if stop_s is None else stop_s
        self._told_to_stop = False
        self._stop_at: float | None = None
        self._lanes: dict[Destination, _Post] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._turn = Turn()
        self._waiting: list[tuple[int, asyncio.Future[bool]]] = []
        self._in_turn: Turn | None = None
        self._finishing = False
        self._wake = asyncio.Event()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="drain-database")
        self._called_at: float | None = None
        self._away = False
        self._patient_until = math.inf
        self._turn_s = 0.0
        self._dcids = ids.Pool("DCID", block=DCID_BLOCK)
        self.hostname: str = settings.SEG_HOSTNAME
        self.rounds = 0

    async def run(self, destinations: Iterable[Destination] = ()) -> None:
        """Work on `destinations` and on whatever is announced meanwhile."""
        self._loop = asyncio.get_running_loop()
        self._started = self._flushed = self._loop.time()
        self._slots = Slots()
        self._allowance = Allowance()
        restore = self._catch_sigterm()
        keeper, renewer, tour = map(asyncio.create_task, (self._keep(), self._renew(), self._tour(destinations)))
        try:
            await self._supervise(tour, keeper)
        finally:
            try:
                await cancelling.through(self._end(tour, renewer, keeper))
            finally:
                restore()

    def _catch_sigterm(self) -> Callable[[], None]:
        if threading.current_thread() is not threading.main_thread():
            return lambda: None
        before = signal.getsignal(signal.SIGTERM)
        self._loop.add_signal_handler(signal.SIGTERM, self.stop)

        def restore() -> None:
            self._loop.remove_signal_handler(signal.SIGTERM)
            signal.signal(signal.SIGTERM, before)

        return restore

    def stop(self) -> None:
        """End soon: messages in hand are finished, everything else is released."""
        self._told_to_stop = True

    def hurry(self, within_s: float) -> None:
        """The same, and what has not ended within so many seconds is broken off. Called in the drain's loop."""
        self._told_to_stop, self._stop_s = True, within_s
        if self._stop_at is not None:
            self._stop_at = self._patient_until = min(self._stop_at, self._loop.time() + within_s)

    # --- lanes ---

    async def _supervise(self, tour: asyncio.Task[None], keeper: asyncio.Task[None]) -> None:
        """Waits for nobody but the clock, so that it sees in time what it is told."""
        while not tour.done() or (self._unwritten and not keeper.done()):
            self._look()
            if self._stop_at is not None and self._loop.time() > self._stop_at:
                return
            if tour.done():
                self._wake.set()
                await asyncio.sleep(LOOK_S / 2)
            else:
                await asyncio.wait({tour}, timeout=LOOK_S)
            cancelling.check()

    def _look(self) -> None:
        now = self._loop.time()
        if self._called_at is None or now - self._called_at < STUCK_S:
            self.rounds += 1
        if self._stop_at is None and (self._told_to_stop or self._stopping()):
            self._stop_at = self._patient_until = now + self._stop_s
        self._give_way(now)
        for destination, post in self._lanes.items():
            if not post.lane.is_ending or self._away:
                # While the database is away, connections wait for their outcomes to be stored.
                post.told_at = None
            elif post.told_at is None:
                post.told_at = now
            elif not post.broken_off and now - post.told_at > longest_wait(post.lane.kind.timeouts):
                post.broken_off = True
                chore = asyncio.create_task(self._break_off(destination, post))
                self._chores.add(chore)
                chore.add_done_callback(self._chores.discard)

    async def _break_off(self, destination: Destination, post: _Post) -> None:
        logger.error("broken off: %s does not end", destination.domain, extra={"action": "lane_broken_off"})
        post.abandoned = bool(await cancelling.ended([post.task], within=LANES_S))

    async def _tour(self, destinations: Iterable[Destination]) -> None:
        """Take on what is announced and see off what has ended, until no lane is left."""
        await self._safely(self._open_all(destinations))
        while True:
            if self._adopting:
                await self._safely(self._adopt())
            if not self._lanes:
                return
            tasks = [post.task for post in self._lanes.values()]
            await asyncio.wait(tasks, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            cancelling.check()
            await self._safely(self._close_ended())

    async def _safely(self, chore: Awaitable[None]) -> None:
        """Whatever goes wrong with one destination, the others are worked on."""
        try:
            await chore
        except Exception:
            logger.exception("a chore of the drain failed", extra={"action": "drain_chore_failed"})

    async def _adopt(self) -> None:
        await self._open_all(await self._answered(self._board.take(MOST_LANES - len(self._lanes)), []))

    async def _answered(self, hint: Awaitable[Result], default: Result) -> Result:
        """A hint is done without rather than that it holds the drain up."""
        try:
            return await cancelling.within(HINT_S, hint)
        except Exception:
            logger.exception("going on without a hint", extra={"action": "hint_failed"})
            return default

    @property
    def _adopting(self) -> bool:
        """A drain past its time takes on nothing new and ends, unless a slow host keeps it from ending."""
        elapsed = self._loop.time() - self._started
        return self._stop_at is None and (elapsed < RUN_S or elapsed > RUN_S + GRACE_S)

    def _give_way(self, now: float) -> None:
        for post in self._lanes.values():
            if self._stop_at is not None and not post.lane.stopping:
                post.lane.wind_up()
            elif now - post.since >= RUN_S:
                post.lane.give_way()

    async def _open_all(self, destinations: Iterable[Destination]) -> None:
        fresh = [each for each in dict.fromkeys(destinations) if each not in self._lanes]
        if not fresh:
            return
        openings = await self._database(_open, fresh)
        for destination, found in zip(fresh, openings, strict=True):
            if found is None:
                await self._rest(destination)
                continue
            opening, terms, rules = found
            if not opening.allowed:
                await self._rest(destination)
                continue
            room: int | None = None
            if terms.rate:
                grant = await self._allowance.left(destination, terms.rate)
                if not grant.recipients:
                    await self._rest(destination, grant.waits_s)
                    continue
                room = grant.recipients
            self._open(destination, terms, rules, probe=opening.probe, room=room)

    def _open(
        self, destination: Destination, terms: Terms, rules: RetryRules, *, probe: bool, room: int | None
    ) -> None:
        lane = Lane(destination, kind(destination.kind), terms=terms, rules=rules, probe=probe, office=self)
        if room is not None:
            lane.allow(room)
        self._lanes[destination] = _Post(lane, asyncio.create_task(lane.run()), self._loop.time())
        self._wake.set()

    async def _rest(self, destination: Destination, waits_s: float = REST_S) -> None:
        """Have nobody woken for it for a moment, and no longer than it has to wait."""
        seconds = max(min(math.ceil(waits_s), REST_S), 1)
        await self._answered(self._board.keep([destination], seconds=seconds), None)

    async def _close_ended(self) -> None:
        """A lane that ended gives its flag back, and only then looks a last time: what came in between is found by
        one of the two, the look or the nudge."""
        ended = {each: post for each, post in self._lanes.items() if post.task.done() or post.abandoned}
        if not ended:
            return
        for each, post in ended.items():
            del self._lanes[each]
            self._ask_how_it_ended(each, post)
        rest = [
            each for each, post in ended.items() if post.lane.is_down or post.faulty or post.lane.opens_at is not None
        ]
        again = [each for each in ended if each not in rest]
        for each in rest:
            opens_at = ended[each].lane.opens_at
            await self._rest(each, REST_S if opens_at is None else opens_at - self._loop.time())
        await self._answered(self._board.clear(again), None)
        waiting = await self._database(_with_work, again)
        if waiting:
            # Even this drain may take it up again; a fresh one reads the terms anew.
            await self._database(nudge, waiting)

    def _ask_how_it_ended(self, destination: Destination, post: _Post) -> None:
        error = None if post.abandoned or post.task.cancelled() else post.task.exception()
        if error is not None:
            extra = {"action": "lane_failed"}
            logger.error("lane of %s failed", destination.domain, exc_info=error, extra=extra)
        if error is not None or post.broken_off:
            post.faulty = True
            # What was not tried goes back; what was in hand is freed when its lease is over.
            post.lane.wind_up()

    # --- the end ---

    async def _end(self, tour: asyncio.Task[None], renewer: asyncio.Task[None], keeper: asyncio.Task[None]) -> None:
        """Each step is bounded and none raises."""
        await cancelling.ended([tour, renewer, *self._chores])
        await cancelling.ended([post.task for post in self._lanes.values()], within=LANES_S)
        self._patient_until = self._loop.time() + LAST_S
        self._finishing = True
        self._wake.set()
        await asyncio.wait({keeper}, timeout=LAST_S + LONGEST_PAUSE_S)
        await cancelling.ended([keeper])
        _tell_lost(self._turn)
        await self._answered(self._board.clear(self._lanes), None)
        for hint in (self._slots, self._allowance, self._board):
            await self._answered(hint.close(), None)
        await self._close_database()

    async def _close_database(self) -> None:
        # The thread's connection belongs to the thread: only it can close it.
        closing = self._loop.run_in_executor(self._executor, connections.close_all)
        try:
            # Not given up with the wait: a call that returns late is followed by it all the same.
            await cancelling.within(LAST_S, asyncio.shield(closing))
        except Exception:
            logger.exception("a call to the database is left behind", extra={"action": "database_stuck"})
        self._executor.shutdown(wait=False)

    # --- the database thread ---

    async def _database(self, function: Callable[..., Result], *args: Any) -> Result:
        """Raises what `function` does. A database that is away is waited for, until it is time to end."""
        for attempt in count():
            try:
                return await self._in_thread(function, *args)
            except AWAY:
                self._away = True
                if self._loop.time() >= self._patient_until:
                    raise
                if attempt % TRIES_A_LINE == 0:
                    extra = {"action": "database_retry"}
                    logger.warning("database trouble, trying again", exc_info=True, extra=extra)
                await asyncio.sleep(min(0.1 * 2 ** min(attempt, 5), LONGEST_PAUSE_S))
        raise AssertionError

    async def _in_thread(self, function: Callable[..., Result], *args: Any) -> Result:
        answer = await self._loop.run_in_executor(self._executor, partial(self._call, function, *args))
        self._away = False
        return answer

    def _call(self, function: Callable[..., Result], *args: Any) -> Result:
        """Runs in the database thread. A connection that broke is closed, so that the next call dials again."""
        self._called_at = self._loop.time()
        try:
            return function(*args)
        except DatabaseError:
            for each in connections.all(initialized_only=True):
                if not each.in_atomic_block:
                    each.close_if_unusable_or_obsolete()
            raise
        finally:
            self._called_at = None

    async def _keep(self) -> None:
        """Group commit: one transaction at a time, each with everything that has ended since the last."""
        while not self._finishing or self._turn.writes:
            if not self._finishing:
                await self._wake.wait()
                self._wake.clear()
                await self._gather()
            await self._safely(self._flush())

    async def _flush(self) -> None:
        lanes, demands = self._demands()
        began = self._loop.time()
        worth_it = self._turn.attempts or demands or self._finishing
        if not worth_it and began - self._flushed < LOOK_S:
            return
        try:
            await self._take_turn(lanes, demands)
        finally:
            self._flushed = self._loop.time()
            self._turn_s = self._flushed - began

    async def _gather(self) -> None:
        """Wait a moment for the other connections' messages: a transaction costs nearly the same for one as for all,
        and alternating with small ones would halve what a worker delivers."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(self._turn_s, LONGEST_GATHER_S)):
                while 0 < len(self._turn.attempts) < GATHER_SHARE * self._in_transaction:
                    await self._wake.wait()
                    self._wake.clear()

    @property
    def _in_transaction(self) -> int:
        now = self._loop.time()
        return sum(post.lane.in_transaction(now) for post in self._lanes.values())

    @property
    def _unwritten(self) -> bool:
        return self._turn.writes or self._in_turn is not None

    async def _take_turn(self, lanes: Sequence[Lane], demands: list[Demand]) -> None:
        turn, self._turn = self._turn, Turn()
        waiting, self._waiting = self._waiting, []
        turn.demands = demands
        self._in_turn = turn
        try:
            claimed = await self._stored(turn)
        except BaseException:
            _tell_lost(turn)
            for _, future in waiting:
                if not future.done():
                    future.set_exception(RuntimeError("not stored"))
                    future.exception()
            raise
        finally:
            self._in_turn = None
        for delivery, future in waiting:
            if not future.done():
                future.set_result(delivery in turn.settled)
        sent = [each.claimed.id for each in turn.attempts if each.started]
        unsent = [*(each.claimed for each in turn.attempts if not each.started), *turn.released]
        await self._allowance.settle(sent, [each.id for each in unsent])
        for lane, demand, rows in zip(lanes, demands, claimed, strict=True):
            try:
                await self._hand_over(lane, demand, rows)
            except Exception:
                self._fault(lane.destination)
                held = {each.id for each in lane.held}
                for each in rows:
                    if each.id not in held:
                        self.release(each)

    async def _stored(self, turn: Turn) -> list[list[Claimed]]:
        """What each of the turn's demands gets. A fault of ours with one of them is not the others'."""
        try:
            return await self._database(_take_turn, turn, self._dcids)
        except AWAY:
            raise
        except Exception:
            if not turn.demands:
                raise
            logger.exception("a turn failed, taking it in parts", extra={"action": "turn_failed"})
        demands, turn.demands = turn.demands, []
        await self._database(_take_turn, turn, self._dcids)
        return [await self._claimed(demand) for demand in demands]

    async def _claimed(self, demand: Demand) -> list[Claimed]:
        try:
            (rows,) = await self._database(_take_turn, Turn(demands=[demand]), self._dcids)
        except Exception:
            self._fault(demand.destination)
            return []
        return rows

    def _fault(self, destination: Destination) -> None:
        """Called where an exception is handled: this lane ends and rests."""
        logger.exception("could not claim for %s", destination.domain, extra={"action": "claim_failed"})
        post = self._lanes.get(destination)
        if post is not None:
            post.faulty = True
            post.lane.wind_up()

    async def _hand_over(self, lane: Lane, demand: Demand, rows: list[Claimed]) -> None:
        """Give a lane what it asked for, or as much of it as its destination may have now."""
        rate = lane.terms.rate
        if rate is None or not rows:
            lane.take(rows, self._loop.time(), asked=demand.rows)
            return
        grant = await self._allowance.take(lane.destination, rate, rows)
        for each in rows[grant.messages :]:
            self.release(each)
        now = self._loop.time()
        lane.take(rows[: grant.messages], now, asked=demand.rows)
        lane.allow(grant.recipients)
        if not grant.recipients or grant.messages < len(rows):
            lane.pause(now + grant.waits_s)

    def _demands(self) -> tuple[list[Lane], list[Demand]]:
        now = self._loop.time()
        by_the_way = self._turn.writes
        free = MOST_OCTETS - sum(held.size for post in self._lanes.values() for held in post.lane.held)
        hungry: list[Lane] = []
        demands: list[Demand] = []
        for post in [] if self._finishing else self._lanes.values():
            lane = post.lane
            try:
                rows = lane.appetite(now, by_the_way=by_the_way)
            except Exception:
                self._fault(lane.destination)
                continue
            if not rows or (free <= 0 and lane.held):
                continue
            hungry.append(lane)
            demands.append(Demand(lane.destination, rows, max(free, 0)))
        return hungry, demands

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            if not self._away:
                await self._safely(self._renew_leases())
            await self._slots.renew()
            await self._answered(self._board.keep(self._lanes, seconds=FLAG_S), None)
            cancelling.check()

    async def _renew_leases(self) -> None:
        held = [claimed for post in self._lanes.values() for claimed in post.lane.held]
        unwritten = [self._turn, self._in_turn or Turn()]
        held += [attempted.claimed for turn in unwritten for attempted in turn.attempts]
        # Not tried again: a sweep that comes before them would queue what waits here to be stored.
        await self._in_thread(_renew, held)
        # The worker's every place may be taken by drains like this one, and the sweep's turn far off.
        await self._in_thread(_sweep)

    # --- what lanes ask (lane.Office) ---

    async def next_hop(self, domain: str, ip: IpPreference) -> NextHop:
        configuration = running.held()
        resolver = _resolver(configuration.value(dns), self.hostname)
        return await resolver.next_hop(domain, configuration.value(routes), ip)

    async def next_dcid(self) -> int:
        while (number := self._dcids.next()) is None:
            await self._database(self._dcids.refill)
        return number

    async def store(self, attempted: Attempted) -> bool:
        stored: asyncio.Future[bool] = self._loop.create_future()
        self._turn.attempts.append(attempted)
        self._waiting.append((attempted.claimed.id, stored))
        self._wake.set()
        return await stored

    def note(self, *happened: events.Event) -> None:
        self._turn.events.extend(happened)

    def tell(self, news: hosts.News) -> None:
        self._turn.news.append(news)

    def release(self, claimed: Claimed) -> None:
        self._turn.released.append(claimed)

    async def take_slots(self, destination: Destination, wanted: int, most: int) -> int:
        return await self._slots.take(destination, wanted, most=most)

    async def give_slots(self, destination: Destination, count: int) -> None:
        await self._slots.give_back(destination, count)

    def need_work(self) -> None:
        self._wake.set()


@lru_cache(maxsize=2)
def _resolver(lookup: DnsLookup, hostname: str) -> Resolver:
    """Kept by the process for its cache of answers; a new one when the DNS settings change."""
    return Resolver(lookup.servers, timeout_s=lookup.timeout_s, hostname=hostname)


def _tell_lost(turn: Turn) -> None:
    if turn.attempts:
        mids = ", ".join(str(attempted.claimed.mid) for attempted in turn.attempts)
        logger.error("not stored how these were tried: MID %s", mids, extra={"action": "not_stored"})


def _open(destinations: Sequence[Destination]) -> list[tuple[hosts.Opening, Terms, RetryRules] | None]:
    """None for one that a fault of ours keeps from being opened."""
    running.current()
    return [_opened(destination) for destination in destinations]


def _opened(destination: Destination) -> tuple[hosts.Opening, Terms, RetryRules] | None:
    try:
        return (
            hosts.open_destination(destination, now=timezone.now()),
            kind(destination.kind).terms(destination.domain),
            kind(destination.kind).rules(destination.domain),
        )
    except AWAY:
        raise
    except Exception:
        logger.exception("could not open %s", destination.domain, extra={"action": "open_failed"})
        return None


def _take_turn(turn: Turn, dcids: ids.Pool) -> list[list[Claimed]]:
    running.current()
    claimed = queue.take_turn(turn, now=timezone.now())
    if dcids.low:
        dcids.refill()
    return claimed


def _renew(held: Sequence[Claimed]) -> None:
    with transaction.atomic():
        queue.renew(held, now=timezone.now())


def _sweep() -> None:
    queue.sweep(timezone.now())


def _with_work(destinations: Sequence[Destination]) -> list[Destination]:
    now = timezone.now()
    return [each for each in destinations if queue.waiting(each, now=now)]
