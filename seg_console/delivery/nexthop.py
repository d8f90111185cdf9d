"""Where mail for a domain goes: SMTP Routes first, else MX, else the domain's own address (RFC 5321 section 5.1)."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import re
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import dns.exception
import dns.name
import dns.nameserver
from dns.rdtypes.ANY.MX import MX

from seg_console.delivery.kinds import IpPreference
from seg_console.delivery.name_servers import NameServers, No, Records
from seg_console.delivery.outcome import Failure, Outcome, Stage
from seg_console.delivery.session import Address

USE_DNS: Final = "USEDNS"
DISCARD: Final = "/dev/null"
ALL: Final = "ALL"

# More addresses than these are not tried: a delivery attempt would not live to.
MOST_ADDRESSES: Final = 10
# Hosts are looked up so many at a time until there are addresses enough, and no more of one list than these.
HOSTS_AT_ONCE: Final = 10
MOST_HOSTS: Final = 50
# How much longer than for the preferred type of address the other one is waited for (RFC 8305 section 3: 50 ms for a
# person who waits; mail has more patience).
RESOLUTION_DELAY_S: Final = 0.25
# A server that never answers for AAAA is one that does not know the type: for so long it is not asked again.
_LATE_S: Final = 600
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
Answer = list[object] | LookupFailed


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
        self._servers = NameServers(
            [dns.nameserver.Do53Nameserver(server.host, server.port) for server in servers], timeout_s=timeout_s
        )
        self._timeout_s = timeout_s
        self._hostname = hostname.lower().rstrip(".")
        self._cache: dict[tuple[str, str], tuple[float, Answer]] = {}
        self._asked: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        self._turns: dict[tuple[RouteHost, ...], int] = {}

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
        hosts = [partial(self._of_route_host, domain, host, ip) for host in self._in_turn(route)]
        return NextHop(await _in_waves(hosts))

    def _in_turn(self, route: Sequence[RouteHost]) -> list[RouteHost]:
        """By priority; hosts of equal priority take turns at being first."""
        ordered: list[RouteHost] = []
        for priority in sorted({host.priority for host in route}):
            group = tuple(host for host in route if host.priority == priority)
            turn = self._turns.get(group, 0)
            self._turns[group] = (turn + 1) % len(group)
            ordered += group[turn:] + group[:turn]
        return ordered

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
        hosts = [record for record in records if record.exchange != dns.name.root]
        if not hosts:
            # A null MX says that the domain takes no mail; beside others it says nothing (RFC 7505 section 3).
            raise LookupFailed(domain=domain, record="MX", answer="NullMX", temporary=False)
        usable = [(host.preference, name) for host in hosts if may_be_host(name := _text(host.exchange))]
        if not usable:
            raise LookupFailed(domain=domain, record="MX", answer="BadMX", temporary=False)
        names = self._without_ourselves(usable)
        if not names:
            raise LookupFailed(domain=domain, record="MX", answer="Loop", temporary=False)
        return await _in_waves([partial(self._addresses, name, 25, ip) for name in names])

    async def _implicit(self, domain: str, no_mx: LookupFailed, ip: IpPreference) -> tuple[Address, ...]:
        """Without an MX record the domain's own address stands in; if there is none, the missing MX is the error."""
        if not may_be_host(domain):
            raise no_mx
        try:
            return await self._addresses(domain, 25, ip)
        except LookupFailed as failure:
            raise failure if failure.temporary else no_mx from None

    def _without_ourselves(self, exchangers: list[tuple[int, str]]) -> list[str]:
        """Names by preference, equal ones shuffled, none at or behind our own preference (RFC 5321 5.1)."""
        ranked = sorted(exchangers, key=lambda exchanger: (exchanger[0], random.random()))
        ours = min((preference for preference, name in ranked if name == self._hostname), default=None)
        return [name for preference, name in ranked if ours is None or preference < ours]

    async def _addresses(self, name: str, port: int, ip: IpPreference) -> tuple[Address, ...]:
        """As preferred. Names of one label, `localhost` among them, are the system's to know, not the DNS's."""
        if "." not in name.strip("."):
            known = _in_preference(await self._by_system(name), ip)
            if not known:
                raise LookupFailed(domain=name, record=ip.records[0], answer="NoData", temporary=False)
            return tuple(Address(each, port, name) for each in known)
        answers = await self._of_types(name, ip.records)
        ips = [str(record) for answer in answers if not isinstance(answer, LookupFailed) for record in answer]
        failures = [answer for answer in answers if isinstance(answer, LookupFailed)]
        return _usable([Address(each, port, name) for each in ips], failures)

    async def _of_types(self, name: str, records: Sequence[str]) -> list[Answer]:
        """What is known of each type of address, in order; types known to stay unanswered only if nothing else is."""
        asked = [record for record in records if self._kept(name, _late(record)) is None] or records
        answers = await self._answers(name, asked)
        if all(isinstance(answer, LookupFailed) for answer in answers):
            rest = [record for record in records if record not in asked]
            return answers + (await self._answers(name, rest) if rest else [])
        for record, answer in zip(asked, answers, strict=True):
            if record == "AAAA" and isinstance(answer, LookupFailed) and answer.answer == No.SILENCE:
                self._keep(name, _late(record), [], _LATE_S)
        return answers

    async def _answers(self, name: str, records: Sequence[str]) -> list[Answer]:
        """One per type. Once the first has addresses, the others have RESOLUTION_DELAY_S left."""
        asked = [self._asking(name, record) for record in records]
        await asyncio.wait(asked[:1])
        patience_s = None if isinstance(asked[0].result(), LookupFailed) else RESOLUTION_DELAY_S
        await asyncio.wait(asked, timeout=patience_s)
        return [
            each.result() if each.done() else self._failure(name, record, No.SILENCE)
            for record, each in zip(records, asked, strict=True)
        ]

    async def _by_system(self, name: str) -> list[str]:
        kept = self._kept(name, "HOSTS")
        if kept is not None and not isinstance(kept, LookupFailed):
            return [str(ip) for ip in kept]
        if _dns_name(name) is None:
            raise self._failure(name, "A", No.NXDOMAIN)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise self._failure(name, "A", No.SILENCE) from None
        except socket.gaierror as error:
            raise self._failure(name, "A", No.TROUBLE if error.errno == socket.EAI_AGAIN else No.NXDOMAIN) from None
        except OSError:
            raise self._failure(name, "A", No.TROUBLE) from None
        except ValueError:
            # A name that the system's resolver cannot even be asked for: NUL in it, or not to be said in IDNA.
            raise self._failure(name, "A", No.NXDOMAIN) from None
        ips = sorted({str(entry[4][0]) for entry in found})
        self._keep(name, "HOSTS", list(ips), _LOCAL_TTL_S)
        return ips

    async def _query(self, name: str, record: str) -> list[object]:
        answer = await asyncio.shield(self._asking(name, record))
        if isinstance(answer, LookupFailed):
            raise answer.with_traceback(None)
        return answer

    def _asking(self, name: str, record: str) -> asyncio.Future[Answer]:
        """The answer that is kept, or one query for all who ask meanwhile; it goes on when they do not wait for it."""
        loop = asyncio.get_running_loop()
        kept = self._kept(name, record)
        if kept is not None:
            known: asyncio.Future[Answer] = loop.create_future()
            known.set_result(kept)
            return known
        asked = self._asked.get((name, record))
        # One of a loop that is gone will never end.
        if asked is None or asked.done() or asked.get_loop() is not loop:
            asked = self._asked[name, record] = loop.create_task(self._look_up(name, record))
            asked.add_done_callback(lambda done: self._forget(name, record, done))
        return asked

    def _forget(self, name: str, record: str, done: asyncio.Task[Answer]) -> None:
        if self._asked.get((name, record)) is done:
            del self._asked[name, record]

    async def _look_up(self, name: str, record: str) -> Answer:
        known = _dns_name(name)
        reply = await self._servers.ask(known, record) if known is not None else No.NXDOMAIN
        if isinstance(reply, Records):
            self._cache.pop((name, _late(record)), None)
            self._keep(name, record, list(reply.records), min(reply.ttl_s, _LONGEST_TTL_S))
            return list(reply.records)
        failure = self._failure(name, record, reply)
        if reply.is_final:
            self._cache.pop((name, _late(record)), None)
            self._keep(name, record, failure, _NEGATIVE_TTL_S)
        return failure

    def _failure(self, name: str, record: str, no: No) -> LookupFailed:
        return LookupFailed(domain=name, record=record, answer=no.value, temporary=not no.is_final)

    def _kept(self, name: str, record: str) -> Answer | None:
        until, kept = self._cache.get((name, record), (0.0, []))
        return kept if until > time.monotonic() else None

    def _keep(self, name: str, record: str, answer: Answer, ttl_s: float) -> None:
        if len(self._cache) >= _CACHED_NAMES:
            self._cache.clear()
        self._cache[name, record] = (time.monotonic() + ttl_s, answer)


async def _in_waves(hosts: Sequence[Callable[[], Awaitable[Iterable[Address]]]]) -> tuple[Address, ...]:
    """Addresses of hosts in order; more are looked up only while there are fewer than are tried.

    Raises LookupFailed.
    """
    addresses: list[Address] = []
    failures: list[LookupFailed] = []
    for start in range(0, min(len(hosts), MOST_HOSTS), HOSTS_AT_ONCE):
        wave = hosts[start : start + HOSTS_AT_ONCE]
        for result in await asyncio.gather(*(host() for host in wave), return_exceptions=True):
            if isinstance(result, LookupFailed):
                failures.append(result)
            elif isinstance(result, BaseException):
                raise result
            else:
                addresses += result
        if len(set(addresses)) >= MOST_ADDRESSES:
            break
    return _usable(addresses, failures)


def _usable(addresses: list[Address], failures: list[LookupFailed]) -> tuple[Address, ...]:
    """What there is; with nothing at all, a temporary failure outweighs an authoritative one."""
    if addresses:
        return tuple(dict.fromkeys(addresses))[:MOST_ADDRESSES]
    raise next((failure for failure in failures if failure.temporary), failures[0])


def _in_preference(ips: Iterable[str], ip: IpPreference) -> list[str]:
    known = [("AAAA" if ":" in each else "A", each) for each in ips]
    return [each for record in ip.records for kind, each in known if kind == record]


_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE)


def may_be_host(name: str) -> bool:
    """Whether mail may go to a host of this name because the DNS says so. `name` without the final dot.

    Not to an address in the place of a name, however written (`192.0.2.1`, `0x7f000001`), and not to `localhost`, which
    is ourselves. Underscores are forbidden to hosts and in use.
    """
    last = name.rpartition(".")[2]
    return bool(_HOST_NAME.fullmatch(name)) and not _NUMBER.fullmatch(last) and last.lower() != "localhost"


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _dns_name(name: str) -> dns.name.Name | None:
    """As the DNS can be asked for it; None when no such name can exist: empty or overlong labels, no IDNA."""
    try:
        known = dns.name.from_text(name)
    except (dns.exception.DNSException, ValueError):
        return None
    return None if known == dns.name.root else known


def _late(record: str) -> str:
    """Under what it is kept that this type stays unanswered."""
    return f"late {record}"


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
