"""A Redis that is there and does not do: it hangs, talks nonsense, is full or may not be written to. All of it is
"away", no call raises, and mail goes on."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from redis import Redis

from seg_console.delivery import cancelling, slots
from seg_console.delivery import nudge as nudging
from seg_console.delivery.allowance import Allowance, Grant
from seg_console.delivery.broker import Breaker
from seg_console.delivery.kinds import Claimed, Destination, RecipientRate
from seg_console.delivery.models import Delivery
from seg_console.delivery.nudge import Noticeboard, nudge
from seg_console.delivery.slots import Slots
from seg_console.gateway import whereabouts
from seg_console.gateway.place import Place
from seg_console.gateway.whereabouts import Whereabouts
from tests.support.deliveries import accept, configure, drain, route
from tests.support.smtp_remote import smtp_remote

pytestmark = pytest.mark.django_db(transaction=True)

ORDINARY = Destination("ordinary", "corp.example")
TEN_A_MINUTE = RecipientRate(10, 60)
_COMMAND = re.compile(rb"(?:^|\r\n)\*\d+\r\n")


class _Impostor(socketserver.BaseRequestHandler):
    """Says the same to every command."""

    answer: bytes

    def handle(self) -> None:
        while said := self.request.recv(65_536):
            self.request.sendall(self.answer * len(_COMMAND.findall(said)))


@contextmanager
def _impostor(answer: bytes) -> Iterator[str]:
    handler = type("_Impostor", (_Impostor,), {"answer": answer})
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler, bind_and_activate=True)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _full(redis: Redis) -> Iterator[str]:
    redis.config_set("maxmemory", 1)
    try:
        yield settings.SEG_REDIS_URL
    finally:
        redis.config_set("maxmemory", 0)


@contextmanager
def _read_only(redis: Redis) -> Iterator[str]:
    redis.replicaof("127.0.0.1", 1)
    try:
        yield settings.SEG_REDIS_URL
    finally:
        redis.replicaof("NO", "ONE")


@pytest.fixture(params=["hangs", "answers nonsense", "answers text", "is full", "is read-only"])
def lame_redis(request: pytest.FixtureRequest, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    lame = {
        "hangs": lambda: _impostor(b""),
        "answers nonsense": lambda: _impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "answers text": lambda: _impostor(b"+what\r\n"),
        "is full": lambda: _full(redis),
        "is read-only": lambda: _read_only(redis),
    }
    with lame[request.param]() as url:
        monkeypatch.setattr(settings, "SEG_REDIS_URL", url)
        for module, name in ((nudging, "_breaker"), (slots, "_reading"), (whereabouts, "_breaker")):
            monkeypatch.setattr(module, name, Breaker())
        _forget_clients()
        yield
    _forget_clients()


def _forget_clients() -> None:
    nudging._redis.cache_clear()
    nudging._publisher.cache_clear()


def _claimed() -> Claimed:
    now = timezone.now()
    return Claimed(
        id=1,
        mid=1,
        destination=ORDINARY,
        address="",
        attempt=1,
        recipients=((0, "a@corp.example"),),
        size=1,
        enqueued_at=now,
        expires_at=now + timedelta(hours=1),
        envelope_sender="",
        subject="",
        message_id="",
        icid=1,
        content=b"",
    )


@pytest.mark.usefixtures("lame_redis")
def test_no_hint_raises_and_each_answers_as_without_redis() -> None:
    async def board() -> list[Destination]:
        board = Noticeboard("delivery")
        await board.keep([ORDINARY])
        await board.clear([ORDINARY])
        found = await board.take(10)
        await board.close()
        return found

    async def held() -> int:
        held = Slots()
        granted = await held.take(ORDINARY, 3, most=3)
        await held.renew()
        await held.give_back(ORDINARY, 1)
        await held.close()
        return granted

    async def taken() -> Grant:
        allowance = Allowance(lambda: 30.0)
        grant = await allowance.take(ORDINARY, TEN_A_MINUTE, [_claimed()] * 20)
        await allowance.settle([], [1])
        await allowance.close()
        return grant

    assert slots.connections_out([ORDINARY]) == {ORDINARY: 0}
    assert cancelling.run(board()) == []
    assert cancelling.run(held()) == 3
    assert cancelling.run(taken()) == Grant(20, 10, 30.0)
    nudge([ORDINARY])
    whereabouts.tell("a", Whereabouts(timezone.now(), Place("127.0.0.1", 25)))
    whereabouts.leave("a")


@pytest.mark.usefixtures("lame_redis")
def test_mail_is_accepted_and_delivered() -> None:
    with smtp_remote() as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        for _ in range(3):
            accept()
        drain(ORDINARY)
    assert len(remote.taken) == 3
    assert set(Delivery.objects.values_list("state", "attempt")) == {("delivered", 1)}
