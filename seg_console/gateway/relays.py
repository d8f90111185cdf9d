"""Who sent a message that comes through an incoming relay: the header that the relay vouches for says so.

Only the topmost fields are the relay's word. What stands below was there before, and anybody may have written it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final, TypeAlias

from seg_console.gateway.host_access import Group, HostAccessTable, networks
from seg_console.mail.headers import header_block

RECEIVED: Final = "Received"
_FROM: Final = re.compile(r"\s*from\s+([^\s()]*)(.*)", re.IGNORECASE | re.DOTALL)
# What a client said of itself, as some servers write it among what they know of it.
_SAID_IN_HELO: Final = re.compile(r"\b[eh][eh]lo[= ][^\s()]*", re.IGNORECASE)
_TOKEN: Final = re.compile(
    r"[()]|(?<!\S)by(?!\S)"
    r"|\[(?:IPv6:)?[0-9A-Fa-f:.]{3,45}(?:%\w{1,20})?\]"
    r"|(?<![\w.:-])(?:IPv6:)?[0-9A-Fa-f:.]{3,45}(?:%\w{1,20})?(?![\w.:-])",
    re.IGNORECASE,
)
_LONGEST_VALUE: Final = 4_096


@dataclass(frozen=True, slots=True)
class Relay:
    """`header` is the field that holds the client's address. RECEIVED: the `hop`-th of them tells it, counted from the
    top, 1 being the relay's own."""

    name: str
    header: str
    hop: int = 1


RelayTable: TypeAlias = HostAccessTable[Relay | None]


@dataclass(frozen=True, slots=True)
class Said:
    """What the relay's `header` says: `ip` in its plain spelling, "" where no such field or no address was found."""

    relay: str
    header: str
    ip: str


def relay_table(relays: Iterable[tuple[str, Relay]]) -> RelayTable:
    """Relays by their address, range or network; of several that hold an address the smallest decides."""
    by_size = sorted(relays, key=lambda each: sum(network.num_addresses for network in networks(each[0])))
    return HostAccessTable((Group(relay.name, (entry,), relay) for entry, relay in by_size), otherwise=None)


def true_client(table: RelayTable, client: str, content: bytes) -> Said | None:
    """What is said of who sent a message that `client` handed over; None where that is no relay. Never raises."""
    relay = table.match(client).policy
    if relay is None:
        return None
    if relay.header.lower() == RECEIVED.lower():
        received = next(islice(_fields(content, RECEIVED), relay.hop - 1, None), "")
        return Said(relay.name, RECEIVED, address_in_received(received))
    return Said(relay.name, relay.header, _address(next(_fields(content, relay.header), "").strip()))


def address_in_received(value: str) -> str:
    """The address of the host that a server received from, of the value of its Received field; "" if it tells none.

    Servers write it last in a comment behind the name (RFC 5321 4.4, `TCP-info`); a literal in place of the name counts
    only without one, because the client chooses it.
    """
    found = _FROM.match(value)
    if found is None:
        return ""
    depth, last = 0, ""
    for token in _TOKEN.finditer(_SAID_IN_HELO.sub(" ", found[2])):
        text = token[0]
        if text == "(":
            depth += 1
        elif text == ")":
            depth = max(depth - 1, 0)
        elif text.lower() == "by":
            if depth == 0:
                break
        elif depth:
            last = _address(text) or last
    return last or (_address(found[1]) if found[1].startswith("[") else "")


def _fields(content: bytes, name: str) -> Iterator[str]:
    """The values of a field from the top, unfolded."""
    for match in _pattern(name).finditer(b"\n" + header_block(content)):
        yield re.sub(r"\s+", " ", match[1][:_LONGEST_VALUE].decode("latin-1"))


@lru_cache(maxsize=64)
def _pattern(name: str) -> re.Pattern[bytes]:
    return re.compile(rb"\n(?i:" + re.escape(name.encode()) + rb")[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)")


def _address(text: str) -> str:
    """`192.0.2.1`, `[192.0.2.1]`, `2001:db8::1` or `[IPv6:2001:db8::1]` of one host in its plain spelling; else ""."""
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    if text[:5].lower() == "ipv6:":
        text = text[5:]
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    ip = mapped or ip
    return "" if ip.is_unspecified or ip.is_multicast else str(ip)
