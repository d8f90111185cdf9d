"""What the writer puts into one batch, and in which order: large messages never keep small ones waiting long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from seg_console.gateway.accept import Happening
from seg_console.gateway.arrival import Arrival, Peer, TurnedAway
from seg_console.gateway.protocol import Envelope, ReceivedMessage, Refused
from seg_console.gateway.spool import Spool
from seg_console.gateway.writer import BATCH_ITEMS, LARGE_BYTES, Answer, Writer
from seg_console.mail import events
from seg_console.mail.values import RefusalKind

NOW = datetime(2026, 11, 23, 16, 40, 12, tzinfo=UTC)
LARGE = LARGE_BYTES // 2


def arrival(mid: int, *, icid: int, size: int = 10) -> Arrival:
    peer = Peer(
        icid=icid, interface="Data 1", interface_ip="10.0.0.1", remote_ip="192.0.2.1", reverse_dns="", verified=False
    )
    message = ReceivedMessage(
        envelope=Envelope(mid=mid, sender="alice@example.net", recipients=("bob@corp.example",)),
        spool=Spool.of(b"x" * size),
        helo="client.example.net",
        esmtp=True,
        tls=False,
        body_8bitmime=False,
        declared_size=0,
    )
    return Arrival(peer, NOW, message)


def closed(icid: int) -> events.ConnectionClosed:
    return events.ConnectionClosed(at=NOW, icid=icid)


def turned_away(icid: int) -> TurnedAway:
    refused = Refused(RefusalKind.INVALID_SENDER, "nobody", 501, "5.1.7 Bad sender address syntax")
    return TurnedAway(arrival(0, icid=icid).peer, NOW, refused, "client.example.net")


def name(happening: Happening) -> str:
    if isinstance(happening, TurnedAway):
        return f"turned away {happening.peer.icid}"
    if isinstance(happening, Arrival):
        return f"MID {happening.message.envelope.mid}"
    return f"close {happening.icid}" if isinstance(happening, events.ConnectionClosed) else "?"


def batches(*happenings: Happening) -> list[list[str]]:
    """What is stored together, of happenings that are all there before the writer begins."""
    stored: list[list[str]] = []

    def store(batch: Sequence[Happening]) -> None:
        stored.append([name(each) for each in batch])

    writer = Writer(store=store, tick=lambda: None, post=lambda call: call())
    for happening in happenings:
        writer.submit(happening)
    writer.start()
    writer.stop()
    return stored


def test_small_messages_go_before_large_ones_which_come_a_few_at_a_time() -> None:
    large = [arrival(mid, icid=mid, size=LARGE) for mid in range(1, 6)]
    small = [arrival(mid, icid=mid) for mid in (11, 12)]
    assert batches(*large, *small) == [["MID 11", "MID 12", "MID 1", "MID 2"], ["MID 3", "MID 4"], ["MID 5"]]


def test_a_message_larger_than_the_share_of_a_batch_goes_all_the_same() -> None:
    found = batches(arrival(1, icid=1, size=2 * LARGE_BYTES), arrival(2, icid=2, size=2 * LARGE_BYTES))
    assert found == [["MID 1"], ["MID 2"]]


def test_what_a_connection_does_after_its_large_message_is_stored_after_it() -> None:
    large = [arrival(mid, icid=mid, size=LARGE) for mid in range(1, 5)]
    found = batches(*large, turned_away(4), closed(4), closed(9))
    assert found == [["close 9", "MID 1", "MID 2"], ["MID 3", "MID 4"], ["turned away 4", "close 4"]]


def test_what_came_before_a_large_message_is_stored_before_it_however_much_it_is() -> None:
    many = [closed(icid) for icid in range(100, 100 + BATCH_ITEMS + 1)]
    found = batches(*many, arrival(1, icid=1, size=LARGE))
    assert [len(batch) for batch in found] == [BATCH_ITEMS, 2]
    assert found[1] == [f"close {100 + BATCH_ITEMS}", "MID 1"]


@pytest.mark.parametrize("size", [10, LARGE])
def test_every_message_is_answered_once(size: int) -> None:
    answers: list[str] = []

    def answered(mid: int) -> Callable[[Answer], None]:
        return lambda answer: answers.append(f"{mid}: {answer.code} {answer.text}")

    writer = Writer(store=lambda batch: None, tick=lambda: None, post=lambda call: call())
    writer.start()
    for mid in (1, 2, 3):
        writer.submit(arrival(mid, icid=mid, size=size), answered(mid))
    writer.stop()
    assert answers == [f"{mid}: 250 ok:  Message {mid} accepted" for mid in (1, 2, 3)]
