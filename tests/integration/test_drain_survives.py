"""What a drain survives: cancels that get lost, a database that goes away in the middle of a turn, faults of ours with
one destination. It ends in bounded time, every outcome is stored once, and nothing is sent twice."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection, transaction

from seg_console.delivery import cancelling, lane, queue
from seg_console.delivery import drain as draining
from seg_console.delivery.drain import Drain, run_to_the_end
from seg_console.delivery.kinds import Claimed, Destination
from seg_console.delivery.lane import Lane
from seg_console.delivery.models import Delivery, HostStatus
from seg_console.delivery.nudge import FLAG_S
from seg_console.delivery.ordinary import OrdinaryKind
from seg_console.delivery.queue import Demand, Turn
from seg_console.delivery.session import Address, Envelope, Sent, Session, dial
from tests.support.deliveries import accept, configure, counters, log_texts, route
from tests.support.smtp_remote import Action, Remote, smtp_remote

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis", "_empty_log")]

FOREVER_S = 3600
PATIENCE_S = 60
GOOD = Destination("ordinary", "corp.example")
BAD = Destination("ordinary", "bad.example")


@pytest.fixture
def _empty_log() -> None:
    settings.SEG_MAIL_LOG.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def _collect_abandoned() -> Iterator[None]:
    """Here and not in the middle of another test: asyncio logs each, and Python 3.11 may then fail to format whatever
    traceback it was busy with."""
    yield
    gc.collect()


@pytest.fixture
def good() -> Iterator[Remote]:
    with smtp_remote() as remote:
        yield remote


@pytest.fixture
def bad(good: Remote) -> Iterator[Remote]:
    """Another server, both are in the routes."""
    with smtp_remote() as remote:
        configure(smtp_routes=[route("corp.example", good.port), route("bad.example", remote.port)])
        yield remote


async def _deaf() -> None:
    while True:
        try:
            await asyncio.sleep(FOREVER_S)
        except asyncio.CancelledError:
            continue


class _Board:
    """Has nothing to tell; what is asked of it swallows `cancels` cancels, or all."""

    def __init__(self, cancels: int | None = None) -> None:
        self._cancels = cancels
        self.asked = 0

    async def take(self, most: int) -> list[Destination]:
        self.asked += 1
        if self._cancels is None:
            await _deaf()
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            if not self._cancels:
                raise
            self._cancels -= 1
        return []

    async def keep(self, destinations: Iterable[Destination], *, seconds: int = FLAG_S) -> None:
        return

    async def clear(self, destinations: Iterable[Destination]) -> None:
        return

    async def close(self) -> None:
        return


class _DeafConversation:
    """A connection whose every word swallows cancels."""

    tls_protocol = tls_cipher = tls_detail = ""
    usable = True

    def __init__(self, address: Address, local_ip: str) -> None:
        self.address = address
        self.local_ip = local_ip

    async def send(self, envelope: Envelope, *, until: float | None = None) -> Sent:
        await _deaf()
        raise AssertionError

    async def close(self) -> None:
        await _deaf()

    def abort(self) -> None:
        return


@pytest.fixture
def _deaf_conversations(monkeypatch: pytest.MonkeyPatch) -> None:
    """With bad.example."""

    async def deaf(address: Address, **kwargs: Any) -> Session | _DeafConversation:
        session = await dial(address, **kwargs)
        if kwargs["server_name"] != "bad.example":
            return session
        session.abort()
        return _DeafConversation(address, session.local_ip)

    monkeypatch.setattr(lane, "dial", deaf)


def _accept(*, good: int = 0, bad: int = 0) -> list[int]:
    """Messages in the queue. Returns the MIDs of those to the good server."""
    for _ in range(bad):
        accept(["x@bad.example"])
    return [accept() for _ in range(good)]


def _cancelled_when(reached: Callable[[], bool], worker: Drain) -> None:
    async def watch() -> None:
        running = asyncio.create_task(worker.run([BAD, GOOD]))
        async with asyncio.timeout(PATIENCE_S):
            while not reached():  # noqa: ASYNC110 - the server is another thread
                await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()

    cancelling.run(watch())


def _states(destination: Destination) -> list[tuple[str, int]]:
    rows = Delivery.objects.filter(domain=destination.domain).values_list("state", "attempt")
    return sorted((str(state), int(attempt)) for state, attempt in rows)


def _stored_once(mids: Iterable[int]) -> bool:
    texts = log_texts()
    return all(texts.count(f"Message finished MID {mid} done") == 1 for mid in mids)


# --- cancels that get lost


@pytest.mark.parametrize("cancels", [1, None])
def test_a_board_that_swallows_cancels_does_not_keep_the_drain(cancels: int | None) -> None:
    with smtp_remote({"CONTENT": Action.HANG}) as slow, smtp_remote() as quick:
        configure(smtp_routes=[route("bad.example", slow.port), route("corp.example", quick.port)])
        mids = _accept(good=10, bad=1)
        board = _Board(cancels)
        _cancelled_when(lambda: len(quick.taken) == 10 and board.asked > 0, Drain("delivery", board=board))
    assert _states(GOOD) == [("delivered", 1)] * 10
    assert _stored_once(mids)
    # Broken off in the middle: nobody knows whether it arrived, so its lease has to run out.
    assert _states(BAD) == [("delivering", 1)]


@pytest.mark.usefixtures("_deaf_conversations", "bad")
def test_a_conversation_that_swallows_cancels_is_abandoned(good: Remote, caplog: pytest.LogCaptureFixture) -> None:
    mids = _accept(good=10, bad=1)
    _cancelled_when(lambda: len(good.taken) == 10, Drain("delivery"))
    assert _states(GOOD) == [("delivered", 1)] * 10
    assert _stored_once(mids)
    assert _states(BAD) == [("delivering", 1)]
    assert "abandoned, because it does not end" in caplog.text


@pytest.mark.usefixtures("_deaf_conversations")
def test_a_worker_that_is_told_to_stop_does_not_wait_for_a_conversation_that_never_ends(
    good: Remote, bad: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "STOP_S", 0.5)
    configure(
        smtp_routes=[route("corp.example", good.port), route("bad.example", bad.port)],
        destination_controls=[{"domain": "bad.example", "max_connections": 1}],
    )
    mids = _accept(good=10, bad=3)
    run_to_the_end(Drain("delivery", stopping=lambda: len(good.taken) == 10), [BAD, GOOD])
    assert _states(GOOD) == [("delivered", 1)] * 10
    assert _stored_once(mids)
    # One was in hand, the others are released untried.
    assert _states(BAD) == [("delivering", 1), ("queued", 0), ("queued", 0)]


@pytest.mark.usefixtures("_deaf_conversations", "bad")
def test_a_lane_that_does_not_end_is_broken_off_and_the_drain_ends_by_itself(
    good: Remote, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(draining, "RUN_S", 0.5)
    monkeypatch.setattr(draining, "longest_wait", lambda timeouts: 0.2)
    mids = _accept(good=3, bad=1)
    worker = Drain("delivery")
    run_to_the_end(worker, [BAD, GOOD])
    assert _states(GOOD) == [("delivered", 1)] * 3
    assert _stored_once(mids)
    assert _states(BAD) == [("delivering", 1)]
    assert "broken off: bad.example does not end" in caplog.text
    assert worker.rounds > 0


# --- the database


class _Away:
    """Stands in for queue.take_turn: the first `times` turns in which something has ended lose the database when all
    is written, before it is committed."""

    def __init__(self, times: float) -> None:
        self.left = times
        self.lost = 0
        self._take_turn = queue.take_turn

    def __call__(self, turn: Turn, *, now: datetime) -> list[list[Claimed]]:
        if not turn.attempts or not self.left:
            return self._take_turn(turn, now=now)
        self.left -= 1
        self.lost += 1
        with transaction.atomic():
            self._take_turn(turn, now=now)
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            raise OperationalError("database is locked")


def test_a_database_that_goes_away_in_the_middle_of_a_turn_costs_nothing_but_time(
    good: Remote, bad: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = _Away(times=4)
    monkeypatch.setattr(queue, "take_turn", away)
    mids = _accept(good=20, bad=5)
    run_to_the_end(Drain("delivery"), [BAD, GOOD])
    assert away.lost == 4
    assert (len(good.taken), len(bad.taken)) == (20, 5)
    assert _states(GOOD) == [("delivered", 1)] * 20
    assert _states(BAD) == [("delivered", 1)] * 5
    assert (counters(GOOD), counters(BAD)) == ({"delivered": 20}, {"delivered": 5})
    assert _stored_once(mids)


@pytest.mark.usefixtures("bad")
def test_a_worker_that_is_told_to_stop_waits_for_the_database_only_so_long(
    good: Remote, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(draining, "STOP_S", 0.5)
    monkeypatch.setattr(draining, "LAST_S", 0.5)
    away = _Away(times=float("inf"))
    monkeypatch.setattr(queue, "take_turn", away)
    (mid,) = _accept(good=1)
    run_to_the_end(Drain("delivery", stopping=lambda: away.lost > 1), [GOOD])
    assert len(good.taken) == 1
    assert _states(GOOD) == [("delivering", 1)]
    assert f"not stored how these were tried: MID {mid}" in caplog.text


@pytest.mark.usefixtures("bad")
def test_a_call_to_the_database_that_never_returns_is_left_behind(
    good: Remote, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(draining, "STOP_S", 0.2)
    monkeypatch.setattr(draining, "LAST_S", 0.2)
    monkeypatch.setattr(draining, "LONGEST_PAUSE_S", 0.1)
    hangs, returns = threading.Event(), threading.Event()

    def hang(turn: Turn, *, now: datetime) -> list[list[Claimed]]:
        if not turn.attempts:
            return take_turn(turn, now=now)
        hangs.set()
        assert returns.wait(PATIENCE_S)
        raise OperationalError("too late")

    take_turn = queue.take_turn
    monkeypatch.setattr(queue, "take_turn", hang)
    (mid,) = _accept(good=1)
    worker = Drain("delivery", stopping=hangs.is_set)
    try:
        run_to_the_end(worker, [GOOD])
    finally:
        returns.set()
        worker._executor.shutdown()
    assert _states(GOOD) == [("delivering", 1)]
    assert f"not stored how these were tried: MID {mid}" in caplog.text
    assert "a call to the database is left behind" in caplog.text


# --- faults of ours


def test_a_fault_with_one_destinations_claims_is_nobody_elses(
    good: Remote, bad: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = queue.claim

    def faulty(demand: Demand, *, now: datetime) -> list[Claimed]:
        if demand.destination == BAD:
            raise ValueError("a fault")
        return claim(demand, now=now)

    monkeypatch.setattr(queue, "claim", faulty)
    mids = _accept(good=20, bad=2)
    run_to_the_end(Drain("delivery"), [BAD, GOOD])
    assert (len(good.taken), len(bad.taken)) == (20, 0)
    assert _states(GOOD) == [("delivered", 1)] * 20
    assert _stored_once(mids)
    assert counters(GOOD) == {"delivered": 20}
    assert _states(BAD) == [("queued", 0)] * 2


def test_a_lane_that_fails_takes_no_other_along_and_gives_back_what_it_did_not_try(
    good: Remote, bad: Remote, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    adjust = Lane._adjust

    async def faulty(lane: Lane) -> None:
        if lane.destination == BAD and lane.held:
            raise ValueError("a fault")
        await adjust(lane)

    monkeypatch.setattr(Lane, "_adjust", faulty)
    mids = _accept(good=20, bad=2)
    run_to_the_end(Drain("delivery"), [BAD, GOOD])
    assert (len(good.taken), len(bad.taken)) == (20, 0)
    assert _states(GOOD) == [("delivered", 1)] * 20
    assert _stored_once(mids)
    assert _states(BAD) == [("queued", 0)] * 2
    assert "lane of bad.example failed" in caplog.text


@pytest.mark.usefixtures("bad")
def test_a_fault_with_one_message_keeps_none_of_the_others_back(good: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty, *mids = _accept(good=10)
    content = OrdinaryKind.content

    def content_or_fault(kind: OrdinaryKind, claimed: Claimed, now: datetime) -> bytes:
        if claimed.mid == faulty:
            raise ValueError("a fault")
        return content(kind, claimed, now)

    monkeypatch.setattr(OrdinaryKind, "content", content_or_fault)
    run_to_the_end(Drain("delivery"), [GOOD])
    assert len(good.taken) == 9
    assert _states(GOOD) == [("delivered", 1)] * 9 + [("queued", 1)]
    assert _stored_once(mids)
    assert Delivery.objects.get(message=faulty).last_text == "internal error: ValueError"
    assert HostStatus.objects.get(domain="corp.example").status == "up"


@pytest.mark.usefixtures("bad")
def test_a_turn_that_cannot_be_stored_for_a_fault_of_ours_does_not_end_the_drain(
    good: Remote, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    take_turn, failed = queue.take_turn, threading.Event()

    def once(turn: Turn, *, now: datetime) -> list[list[Claimed]]:
        if turn.attempts and not turn.demands and not failed.is_set():
            failed.set()
            raise ValueError("a fault")
        if turn.attempts and not failed.is_set():
            raise ValueError("a fault")
        return take_turn(turn, now=now)

    monkeypatch.setattr(queue, "take_turn", once)
    configure(
        smtp_routes=[route("corp.example", good.port)],
        destination_controls=[{"domain": "corp.example", "max_connections": 1}],
    )
    _accept(good=10)
    run_to_the_end(Drain("delivery"), [GOOD])
    assert len(good.taken) == 10
    # The one whose outcome is not known is sent again after its lease; all others are exact.
    assert _states(GOOD) == [("delivered", 1)] * 9 + [("delivering", 1)]
    assert "not stored how these were tried" in caplog.text
