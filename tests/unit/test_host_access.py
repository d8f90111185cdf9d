"""Which sender group a connecting host falls to."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_console.gateway.host_access import Group, HostAccessTable, HourlyCount, check_entry
from seg_console.mail.addresses import AddressError

HOST, VERIFIED, NOBODY = "192.0.2.15", "mail.sender.example", ""


def table(*groups: tuple[str, tuple[str, ...]]) -> HostAccessTable[str]:
    made = (Group(name, tuple(check_entry(entry) for entry in entries), name.lower()) for name, entries in groups)
    return HostAccessTable(made, otherwise="all")


@pytest.mark.parametrize(
    ("entry", "address", "name"),
    [
        ("192.0.2.15", HOST, NOBODY),
        ("192.0.2.0/24", HOST, NOBODY),
        ("192.0.2.99/24", HOST, NOBODY),
        ("0.0.0.0/0", HOST, NOBODY),
        ("192.0.2.10-20", HOST, NOBODY),
        ("192.0.2.15-15", HOST, NOBODY),
        ("192.0.1.250-192.0.2.15", HOST, NOBODY),
        ("192.0.2.", HOST, NOBODY),
        ("192.", HOST, NOBODY),
        ("mail_1.example.com", HOST, "mail_1.example.com"),
        ("2001:db8::1", "2001:db8::1", NOBODY),
        ("2001:DB8:0::1", "2001:db8::1", NOBODY),
        ("2001:db8::/32", "2001:db8:ffff::9", NOBODY),
        ("2001:db8::1-2001:db8::ff", "2001:db8::80", NOBODY),
        ("mail.sender.example", HOST, VERIFIED),
        ("MAIL.Sender.Example", HOST, "Mail.SENDER.example."),
        (".sender.example", HOST, VERIFIED),
        (".example", HOST, VERIFIED),
    ],
)
def test_an_entry_takes_the_hosts_it_names(entry: str, address: str, name: str) -> None:
    found = table(("GROUP", (entry,))).match(address, name)
    assert (found.name, found.place, found.policy) == ("GROUP", 1, "group")
    assert found.entry == check_entry(entry)


@pytest.mark.parametrize(
    ("entry", "address", "name"),
    [
        ("192.0.2.16", HOST, NOBODY),
        ("192.0.3.0/24", HOST, NOBODY),
        ("192.0.2.16-20", HOST, NOBODY),
        ("192.0.20.", HOST, NOBODY),
        ("2001:db8::/32", HOST, NOBODY),
        ("::/0", HOST, NOBODY),
        ("0.0.0.0/0", "2001:db8::1", NOBODY),
        ("mail.sender.example", HOST, NOBODY),
        ("sender.example", HOST, VERIFIED),
        (".mail.sender.example", HOST, VERIFIED),
        ("ender.example", HOST, "sender.example"),
    ],
)
def test_an_entry_takes_no_other_host(entry: str, address: str, name: str) -> None:
    found = table(("GROUP", (entry,))).match(address, name)
    assert (found.name, found.entry, found.place, found.policy) == ("ALL", "ALL", 2, "all")


def test_the_first_group_that_matches_decides_by_whichever_kind_of_entry() -> None:
    groups = table(
        ("RELAYLIST", ("10.0.0.0/8",)),
        ("BLOCKED", (".sender.example",)),
        ("SUSPECT", ("192.0.2.15", "192.0.2.0/24")),
        ("LATE", ("192.0.0.0/8", "mail.sender.example")),
    )
    assert groups.match(HOST, VERIFIED).name == "BLOCKED"
    assert groups.match(HOST).name == "SUSPECT"
    assert groups.match(HOST).entry == "192.0.2.15"
    assert groups.match("192.0.2.16").entry == "192.0.2.0/24"
    assert groups.match_name(VERIFIED).name == "BLOCKED"
    assert groups.match_name("other.example").name == "ALL"


@given(
    entries=st.lists(
        st.tuples(st.integers(0, 255), st.integers(24, 32)).map(lambda pair: f"192.0.2.{pair[0]}/{pair[1]}"), max_size=8
    ),
    host=st.integers(0, 255),
)
def test_prefixes_decide_as_looking_at_each_entry_in_turn_does(entries: list[str], host: int) -> None:
    address = ipaddress.ip_address(f"192.0.2.{host}")
    normal = [check_entry(entry) for entry in entries]
    first = next((entry for entry in normal if address in ipaddress.ip_network(entry, strict=False)), "ALL")
    assert table(("GROUP", tuple(normal))).match(str(address)).entry == first


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "   ",
        "ALL",
        "all",
        "192.0.2.256",
        "192.0.2.1/33",
        "192.0.2.0/255.255.255.0",
        "192.0.2.20-10",
        "192.0.2.1-2001:db8::1",
        "192.0.2.10-",
        "1.2.3.4.",
        "300.",
        "2001:db8:::1",
        "2001:db8::1%eth0",
        "2001:db8::/129",
        "*.example.com",
        "..example.com",
        ".",
        "<script>alert(1)</script>",
        "mail.example.com\x00",
        "mail\u202eexample.com",
        "=cmd()",
        "user@example.com",
        "x" * 1_000_000,
    ],
)
def test_what_is_no_entry_is_refused_with_a_short_sentence(entry: str) -> None:
    with pytest.raises(AddressError) as refused:
        check_entry(entry)
    sentence = str(refused.value)
    assert len(sentence) < 300
    assert "\x00" not in sentence
    assert "\u202e" not in sentence


@given(st.one_of(st.ip_addresses().map(str), st.ip_addresses(v=4).map(lambda address: f"{address}/24")))
def test_the_plain_spelling_stays_as_it_is(entry: str) -> None:
    assert check_entry(check_entry(entry)) == check_entry(entry)


def test_an_hour_is_counted_from_the_first_and_then_anew() -> None:
    counted = HourlyCount()
    assert [counted.take("a", 2, now=now) for now in (0.0, 10.0, 20.0, 3599.0)] == [True, True, False, False]
    assert counted.take("b", 2, now=3599.0)
    assert [counted.take("a", 2, now=now) for now in (3600.0, 3601.0, 3602.0)] == [True, True, False]


def test_only_so_many_clients_are_remembered() -> None:
    counted = HourlyCount(most=2)
    for client in ("a", "b", "c"):
        assert counted.take(client, 1, now=0.0)
    assert not counted.take("c", 1, now=1.0)
    assert counted.take("a", 1, now=1.0)
