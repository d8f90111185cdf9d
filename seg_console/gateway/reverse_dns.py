"""The client's name, as the first log line of a connection gives it: `reverse dns host NAME verified yes`."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import dns.asyncresolver
import dns.exception
import dns.resolver
import dns.reversename

# A slow resolver may hold the banner back this long, once per address and CACHE_S.
LOOKUP_S = 2.0
CACHE_S = 600.0
CACHE_SIZE = 10_000


@dataclass(frozen=True, slots=True)
class ClientName:
    """`name` "" when the address has none; `verified`: the name leads back to the address."""

    name: str
    verified: bool


NO_NAME = ClientName("", False)
LOOPBACK = ClientName("localhost", True)


class ReverseDns:
    """Looks addresses up and remembers them. `clock` gives seconds that never go back."""

    def __init__(self, resolver: dns.asyncresolver.Resolver) -> None:
        self._resolver = resolver
        self._known: OrderedDict[str, tuple[float, ClientName]] = OrderedDict()

    def known(self, address: str, *, now: float) -> ClientName | None:
        """The name without asking anybody, or None when it has to be looked up. `now` in seconds."""
        if ipaddress.ip_address(address).is_loopback:
            return LOOPBACK
        found = self._known.get(address)
        return found[1] if found and found[0] > now else None

    async def look_up(self, address: str, *, now: float) -> ClientName:
        """Ask the DNS, at most LOOKUP_S; an address without a name is an ordinary answer."""
        name = await self._ask(address)
        self._known[address] = (now + CACHE_S, name)
        if len(self._known) > CACHE_SIZE:
            self._known.popitem(last=False)
        return name

    async def _ask(self, address: str) -> ClientName:
        try:
            answer = await self._resolver.resolve(
                dns.reversename.from_address(address), "PTR", lifetime=LOOKUP_S / 2, search=False
            )
            name = str(answer[0].target).rstrip(".")
            return ClientName(name[:255], address in await self._addresses(name, ":" in address))
        except dns.exception.DNSException:
            return NO_NAME

    async def _addresses(self, name: str, version_6: bool) -> Sequence[str]:
        try:
            kind = "AAAA" if version_6 else "A"
            answer = await self._resolver.resolve(name, kind, lifetime=LOOKUP_S / 2, search=False)
        except dns.exception.DNSException:
            return ()
        return [row.address for row in answer]


def system_resolver() -> dns.asyncresolver.Resolver:
    """The system's resolver; a machine without one has clients without names."""
    try:
        return dns.asyncresolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        return dns.asyncresolver.Resolver(configure=False)
