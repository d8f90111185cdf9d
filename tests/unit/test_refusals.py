"""How many refusals of a client are kept in a minute, and what is told of the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from seg_console.mail.refusals import FloodBound, OverflowRow, RefusalRow, client_of
from seg_console.mail.values import RefusalKind

NOW = datetime(2026, 11, 23, 16, 40, 12, 5, tzinfo=UTC)
MINUTE = datetime(2026, 11, 23, 16, 40, tzinfo=UTC)


def refusal(client: str = "192.0.2.1", kind: RefusalKind = RefusalKind.RECIPIENT, icid: int = 1) -> RefusalRow:
    return RefusalRow(
        at=NOW,
        kind=kind,
        icid=icid,
        mid=None,
        remote_ip=client,
        reverse_dns="",
        reverse_dns_verified=False,
        helo="",
        sender="",
        recipient="",
        sender_group="",
        code=550,
        reply="",
    )


def store(bound: FloodBound, *found: RefusalRow, now: datetime = NOW) -> tuple[list[RefusalRow], list[OverflowRow]]:
    divided = bound.divide(found, now=now)
    bound.count(divided)
    return divided.rows, divided.overflow


def test_the_first_of_a_client_in_a_minute_are_kept_and_the_rest_counted_by_kind() -> None:
    bound = FloodBound(most_rows=2)
    first, second = refusal(icid=1), refusal(icid=2)
    assert store(bound, first) == ([first], [])
    loop = refusal(kind=RefusalKind.LOOP)
    assert store(bound, second, refusal(icid=3), loop, refusal(icid=4)) == (
        [second],
        [
            OverflowRow(MINUTE, "192.0.2.1", RefusalKind.LOOP, 1),
            OverflowRow(MINUTE, "192.0.2.1", RefusalKind.RECIPIENT, 2),
        ],
    )
    assert store(bound, first) == ([], [OverflowRow(MINUTE, "192.0.2.1", RefusalKind.RECIPIENT, 1)])


def test_a_flood_leaves_the_rows_of_others() -> None:
    bound = FloodBound(most_rows=1)
    other = refusal("192.0.2.2")
    rows, overflow = store(bound, refusal(), refusal(), other)
    assert rows == [refusal(), other]
    assert overflow == [OverflowRow(MINUTE, "192.0.2.1", RefusalKind.RECIPIENT, 1)]


def test_every_minute_begins_anew() -> None:
    bound = FloodBound(most_rows=1)
    store(bound, refusal(), refusal())
    assert store(bound, refusal(), now=MINUTE + timedelta(seconds=59, milliseconds=999))[0] == []
    assert store(bound, refusal(), now=MINUTE + timedelta(minutes=1)) == ([refusal()], [])


def test_what_was_not_stored_does_not_count() -> None:
    bound = FloodBound(most_rows=1)
    assert bound.divide([refusal()], now=NOW).rows == [refusal()]
    assert store(bound, refusal()) == ([refusal()], [])


def test_nothing_refused_changes_nothing() -> None:
    bound = FloodBound(most_rows=1)
    store(bound, refusal())
    assert store(bound, now=MINUTE + timedelta(minutes=1)) == ([], [])
    assert store(bound, refusal())[0] == []


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_address_stands_for_its_network(address: str, client: str) -> None:
    assert client_of(address) == client


def test_the_addresses_of_one_ipv6_network_share_their_rows() -> None:
    bound = FloodBound(most_rows=3)
    rows, overflow = store(bound, *(refusal(f"2001:db8::{number:x}") for number in range(1, 1001)))
    assert [row.remote_ip for row in rows] == ["2001:db8::1", "2001:db8::2", "2001:db8::3"]
    assert overflow == [OverflowRow(MINUTE, "2001:db8::/64", RefusalKind.RECIPIENT, 997)]


def test_clients_beyond_those_that_are_told_apart_share_the_rows_of_one() -> None:
    bound = FloodBound(most_rows=2, most_clients=100)
    flood = [refusal(f"10.{number >> 8}.{number & 255}.1") for number in range(10_000)]
    rows, overflow = store(bound, *flood)
    assert rows == flood[:102]
    assert overflow == [OverflowRow(MINUTE, "", RefusalKind.RECIPIENT, 9_898)]
    assert len(bound._kept) == 101
    # Those who are known keep their own.
    assert store(bound, flood[0])[0] == [flood[0]]
