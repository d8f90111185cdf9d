"""Where mail for a domain goes: SMTP Routes first, else MX, else the domain's own address (RFC 5321 section 5.1)."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.MX import MX

from seg_console.delivery.kinds import IpPreference
from seg_console.delivery.outcome import Failure, Outcome, Stage
from seg_console.delivery.session import Address

USE_DNS: Final = "USEDNS"
DISCARD: Final = "/dev/null"
ALL: Final = "ALL"

# More hosts than these are not looked up: a delivery attempt would not live to try them.
MOST_HOSTS: Final = 5
MOST_ADDRESSES: Final = 10
_CACHED_NAMES: Final = 4096
_LONGEST_TTL_S: Final = 3600
_NEGATIVE_TTL_S: Final = 30
_LOCAL_TTL_S: Final = 5


@dataclass(frozen=True, slots=True)
class RouteHost:
    """`host`: a name, an address, `USEDNS` or `/dev/null`. Lower `priority` is tried first."""

    host: str
    port: int = 25
    priority: int = 0


@dataclass(frozen=True, slots=True)
class DnsServer:
    host: str
    port: int = 53


@dataclass(frozen=True, slots=True)
class NextHop:
    """Addresses in the order in which to try them. `discard`: the mail is taken and goes nowhere."""

    addresses: tuple[Address, ...]
    discard: bool = False


class LookupFailed(Exception):
    """No address is known. `domain`, `record`, `answer` as in a DNS line of the mail log (mail-logs 7.2)."""

    def __init__(self, *, domain: str, record: str, answer: str, temporary: bool) -> None:
        super().__init__(f"{domain} {record} {answer}")
        self.domain = domain
        self.record = record
        self.answer = answer
        self.temporary = temporary

    @property
    def outcome(self) -> Outcome:
        failure = Failure.DNS_TEMPORARY if self.temporary else Failure.DNS_NEGATIVE
        severity = "Soft" if self.temporary else "Hard"
        text = f"DNS {severity} Error looking up {self.domain} ({self.record}) : {self.answer}"
        return Outcome(failure, Stage.LOOKUP, 0, (text,))


Routes = Mapping[str, Sequence[RouteHost]]


def route_for(routes: Routes, domain: str) -> Sequence[RouteHost] | None:
    """The most specific route: the domain itself, `.parent` for each parent, `ALL`. Keys are lower case but `ALL`."""
    if domain in routes:
        return routes[domain]
    labels = domain.split(".")
    for index in range(1, len(labels)):
        key = "." + ".".join(labels[index:])
        if key in routes:
            return routes[key]
    return routes.get(ALL)


class Resolver:
    """Looks next hops up. One per process: it holds a small cache that respects the answers' life.

    `servers`: the configured DNS servers, none for the system's. `hostname`: our own name, so that mail is not sent
    to ourselves by an MX record. Create a new one when the servers change.
    """

    def __init__(self, servers: Sequence[DnsServer] = (), *, timeout_s: float = 5.0, hostname: str = "") -> None:
        self._servers = tuple(servers)
        self._timeout_s = timeout_s
        self._hostname = hostname.lower().rstrip(".")
        self._cache: dict[tuple[str, str], tuple[float, list[object] | LookupFailed]] = {}
        self._turns: dict[tuple[RouteHost, ...], int] = {}
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def next_hop(self, domain: str, routes: Routes, ip: IpPreference = IpPreference.IPV4_PREFERRED) -> NextHop:
        """`ip` says which addresses of a named host are taken; an address given as such is taken as it is.

        Raises LookupFailed.
        """
        if domain.startswith("["):
            return NextHop((Address(_literal(domain)),))
        route = route_for(routes, domain)
        if route is None:
            return NextHop(await self._mail_exchangers(domain, ip))
        return await self._by_route(domain, route, ip)

    async def _by_route(self, domain: str, route: Sequence[RouteHost], ip: IpPreference) -> NextHop:
        if any(host.host == DISCARD for host in route):
            return NextHop((), discard=True)
        addresses: list[Address] = []
        failures: list[LookupFailed] = []
        for host in self._in_turn(route):
            try:
                addresses += await self._of_route_host(domain, host, ip)
            except LookupFailed as failure:
                failures.append(failure)
        return NextHop(_usable(addresses, failures))

    def _in_turn(self, route: Sequence[RouteHost]) -> list[RouteHost]:
        """By priority; hosts of equal priority take turns at being first."""
        ordered: list[RouteHost] = []
        for priority in sorted({host.priority for host in route}):
            group = tuple(host for host in route if host.priority == priority)
            turn = self._turns.get(group, 0)
            self._turns[group] = (turn + 1) % len(group)
            ordered += group[turn:] + group[:turn]
        return ordered[:MOST_HOSTS]

    async def _of_route_host(self, domain: str, host: RouteHost, ip: IpPreference) -> Iterable[Address]:
        if host.host == USE_DNS:
            return await self._mail_exchangers(domain, ip)
        name = host.host.strip("[]")
        if _is_address(name):
            return (Address(name, host.port),)
        return await self._addresses(host.host, host.port, ip)

    async def _mail_exchangers(self, domain: str, ip: IpPreference) -> tuple[Address, ...]:
        try:
            records = [record for record in await self._query(domain, "MX") if isinstance(record, MX)]
        except LookupFailed as failure:
            if failure.answer != "NoData":
                raise
            return await self._implicit(domain, failure, ip)
        if len(records) == 1 and not str(records[0].exchange).rstrip("."):
            # A null MX says that the domain takes no mail (RFC 7505).
            raise LookupFailed(domain=domain, record="MX", answer="NullMX", temporary=False)
        names = self._without_ourselves(records)
        if not names:
            raise LookupFailed(domain=domain, record="MX", answer="Loop", temporary=False)
        return await self._of_hosts(names, ip)

    async def _implicit(self, domain: str, no_mx: LookupFailed, ip: IpPreference) -> tuple[Address, ...]:
        """Without an MX record the domain's own address stands in; if there is none, the missing MX is the error."""
        try:
            return await self._addresses(domain, 25, ip)
        except LookupFailed as failure:
            raise failure if failure.temporary else no_mx from None

    def _without_ourselves(self, records: list[MX]) -> list[str]:
        """Names by preference, equal ones shuffled, none at or behind our own preference (RFC 5321 5.1)."""
        ranked = sorted(records, key=lambda record: (record.preference, random.random()))
        names = [(record.preference, record.exchange.to_text(omit_final_dot=True).lower()) for record in ranked]
        ours = min((preference for preference, name in names if name == self._hostname), default=None)
        return [name for preference, name in names if ours is None or preference < ours][:MOST_HOSTS]

    async def _of_hosts(self, names: list[str], ip: IpPreference) -> tuple[Address, ...]:
        found = await asyncio.gather(*(self._addresses(name, 25, ip) for name in names), return_exceptions=True)
        addresses: list[Address] = []
        failures: list[LookupFailed] = []
        for result in found:
            if isinstance(result, LookupFailed):
                failures.append(result)
            elif isinstance(result, BaseException):
                raise result
            else:
                addresses += result
        return _usable(addresses, failures)

    async def _addresses(self, name: str, port: int, ip: IpPreference) -> tuple[Address, ...]:
        """As preferred. Names of one label, `localhost` among them, are the system's to know, not the DNS's."""
        if "." not in name.strip("."):
            known = _in_preference(await self._by_system(name), ip)
            if not known:
                raise LookupFailed(domain=name, record=ip.records[0], answer="NoData", temporary=False)
            return tuple(Address(each, port, name) for each in known)
        ips: list[str] = []
        failures: list[LookupFailed] = []
        found = await asyncio.gather(*(self._query(name, record) for record in ip.records), return_exceptions=True)
        for result in found:
            if isinstance(result, LookupFailed):
                failures.append(result)
            elif isinstance(result, BaseException):
                raise result
            else:
                ips += [str(record) for record in result]
        return _usable([Address(each, port, name) for each in ips], failures)

    async def _by_system(self, name: str) -> list[str]:
        kept = self._kept(name, "HOSTS")
        if kept is not None:
            return [str(ip) for ip in kept]
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise LookupFailed(domain=name, record="A", answer="Timeout", temporary=True) from None
        except socket.gaierror as error:
            temporary = error.errno == socket.EAI_AGAIN
            answer = "ServFail" if temporary else "NXDomain"
            raise LookupFailed(domain=name, record="A", answer=answer, temporary=temporary) from None
        ips = sorted({str(entry[4][0]) for entry in found})
        self._keep(name, "HOSTS", list(ips), _LOCAL_TTL_S)
        return ips

    async def _query(self, name: str, record: str) -> list[object]:
        kept = self._kept(name, record)
        if kept is not None:
            return kept
        try:
            answer = await self._ask().resolve(name, record, search=False, lifetime=self._timeout_s)
        except dns.resolver.NXDOMAIN:
            raise self._keep_negative(name, record, "NXDomain") from None
        except dns.resolver.NoAnswer:
            raise self._keep_negative(name, record, "NoData") from None
        except dns.exception.Timeout:
            raise LookupFailed(domain=name, record=record, answer="Timeout", temporary=True) from None
        except (dns.exception.DNSException, OSError):
            raise LookupFailed(domain=name, record=record, answer="ServFail", temporary=True) from None
        records: list[object] = list(answer)
        self._keep(name, record, records, min(answer.rrset.ttl if answer.rrset else 0, _LONGEST_TTL_S))
        return records

    def _ask(self) -> dns.asyncresolver.Resolver:
        if self._resolver is None:
            self._resolver = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                self._resolver.nameservers = [
                    dns.nameserver.Do53Nameserver(server.host, server.port) for server in self._servers
                ]
            self._resolver.timeout = self._timeout_s / 2
        return self._resolver

    def _kept(self, name: str, record: str) -> list[object] | None:
        until, kept = self._cache.get((name, record), (0.0, []))
        if until <= time.monotonic():
            return None
        if isinstance(kept, LookupFailed):
            raise kept.with_traceback(None)
        return kept

    def _keep(self, name: str, record: str, answer: list[object] | LookupFailed, ttl_s: float) -> None:
        if len(self._cache) >= _CACHED_NAMES:
            self._cache.clear()
        self._cache[name, record] = (time.monotonic() + ttl_s, answer)

    def _keep_negative(self, name: str, record: str, answer: str) -> LookupFailed:
        failure = LookupFailed(domain=name, record=record, answer=answer, temporary=False)
        self._keep(name, record, failure, _NEGATIVE_TTL_S)
        return failure


def _usable(addresses: list[Address], failures: list[LookupFailed]) -> tuple[Address, ...]:
    """What there is; with nothing at all, a temporary failure outweighs an authoritative one."""
    if addresses:
        return tuple(dict.fromkeys(addresses))[:MOST_ADDRESSES]
    raise next((failure for failure in failures if failure.temporary), failures[0])


def _in_preference(ips: Iterable[str], ip: IpPreference) -> list[str]:
    known = [("AAAA" if ":" in each else "A", each) for each in ips]
    return [each for record in ip.records for kind, each in known if kind == record]


def _literal(domain: str) -> str:
    """The address inside `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 4.1.3). Raises LookupFailed."""
    text = domain.strip("[]")
    if text[:5].lower() == "ipv6:":
        text = text[5:]
    if not _is_address(text):
        raise LookupFailed(domain=domain, record="A", answer="NXDomain", temporary=False)
    return text


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
