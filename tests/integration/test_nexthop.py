"""Where mail for a domain goes, against a real resolver and a scripted DNS server (RFC 5321 5.1, RFC 7505)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from seg_console.delivery.kinds import IpPreference
from seg_console.delivery.nexthop import DnsServer, LookupFailed, NextHop, Resolver, RouteHost, route_for
from seg_console.delivery.outcome import Failure
from seg_console.delivery.session import Address
from tests.dns_server import Answer, DnsRemote, Zone, dns_server

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
