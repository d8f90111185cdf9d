"""Where mail for a domain goes, against a real resolver and a scripted DNS server (RFC 5321 5.1, RFC 7505)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

import dns.asyncresolver
import dns.nameserver
import dns.resolver
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seg_console.delivery import nexthop
from seg_console.delivery.kinds import IpPreference
from seg_console.delivery.nexthop import DnsServer, LookupFailed, NextHop, Resolver, RouteHost, may_be_host, route_for
from seg_console.delivery.outcome import Failure
from seg_console.delivery.session import Address
from tests.support.dns_server import Answer, DnsRemote, Zone, dns_server

Routes = Mapping[str, Sequence[RouteHost]]


def look_up(domain: str, zone: Zone, routes: Routes | None = None, *, hostname: str = "gw1.corp.example") -> NextHop:
    with dns_server(zone) as remote:
        resolver = resolver_at(remote, hostname=hostname)
        return asyncio.run(resolver.next_hop(domain, routes or {}))


def resolver_at(remote: DnsRemote, *, hostname: str = "") -> Resolver:
    return Resolver([DnsServer("127.0.0.1", remote.port)], timeout_s=0.6, hostname=hostname)


MX: Zone = {
    ("corp.example", "MX"): ["20 second.example.", "10 first.example."],
    ("first.example", "A"): ["192.0.2.1"],
    ("first.example", "AAAA"): ["2001:db8::1"],
    ("second.example", "A"): ["192.0.2.2"],
}


def test_mail_exchangers_come_in_order_of_preference_and_ipv4_before_ipv6() -> None:
    assert look_up("corp.example", MX).addresses == (
        Address("192.0.2.1", 25, "first.example"),
        Address("2001:db8::1", 25, "first.example"),
        Address("192.0.2.2", 25, "second.example"),
    )


def test_without_mx_the_domains_own_address_stands_in() -> None:
    assert look_up("corp.example", {("corp.example", "A"): ["192.0.2.9"]}).addresses == (
        Address("192.0.2.9", 25, "corp.example"),
    )


@pytest.mark.parametrize(
    ("zone", "answer", "failure"),
    [
        pytest.param({}, "NXDomain", Failure.DNS_NEGATIVE, id="no such domain"),
        pytest.param({("corp.example", "TXT"): ['"x"']}, "NoData", Failure.DNS_NEGATIVE, id="neither MX nor address"),
        pytest.param({("corp.example", "MX"): ["0 ."]}, "NullMX", Failure.DNS_NEGATIVE, id="null MX"),
        pytest.param({("corp.example", "MX"): ["0 .", "5 ."]}, "NullMX", Failure.DNS_NEGATIVE, id="only null MX"),
        pytest.param({("corp.example", "MX"): ["5 192.0.2.1."]}, "BadMX", Failure.DNS_NEGATIVE, id="MX an address"),
        pytest.param({("corp.example", "MX"): ["5 gone.example."]}, "NXDomain", Failure.DNS_NEGATIVE, id="MX unknown"),
        pytest.param({("corp.example", "MX"): ["5 gw1.corp.example."]}, "Loop", Failure.DNS_NEGATIVE, id="ourselves"),
        pytest.param({("corp.example", "MX"): Answer.SERVFAIL}, "ServFail", Failure.DNS_TEMPORARY, id="server failure"),
        pytest.param({("corp.example", "MX"): Answer.SILENCE}, "Timeout", Failure.DNS_TEMPORARY, id="silence"),
        pytest.param(
            {("corp.example", "MX"): ["5 a.example."], ("a.example", "A"): Answer.SERVFAIL},
            "ServFail",
            Failure.DNS_TEMPORARY,
            id="MX host for now unknown",
        ),
    ],
)
def test_what_cannot_be_found_is_final_only_when_the_answer_is(zone: Zone, answer: str, failure: Failure) -> None:
    with pytest.raises(LookupFailed) as caught:
        look_up("corp.example", zone)
    assert (caught.value.answer, caught.value.outcome.failure) == (answer, failure)


def test_an_exchanger_at_or_behind_ourselves_is_not_used() -> None:
    zone: Zone = {**MX, ("corp.example", "MX"): ["10 first.example.", "20 gw1.corp.example.", "30 second.example."]}
    assert {address.name for address in look_up("corp.example", zone).addresses} == {"first.example"}


def test_a_route_comes_before_dns_and_may_name_a_port() -> None:
    routes = {"corp.example": [RouteHost("10.0.0.9", 2526), RouteHost("first.example", 2527, priority=5)]}
    assert look_up("corp.example", MX, routes).addresses[:2] == (
        Address("10.0.0.9", 2526),
        Address("192.0.2.1", 2527, "first.example"),
    )


def test_usedns_in_a_route_asks_the_dns() -> None:
    routes = {"ALL": [RouteHost("10.0.0.9")], "corp.example": [RouteHost("USEDNS")]}
    assert look_up("corp.example", MX, routes).addresses[0] == Address("192.0.2.1", 25, "first.example")


def test_a_route_to_dev_null_takes_mail_nowhere() -> None:
    assert look_up("corp.example", {}, {"corp.example": [RouteHost("/dev/null")]}) == NextHop((), discard=True)


def test_hosts_of_equal_priority_take_turns() -> None:
    routes = {"ALL": [RouteHost("10.0.0.1"), RouteHost("10.0.0.2"), RouteHost("10.0.0.3", priority=1)]}
    resolver = Resolver()

    async def firsts() -> list[str]:
        return [(await resolver.next_hop("x.example", routes)).addresses[0].ip for _ in range(4)]

    assert asyncio.run(firsts()) == ["10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(
    ("domain", "expected"),
    [("corp.example", "exact"), ("a.corp.example", "sub"), ("b.a.corp.example", "sub"), ("other.example", "all")],
)
def test_the_most_specific_route_is_taken(domain: str, expected: str) -> None:
    routes = {"corp.example": [RouteHost("exact")], ".corp.example": [RouteHost("sub")], "ALL": [RouteHost("all")]}
    found = route_for(routes, domain)
    assert found is not None
    assert found[0].host == expected


@pytest.mark.parametrize(
    ("literal", "ip"), [("[192.0.2.7]", "192.0.2.7"), ("[IPv6:2001:db8::7]", "2001:db8::7"), ("[ipv6:::1]", "::1")]
)
def test_an_address_literal_is_its_own_next_hop(literal: str, ip: str) -> None:
    assert asyncio.run(Resolver().next_hop(literal, {})).addresses == (Address(ip),)


def test_answers_are_kept_for_their_life_and_temporary_failures_not_at_all() -> None:
    async def twice(resolver: Resolver, domain: str) -> None:
        for _ in range(2):
            try:
                await resolver.next_hop(domain, {})
            except LookupFailed:
                continue

    with dns_server({**MX, ("ill.example", "MX"): Answer.SERVFAIL}) as remote:
        asyncio.run(twice(resolver_at(remote), "corp.example"))
        assert remote.asked.count(("corp.example", "MX")) == 1
        asyncio.run(twice(resolver_at(remote), "none.example"))
        assert remote.asked.count(("none.example", "MX")) == 1
        asyncio.run(twice(resolver_at(remote), "ill.example"))
        assert remote.asked.count(("ill.example", "MX")) >= 2


def test_names_of_one_label_are_the_systems_to_know() -> None:
    found = asyncio.run(Resolver().next_hop("x.example", {"ALL": [RouteHost("localhost", 2525)]}))
    assert Address("127.0.0.1", 2525, "localhost") in found.addresses


@pytest.mark.parametrize(
    ("preference", "expected"),
    [
        (IpPreference.IPV4_PREFERRED, ["192.0.2.1", "2001:db8::1", "192.0.2.2"]),
        (IpPreference.IPV6_PREFERRED, ["2001:db8::1", "192.0.2.1", "192.0.2.2"]),
        (IpPreference.IPV4_REQUIRED, ["192.0.2.1", "192.0.2.2"]),
        (IpPreference.IPV6_REQUIRED, ["2001:db8::1"]),
    ],
)
def test_the_preferred_addresses_of_each_host_go_first_and_required_ones_alone(
    preference: IpPreference, expected: list[str]
) -> None:
    with dns_server(MX) as remote:
        found = asyncio.run(resolver_at(remote).next_hop("corp.example", {}, preference))
    assert [address.ip for address in found.addresses] == expected


def test_a_domain_without_an_address_of_the_required_kind_cannot_be_reached() -> None:
    zone: Zone = {("corp.example", "A"): ["192.0.2.9"]}
    with dns_server(zone) as remote, pytest.raises(LookupFailed) as failed:
        asyncio.run(resolver_at(remote).next_hop("corp.example", {}, IpPreference.IPV6_REQUIRED))
    assert failed.value.outcome.failure is Failure.DNS_NEGATIVE


def test_an_address_in_a_route_is_taken_as_it_is_whatever_is_preferred() -> None:
    routes = {"ALL": [RouteHost("192.0.2.7")]}
    found = asyncio.run(Resolver().next_hop("corp.example", routes, IpPreference.IPV6_REQUIRED))
    assert found.addresses == (Address("192.0.2.7"),)


@pytest.mark.parametrize(
    "beside",
    [
        ".",
        "192.0.2.66.",
        "0x7f000001.",
        "2130706433.",
        "localhost.",
        "a\\000b.example.",
        "a\\ b.example.",
        "-a.example.",
    ],
)
def test_an_exchanger_that_cannot_be_used_is_skipped_beside_real_ones(beside: str) -> None:
    zone: Zone = {**MX, ("corp.example", "MX"): [f"0 {beside}", "10 second.example."]}
    assert look_up("corp.example", zone).addresses == (Address("192.0.2.2", 25, "second.example"),)


@pytest.mark.parametrize("name", ["mx.example", "_mx.corp_1.example", "a-b.example", "MX.Example", "xn--p1ai", "1.a"])
def test_names_of_hosts_as_the_world_uses_them(name: str) -> None:
    assert may_be_host(name)


def test_nine_exchangers_without_an_address_do_not_hide_the_good_tenth() -> None:
    zone: Zone = {
        ("corp.example", "MX"): [f"{place} mx{place}.example." for place in range(1, 31)],
        ("mx30.example", "A"): ["192.0.2.30"],
    }
    assert look_up("corp.example", zone).addresses == (Address("192.0.2.30", 25, "mx30.example"),)


def test_up_to_ten_addresses_are_tried_and_no_more_names_are_looked_up_than_that_takes() -> None:
    names = {(f"mx{place}.example", "A"): [f"192.0.2.{place}"] for place in range(3, 90)}
    zone: Zone = {("corp.example", "MX"): [f"{place} mx{place}.example." for place in range(1, 90)], **names}
    with dns_server(zone) as remote:
        found = asyncio.run(resolver_at(remote).next_hop("corp.example", {}, IpPreference.IPV4_REQUIRED))
    assert [address.ip for address in found.addresses] == [f"192.0.2.{place}" for place in range(3, 13)]
    assert {name for name, record in remote.asked if record == "A"} == {f"mx{place}.example" for place in range(1, 21)}


def test_a_list_of_nothing_but_dead_names_costs_a_bounded_number_of_questions() -> None:
    zone: Zone = {("corp.example", "MX"): [f"{place} mx{place}.example." for place in range(90)]}
    with dns_server(zone) as remote, pytest.raises(LookupFailed):
        asyncio.run(resolver_at(remote).next_hop("corp.example", {}, IpPreference.IPV4_REQUIRED))
    assert len({name for name, record in remote.asked if record == "A"}) == nexthop.MOST_HOSTS


def test_hosts_of_a_route_without_an_address_do_not_hide_the_good_one() -> None:
    routes = {"corp.example": [*(RouteHost(f"gone{n}.example", 2525) for n in range(7)), RouteHost("192.0.2.8")]}
    assert look_up("corp.example", {}, routes).addresses == (Address("192.0.2.8"),)


@pytest.mark.parametrize("always", [answer for answer in Answer if answer is not Answer.SILENCE])
@pytest.mark.parametrize("record", ["MX", "A"])
def test_whatever_a_server_answers_is_a_failed_look_up_for_now(always: Answer, record: str) -> None:
    zone: Zone = {
        ("corp.example", "MX"): ["5 mx.example."],
        ("corp.example" if record == "MX" else "mx.example", record): always,
    }
    with pytest.raises(LookupFailed) as failed:
        look_up("corp.example", zone)
    expected = "Timeout" if always in {Answer.GARBAGE, Answer.CUT, Answer.OTHER_QUESTION} else "ServFail"
    assert (failed.value.record, failed.value.answer, failed.value.temporary) == (record, expected, True)


@pytest.mark.parametrize("broken", [UnicodeError("label"), ValueError("value"), IndexError("index"), RuntimeError("x")])
def test_an_error_of_the_library_is_a_failed_look_up(broken: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(*_: object, **__: object) -> None:
        raise broken

    monkeypatch.setattr(dns.asyncresolver.Resolver, "resolve", breaks)
    with pytest.raises(LookupFailed) as failed:
        asyncio.run(Resolver([DnsServer("127.0.0.1")]).next_hop("corp.example", {}))
    assert (failed.value.answer, failed.value.temporary) == ("ServFail", True)


@pytest.fixture(scope="module")
def unknown() -> Iterator[Resolver]:
    """A resolver that knows no name."""
    with dns_server({}) as remote:
        yield resolver_at(remote)


NAMES = st.lists(st.text(max_size=70), max_size=6).map(".".join) | st.text("ab.\\\\[]0:@-_é", max_size=300)


@settings(max_examples=300, deadline=None)
@given(domain=NAMES)
@example("a..example")
@example(".")
@example("")
@example("@")
@example("[")
@example(f"{'a' * 64}.example")
@example(".".join(["a" * 60] * 5))
@example("\ud800.example")
@example("a\x00b")
@example("\u2024")
def test_no_text_as_a_domain_ends_in_anything_but_a_failed_look_up(unknown: Resolver, domain: str) -> None:
    for routes in ({}, {domain: [RouteHost(domain, 2525)]}):
        with suppress(LookupFailed):
            asyncio.run(unknown.next_hop(domain, routes))


def _label(octets: list[int]) -> str:
    """As a zone file has it."""
    return "".join(f"\\{octet:03}" for octet in octets)


@settings(max_examples=60, deadline=None)
@given(labels=st.lists(st.lists(st.integers(0, 255), min_size=1, max_size=12).map(_label), min_size=1, max_size=4))
def test_any_octets_as_an_exchanger_beside_a_good_one_do_no_harm(labels: list[str]) -> None:
    exchanger = ".".join(labels) + "."
    zone: Zone = {**MX, ("corp.example", "MX"): [f"10 {exchanger}", "20 second.example."]}
    assert Address("192.0.2.2", 25, "second.example") in look_up("corp.example", zone).addresses


# --- several servers ---


@contextmanager
def servers(*always: Answer | None, timeout_s: float = 0.9) -> Iterator[tuple[Resolver, list[DnsRemote]]]:
    """A resolver of servers of which each answers so, None for the zone MX."""
    with ExitStack() as stack:
        remotes = [stack.enter_context(dns_server(MX, always=answer, ttl=0)) for answer in always]
        yield Resolver([DnsServer("127.0.0.1", remote.port) for remote in remotes], timeout_s=timeout_s), remotes


@pytest.mark.parametrize("ill", [Answer.SILENCE, Answer.SERVFAIL, Answer.REFUSED, Answer.GARBAGE, Answer.TRUNCATED])
def test_two_ill_servers_of_three_do_not_keep_the_third_from_answering(ill: Answer) -> None:
    with servers(ill, ill, None) as (resolver, _):
        assert asyncio.run(resolver.next_hop("corp.example", {})).addresses[0].ip == "192.0.2.1"


def test_a_silent_server_is_waited_for_once_and_then_asked_last() -> None:
    async def questions(resolver: Resolver, remotes: list[DnsRemote]) -> list[int]:
        await resolver.next_hop("corp.example", {}, IpPreference.IPV4_REQUIRED)
        before = [len(remote.asked) for remote in remotes]
        for _ in range(2):
            await resolver.next_hop("corp.example", {}, IpPreference.IPV4_REQUIRED)
        return [len(remote.asked) - asked for remote, asked in zip(remotes, before, strict=True)]

    with servers(Answer.SILENCE, Answer.SILENCE, None) as (resolver, remotes):
        # Nothing is kept of answers without a life: each look-up asks for the MX and two addresses.
        assert asyncio.run(questions(resolver, remotes)) == [0, 0, 6]


def test_a_slow_server_may_answer_while_others_are_asked() -> None:
    with servers(Answer.SILENCE, None, Answer.SILENCE, timeout_s=0.6) as (resolver, _):
        assert asyncio.run(resolver.next_hop("corp.example", {})).addresses[0].ip == "192.0.2.1"


def test_servers_that_are_all_silent_are_a_time_out() -> None:
    with (
        servers(Answer.SILENCE, Answer.SILENCE, timeout_s=0.4) as (resolver, remotes),
        pytest.raises(LookupFailed) as failed,
    ):
        asyncio.run(resolver.next_hop("corp.example", {}))
    assert (failed.value.answer, failed.value.temporary) == ("Timeout", True)
    assert all(remote.asked for remote in remotes)


def test_the_systems_servers_are_treated_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    with servers(Answer.SILENCE, None) as (_, remotes):
        known = dns.asyncresolver.Resolver(configure=False)
        known.nameservers = [dns.nameserver.Do53Nameserver("127.0.0.1", remote.port) for remote in remotes]
        monkeypatch.setattr(dns.asyncresolver, "Resolver", lambda configure: known)
        found = asyncio.run(Resolver(timeout_s=0.9).next_hop("corp.example", {}))
    assert found.addresses[0].ip == "192.0.2.1"


def test_without_any_server_of_the_system_a_look_up_fails_for_now(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(configure: bool) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.asyncresolver, "Resolver", none)
    with pytest.raises(LookupFailed) as failed:
        asyncio.run(Resolver().next_hop("corp.example", {}))
    assert failed.value.temporary


# --- both types of address ---


def half(record: str) -> Zone:
    """A host whose answers for the other type never come."""
    return {
        ("corp.example", "MX"): ["5 mx.example."],
        ("mx.example", record): ["192.0.2.1" if record == "A" else "2001:db8::1"],
        ("mx.example", "AAAA" if record == "A" else "A"): Answer.SILENCE,
    }


def hops(zone: Zone, *preferences: IpPreference) -> tuple[list[list[str]], DnsRemote]:
    """Addresses of look-ups one after the other in one loop, with a time-out that no test waits for."""

    async def one_by_one(resolver: Resolver) -> list[list[str]]:
        return [
            [address.ip for address in (await resolver.next_hop("corp.example", {}, each)).addresses]
            for each in preferences
        ]

    with dns_server(zone) as remote:
        resolver = Resolver([DnsServer("127.0.0.1", remote.port)], timeout_s=200)
        return asyncio.run(one_by_one(resolver)), remote


def test_a_missing_aaaa_answer_does_not_hold_the_a_answer_up_and_is_remembered() -> None:
    found, remote = hops(half("A"), *[IpPreference.IPV4_PREFERRED] * 3)
    assert found == [["192.0.2.1"]] * 3
    assert remote.asked.count(("mx.example", "AAAA")) == 1


def test_with_ipv6_preferred_a_missing_a_answer_does_not_hold_it_up() -> None:
    assert hops(half("AAAA"), IpPreference.IPV6_PREFERRED)[0] == [["2001:db8::1"]]


@pytest.mark.parametrize("preference", [IpPreference.IPV4_REQUIRED, IpPreference.IPV6_REQUIRED])
def test_a_type_that_is_not_wanted_is_not_asked_for(preference: IpPreference) -> None:
    (wanted,) = preference.records
    _, remote = hops(half(wanted), preference)
    assert {record for name, record in remote.asked if name == "mx.example"} == {wanted}


def test_with_ipv6_preferred_a_missing_aaaa_answer_is_waited_for_once() -> None:
    async def twice(resolver: Resolver) -> list[str]:
        found = [await resolver.next_hop("corp.example", {}, IpPreference.IPV6_PREFERRED) for _ in range(2)]
        return [address.ip for hop in found for address in hop.addresses]

    with dns_server(half("A")) as remote:
        resolver = Resolver([DnsServer("127.0.0.1", remote.port)], timeout_s=0.4)
        assert asyncio.run(twice(resolver)) == ["192.0.2.1"] * 2
        before = remote.asked.count(("mx.example", "AAAA"))
        assert asyncio.run(twice(resolver)) == ["192.0.2.1"] * 2
    assert remote.asked.count(("mx.example", "AAAA")) == before


def test_many_who_ask_for_the_same_name_at_once_ask_once() -> None:
    async def at_once(resolver: Resolver) -> None:
        await asyncio.gather(*(resolver.next_hop("corp.example", {}) for _ in range(20)))

    with dns_server(MX) as remote:
        asyncio.run(at_once(resolver_at(remote)))
    assert sorted(remote.asked) == sorted(
        [
            ("corp.example", "MX"),
            *((f"{name}.example", record) for name in ("first", "second") for record in ("A", "AAAA")),
        ]
    )


def test_who_stops_waiting_stops_at_once_and_does_not_stop_others() -> None:
    async def one_leaves(resolver: Resolver) -> NextHop:
        leaving = asyncio.create_task(resolver.next_hop("corp.example", {}))
        staying = asyncio.create_task(resolver.next_hop("corp.example", {}))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        return await staying

    with dns_server(MX) as remote:
        assert asyncio.run(one_leaves(resolver_at(remote))).addresses[0].ip == "192.0.2.1"
