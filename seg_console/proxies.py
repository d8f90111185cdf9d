"""What the proxies in front of the console say of a request, and how much of it is believed. Pure.

Only the headers X-Forwarded-For, -Proto and -Host are read (docs/decisions.md#proxy-headers).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SCHEMES = frozenset({"http", "https"})
# An address that some proxies write with the client's port.
_WITH_PORT = re.compile(r"\[(?P<six>[^\]]+)\](?::\d+)?|(?P<four>[0-9.]+):\d+")


class Said(NamedTuple):
    """The values of the headers as they came, lists joined by commas; "" where one is missing."""

    forwarded_for: str = ""
    proto: str = ""
    host: str = ""


class Seen(NamedTuple):
    """How the outermost trusted proxy was asked. `client`: an address; `scheme` and `host`: "" where it is not said."""

    client: str
    scheme: str
    host: str


def seen_by_proxies(peer: str, said: Said, trusted: Sequence[Network]) -> Seen | None:
    """None when the request did not come from a trusted proxy: then nothing that it says is believed.

    `peer`: the address that is connected. Each proxy adds whom it was asked by at the right of X-Forwarded-For, so that
    is where it is read from, as far as trusted proxies wrote it; what stands further left anybody may have written.
    """
    client = _address(peer)
    if client is None or not _is_among(client, trusted):
        return None
    hops = 1
    for written in reversed(_values(said.forwarded_for)):
        before = _address(written)
        if before is None:
            break
        client = before
        if not _is_among(before, trusted):
            break
        hops += 1
    scheme = _of_hop(said.proto, hops).lower()
    return Seen(str(client), scheme if scheme in SCHEMES else "", _of_hop(said.host, hops))


def _of_hop(header: str, hops: int) -> str:
    """What the outermost of so many proxies wrote; a proxy may also leave what the one before it has written."""
    values = _values(header)
    return values[-min(hops, len(values))] if values else ""


def _values(header: str) -> list[str]:
    return [value for part in header.split(",") if (value := part.strip())]


def _address(text: str) -> Address | None:
    """An IPv4 address inside an IPv6 one is the IPv4 address; None for what is no address."""
    found = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address((found["six"] or found["four"]) if found else text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return None if address.scope_id else address.ipv4_mapped or address
    return address


def _is_among(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
