"""The drain: one event loop that works on many destinations, beside one thread that alone talks to the database.

Claims and settlements go to the database together: whatever has ended by now goes into one transaction, which also
claims what comes next, and a connection starts its next message only when its last outcome is stored. A destination
that hangs holds nobody up, because new ones are taken on as long as the drain lives.
"""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import lru_cache, partial
from typing import Any, Final, TypeVar

from django.conf import settings
from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from seg_console.config import running
from seg_console.delivery import hosts, queue
from seg_console.delivery.allowance import Allowance
from seg_console.delivery.kinds import Claimed, Destination, IpPreference, Terms, kind
from seg_console.delivery.lane import LOOK_S, Lane
from seg_console.delivery.nexthop import NextHop, Resolver
from seg_console.delivery.nudge import FLAG_S, Board, Noticeboard, nudge
from seg_console.delivery.queue import Demand, Turn
from seg_console.delivery.rules import RetryRules
from seg_console.delivery.running import DnsLookup, dns, routes
from seg_console.delivery.settle import Attempted
from seg_console.delivery.slots import Slots
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
RENEW_S: Final = 10.0
# How long nobody is woken for a destination that rests; then it is looked at anew, under the configuration then.
REST_S: Final = 5
MOST_LANES: Final = 200
MOST_OCTETS: Final = 16 * 1024 * 1024
DCID_BLOCK: Final = 100
DATABASE_TRIES: Final = 20
# A batch waits until this share of the messages in hand has ended: as long as the last transaction took, and at most
# this long.
LONGEST_GATHER_S: Final = 0.02
GATHER_SHARE: Final = 0.8


def run_drain(queue_name: str, *, stopping: Callable[[], bool] = lambda: False, board: Board | None = None) -> None:
    """Work on what is announced for a Celery queue until nothing is left, or until it is time to give way.

    `stopping` is polled; once true, messages in hand end and everything else is released. `board` as in Drain. Raises
    DatabaseError when the database stays away; leases then free what was held.
    """
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(Drain(queue_name, stopping=stopping, board=board).run())


class Drain:
    """One run. Use it once. `board`: what it takes its work from and closes at the end; None for the one in Redis."""

    def __init__(
        self, queue_name: str, *, stopping: Callable[[], bool] = lambda: False, board: Board | None = None
    ) -> None:
        self._board = board or Noticeboard(queue_name)
        self._stopping = stopping
        self._told_to_stop = False
        self._lanes: dict[Destination, tuple[Lane, asyncio.Task[None], float]] = {}
        self._turn = Turn()
        self._waiting: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="drain-database")
        self._turn_s = 0.0
        self._dcids = ids.Pool("DCID", block=DCID_BLOCK)
        self.hostname: str = settings.SEG_HOSTNAME

    async def run(self, destinations: Iterable[Destination] = ()) -> None:
        """Work on `destinations` and on whatever is announced meanwhile."""
        async with self._resources():
            keeper = asyncio.create_task(self._keep())
            renewer = asyncio.create_task(self._renew())
            try:
                await self._open_all(destinations)
                await self._supervise(keeper)
            finally:
                renewer.cancel()
                await self._break_off()
                await self._last_turn(keeper)

    @asynccontextmanager
    async def _resources(self) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._slots = Slots()
        self._allowance = Allowance()
        restore = self._catch_sigterm()
        try:
            yield
        finally:
            restore()
            await self._slots.close()
            await self._allowance.close()
            await self._board.close()
            # The thread's connection belongs to the thread: only it can close it.
            await self._loop.run_in_executor(self._executor, connections.close_all)
            self._executor.shutdown()

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

    # --- lanes ---

    async def _supervise(self, keeper: asyncio.Task[None]) -> None:
        stop_at: float | None = None
        while True:
            if self._told_to_stop or self._stopping():
                self._wind_up()
                stop_at = stop_at or self._loop.time() + STOP_S
            elif self._adopting:
                await self._open_all(await self._board.take(MOST_LANES - len(self._lanes)))
            if not self._lanes or (stop_at and self._loop.time() > stop_at):
                return
            self._give_way()
            tasks = [task for _, task, _ in self._lanes.values()]
            await asyncio.wait([*tasks, keeper], timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            if keeper.done():
                keeper.result()
            await self._close_ended()

    @property
    def _adopting(self) -> bool:
        """A drain past its time takes on nothing new and ends, unless a slow host keeps it from ending."""
        elapsed = self._loop.time() - self._started
        return elapsed < RUN_S or elapsed > RUN_S + GRACE_S

    def _wind_up(self) -> None:
        for lane, _, _ in self._lanes.values():
            if not lane.stopping:
                lane.wind_up()

    def _give_way(self) -> None:
        for lane, _, since in self._lanes.values():
            if self._loop.time() - since >= RUN_S:
                lane.give_way()

    async def _open_all(self, destinations: Iterable[Destination]) -> None:
        fresh = [each for each in dict.fromkeys(destinations) if each not in self._lanes]
        if not fresh:
            return
        openings = await self._database(_open, fresh)
        for destination, (opening, terms, rules) in zip(fresh, openings, strict=True):
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
        self._lanes[destination] = (lane, asyncio.create_task(lane.run()), self._loop.time())
        self._wake.set()

    async def _rest(self, destination: Destination, waits_s: float = REST_S) -> None:
        """Have nobody woken for it for a moment, and no longer than it has to wait."""
        await self._board.keep([destination], seconds=max(min(math.ceil(waits_s), REST_S), 1))

    async def _close_ended(self) -> None:
        """A lane that ended gives its flag back, and only then looks a last time: what came in between is found by
        one of the two, the look or the nudge."""
        ended = [each for each, (_, task, _) in self._lanes.items() if task.done()]
        if not ended:
            return
        lanes = {each: self._lanes.pop(each) for each in ended}
        for _, task, _ in lanes.values():
            task.result()
        rest = [each for each, (lane, _, _) in lanes.items() if lane.is_down or lane.opens_at is not None]
        again = [each for each in ended if each not in rest]
        for each in rest:
            opens_at = lanes[each][0].opens_at
            await self._rest(each, REST_S if opens_at is None else opens_at - self._loop.time())
        await self._board.clear(again)
        waiting = await self._database(_with_work, again)
        if waiting:
            # Even this drain may take it up again; a fresh one reads the terms anew.
            await self._database(nudge, waiting)

    async def _break_off(self) -> None:
        """Only when told to stop too long ago, or when the database is gone."""
        tasks = [task for _, task, _ in self._lanes.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._board.clear(self._lanes)

    # --- the database thread ---

    async def _database(self, function: Callable[..., Result], *args: Any) -> Result:
        for attempt in range(DATABASE_TRIES):
            try:
                return await self._loop.run_in_executor(self._executor, partial(_call, function, *args))
            except DatabaseError:
                if attempt == DATABASE_TRIES - 1:
                    raise
                logger.warning("database trouble, trying again", exc_info=True, extra={"action": "database_retry"})
                await asyncio.sleep(min(0.1 * 2**attempt, 2.0))
        raise AssertionError

    async def _keep(self) -> None:
        """Group commit: one transaction at a time, each with everything that has ended since the last."""
        flushed = self._loop.time()
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._gather()
            lanes, demands = self._demands()
            if not self._turn.attempts and not demands and self._loop.time() - flushed < LOOK_S:
                continue
            began = self._loop.time()
            await self._take_turn(lanes, demands)
            flushed = self._loop.time()
            self._turn_s = flushed - began

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
        return sum(lane.in_transaction for lane, _, _ in self._lanes.values())

    async def _take_turn(self, lanes: Sequence[Lane], demands: list[Demand]) -> None:
        turn, self._turn = self._turn, Turn()
        waiting, self._waiting = self._waiting, []
        turn.demands = demands
        try:
            claimed = await self._database(_take_turn, turn, self._dcids)
        except BaseException as error:
            for future in waiting:
                if not future.done():
                    future.set_exception(RuntimeError("not stored"))
                    future.exception()
            raise error
        for future in waiting:
            if not future.done():
                future.set_result(None)
        sent = [each.claimed.id for each in turn.attempts if each.started]
        unsent = [*(each.claimed for each in turn.attempts if not each.started), *turn.released]
        await self._allowance.settle(sent, [each.id for each in unsent])
        for lane, demand, rows in zip(lanes, demands, claimed, strict=True):
            await self._hand_over(lane, demand, rows)

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
        free = MOST_OCTETS - sum(held.size for lane, _, _ in self._lanes.values() for held in lane.held)
        hungry: list[Lane] = []
        demands: list[Demand] = []
        for lane, _, _ in self._lanes.values():
            rows = lane.appetite(now, by_the_way=by_the_way)
            if not rows or (free <= 0 and lane.held):
                continue
            hungry.append(lane)
            demands.append(Demand(lane.destination, rows, max(free, 0)))
        return hungry, demands

    async def _last_turn(self, keeper: asyncio.Task[None]) -> None:
        """What is still to be written; then the keeper may go."""
        if keeper.done():
            return
        while self._turn.writes:
            self._wake.set()
            await asyncio.sleep(LOOK_S / 2)
            if keeper.done():
                return
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            held = [claimed for lane, _, _ in self._lanes.values() for claimed in lane.held]
            await self._database(_renew, held)
            # The worker's every place may be taken by drains like this one, and the sweep's turn far off.
            await self._database(_sweep)
            await self._slots.renew()
            await self._board.keep(self._lanes, seconds=FLAG_S)

    # --- what lanes ask (lane.Office) ---

    async def next_hop(self, domain: str, ip: IpPreference) -> NextHop:
        configuration = running.held()
        resolver = _resolver(configuration.value(dns), self.hostname)
        return await resolver.next_hop(domain, configuration.value(routes), ip)

    async def next_dcid(self) -> int:
        while (number := self._dcids.next()) is None:
            await self._database(self._dcids.refill)
        return number

    async def store(self, attempted: Attempted) -> None:
        stored: asyncio.Future[None] = self._loop.create_future()
        self._turn.attempts.append(attempted)
        self._waiting.append(stored)
        self._wake.set()
        await stored

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


def _call(function: Callable[..., Result], *args: Any) -> Result:
    """Runs in the database thread. A connection that broke is closed, so that the next call dials again."""
    try:
        return function(*args)
    except DatabaseError:
        for each in connections.all(initialized_only=True):
            if not each.in_atomic_block:
                each.close_if_unusable_or_obsolete()
        raise


def _open(destinations: Sequence[Destination]) -> list[tuple[hosts.Opening, Terms, RetryRules]]:
    now = timezone.now()
    running.current()
    return [
        (
            hosts.open_destination(destination, now=now),
            kind(destination.kind).terms(destination.domain),
            kind(destination.kind).rules(destination.domain),
        )
        for destination in destinations
    ]


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
