"""Destination Controls and Bounce Profiles in the engine: recipients per period, retries and life by destination."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from redis import Redis

from seg_console.config import document, pending
from seg_console.config.problems import InvalidConfiguration
from seg_console.delivery.allowance import Allowance, Grant
from seg_console.delivery.kinds import Claimed, Destination, RecipientRate, kind
from seg_console.delivery.models import Delivery
from tests.support.deliveries import accept, configure, drain, route
from tests.support.smtp_remote import smtp_remote

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

CORP = Destination("ordinary", "corp.example")
TEN_A_MINUTE = RecipientRate(10, 60)


class Clock:
    now = 6_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def _without_redis() -> Iterator[None]:
    before = settings.SEG_REDIS_URL
    settings.SEG_REDIS_URL = "redis://127.0.0.1:1/0"
    yield
    settings.SEG_REDIS_URL = before


def claims(*recipients: int) -> list[Claimed]:
    now = timezone.now()
    return [
        Claimed(
            id=number,
            mid=number,
            destination=CORP,
            address="",
            attempt=1,
            recipients=tuple((rid, f"{rid}@corp.example") for rid in range(count)),
            size=10,
            enqueued_at=now,
            expires_at=now + timedelta(hours=1),
            envelope_sender="",
            subject="",
            message_id="",
            icid=1,
            content=b"",
        )
        for number, count in enumerate(recipients, 1)
    ]


def take(allowance: Allowance, *recipients: int) -> tuple[int, int]:
    async def asked() -> Grant:
        try:
            return await allowance.take(CORP, TEN_A_MINUTE, claims(*recipients))
        finally:
            await allowance.close()

    grant = asyncio.run(asked())
    return grant.messages, grant.recipients


def settle(allowance: Allowance, *, sent: Sequence[int] = (), unsent: Sequence[int] = ()) -> None:
    async def settled() -> None:
        await allowance.settle(sent, unsent)
        await allowance.close()

    asyncio.run(settled())


# --- the count


def test_two_workers_share_one_window_and_the_next_begins_anew(clock: Clock) -> None:
    one, other = Allowance(clock), Allowance(clock)
    assert take(one, 4, 3) == (2, 3)
    assert take(other, 3, 1) == (1, 0)
    assert take(one, 1) == (0, 0)
    clock.now += 60
    assert take(other, 1) == (1, 9)


def test_a_message_that_does_not_fit_holds_back_those_behind_it(clock: Clock) -> None:
    allowance = Allowance(clock)
    assert take(allowance, 8, 3, 1) == (1, 2)


def test_what_is_not_sent_is_given_back_and_what_is_sent_is_not(clock: Clock) -> None:
    allowance = Allowance(clock)
    assert take(allowance, 4, 6) == (2, 0)
    settle(allowance, sent=[1], unsent=[2])
    assert take(allowance) == (0, 6)
    settle(allowance, unsent=[1, 2])
    assert take(allowance) == (0, 6)


def test_a_message_larger_than_a_window_takes_of_the_next_ones_and_gives_them_back(clock: Clock) -> None:
    allowance = Allowance(clock)
    assert take(allowance, 25) == (1, 0)
    clock.now += 60
    assert take(allowance, 1) == (0, 0)
    clock.now += 60
    assert take(allowance) == (0, 5)
    settle(allowance, unsent=[1])
    assert take(allowance) == (0, 10)


def test_windows_are_forgotten_once_they_are_over(clock: Clock, redis: Redis) -> None:
    take(Allowance(clock), 4)
    (key,) = redis.keys("seg:recipients:*")
    assert 60 < redis.ttl(key) <= 120


@pytest.mark.usefixtures("_without_redis")
def test_without_redis_everything_may_go(clock: Clock) -> None:
    allowance = Allowance(clock)
    assert take(allowance, 40, 40) == (2, 10)
    settle(allowance, unsent=[1])


# --- in the drain


def limited(port: int, **control: object) -> None:
    configure(
        smtp_routes=[route("corp.example", port)],
        destination_controls=[{"domain": "corp.example", "max_recipients": 4, "recipients_minutes": 60} | control],
    )


def states() -> list[tuple[str, int]]:
    return list(Delivery.objects.order_by("id").values_list("state", "attempt"))


def test_a_destination_gets_its_recipients_and_the_rest_waits_untried_until_the_window_opens(redis: Redis) -> None:
    with smtp_remote() as remote:
        limited(remote.port)
        for _ in range(7):
            accept()
        drain(CORP)
        assert len(remote.taken) == 4
        assert states() == [("delivered", 1)] * 4 + [("queued", 0)] * 3
        # Nobody is woken while it waits, and not for longer than a moment: the limit may be lifted.
        assert 0 < redis.ttl("seg:nudged:ordinary:corp.example") <= 5
        drain(CORP)
        assert len(remote.taken) == 4
        # The next window.
        redis.delete(*redis.keys("seg:recipients:*"))
        drain(CORP)
    assert len(remote.taken) == 7
    assert states() == [("delivered", 1)] * 7


def test_what_cannot_be_sent_costs_nothing_of_the_window(redis: Redis) -> None:
    limited(1)
    accept(["a@corp.example", "b@corp.example"])
    drain(CORP)
    assert states() == [("queued", 1)]
    assert [int(redis.get(key) or 0) for key in redis.keys("seg:recipients:*")] == [0]


def test_a_message_with_more_recipients_than_a_window_is_delivered_whole() -> None:
    with smtp_remote() as remote:
        limited(remote.port)
        accept([f"r{number}@corp.example" for number in range(9)])
        accept()
        drain(CORP)
    assert [len(taken.recipients) for taken in remote.taken] == [9]
    assert states() == [("delivered", 1), ("queued", 0)]


def test_a_limit_that_is_lifted_holds_no_longer() -> None:
    with smtp_remote() as remote:
        limited(remote.port)
        for _ in range(6):
            accept()
        drain(CORP)
        limited(remote.port, max_recipients=0)
        drain(CORP)
    assert len(remote.taken) == 6


@pytest.mark.usefixtures("_without_redis")
def test_without_redis_mail_goes_on_without_the_limit() -> None:
    with smtp_remote() as remote:
        limited(remote.port)
        for _ in range(7):
            accept()
        drain(CORP)
    assert len(remote.taken) == 7


# --- transactions and conversion


def test_recipients_of_a_transaction_and_conversion_are_the_destinations_own_and_a_copy_has_its_own() -> None:
    configure(
        destination_controls=[
            {"domain": "corp.example", "max_recipients_per_transaction": 7},
            {"domain": "ALL", "max_recipients_per_transaction": 20, "conversion": "bounce"},
        ]
    )
    terms = [kind(name).terms(domain) for name in ("ordinary", "tdc") for domain in ("corp.example", "else.example")]
    assert [(each.recipients_per_transaction, each.conversion.value) for each in terms] == [
        (7, "bounce"),
        (20, "bounce"),
        (1, "as_is"),
        (1, "as_is"),
    ]


# --- bounce profiles


def with_profiles(port: int) -> None:
    configure(
        smtp_routes=[route("ALL", port)],
        bounce_profiles=[{"name": "Short", "max_retries": 0, "max_queue_time": 600}],
        destination_controls=[{"domain": "short.example", "bounce_profile": "short"}],
    )


def test_life_in_the_queue_and_retries_are_those_of_the_destinations_own_profile() -> None:
    with smtp_remote({"MAIL": "451 4.3.0 later"}) as remote:
        with_profiles(remote.port)
        accept(["a@short.example", "b@else.example"], sender="")
        lives = {row.domain: row.expires_at - row.enqueued_at for row in Delivery.objects.all()}
        assert lives == {"short.example": timedelta(minutes=10), "else.example": timedelta(hours=72)}
        drain()
    assert dict(Delivery.objects.values_list("domain", "state")) == {
        "short.example": "bounced",
        "else.example": "queued",
    }


def test_a_control_follows_the_default_rows_profile_unless_it_names_one() -> None:
    configure(
        bounce_profiles=[{"name": "Short", "max_queue_time": 600}],
        destination_controls=[
            {"domain": "own.example", "bounce_profile": "Default"},
            {"domain": "follows.example"},
            {"domain": "ALL", "bounce_profile": "Short"},
        ],
    )
    accept(["a@own.example", "b@follows.example", "c@other.example"])
    lives = {row.domain: (row.expires_at - row.enqueued_at).total_seconds() for row in Delivery.objects.all()}
    assert lives == {"own.example": 259_200, "follows.example": 600, "other.example": 600}


@pytest.mark.parametrize(
    ("sections", "path", "words"),
    [
        (
            {"destination_controls": [{"domain": "a.example", "bounce_profile": "Nobody"}]},
            "destination_controls[0].bounce_profile",
            "there is no bounce profile named Nobody.",
        ),
        (
            {"destination_controls": [{"domain": "the.tdc.queue"}]},
            "destination_controls[0].domain",
            "the.tdc.queue is the name of a queue with rules of its own; give the domain of the message intake.",
        ),
        (
            {"smtp_routes": [{"domain": "The.TDC.Queue", "hosts": [{"host": "mx.example"}]}]},
            "smtp_routes[0].domain",
            "the.tdc.queue is the name of a queue with rules of its own; give the domain of the message intake.",
        ),
        (
            {"bounce_profiles": [{"name": "DEFAULT"}]},
            "bounce_profiles[0].name",
            "give another name: this one is the Default profile's.",
        ),
        (
            {"bounce_profiles": [{"name": "a\u202eb"}]},
            "bounce_profiles[0].name",
            "give printable characters without spaces around them.",
        ),
    ],
)
def test_what_cannot_run_is_refused_at_its_place(sections: dict[str, object], path: str, words: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        configure(**sections)
    assert [(problem.path, problem.message) for problem in refused.value.problems] == [(path, words)]
    assert document.dump(pending.committed())["destination_controls"] == []
