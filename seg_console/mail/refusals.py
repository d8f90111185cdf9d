"""Mail that was turned away: what is kept of it, and how much of it when somebody floods the listener."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from seg_console.mail.values import RefusalKind

# Rows of one client in a minute; beyond that its refusals are only counted (docs/decisions.md#refused-mail).
MOST_ROWS: Final = 100
# Clients that are told apart in a minute; those who come after them share the rows of one more.
MOST_CLIENTS: Final = 10_000
# Whoever has one IPv6 address has the other 2^64 of its network too (RFC 6177).
_IPV6_PREFIX: Final = 64
OTHERS: Final = ""


class RefusalRow(NamedTuple):
    """One refusal; its fields are the model's. `code` 0: nothing was said. `mid` None: there was no message yet."""

    at: datetime
    kind: RefusalKind
    icid: int
    mid: int | None
    remote_ip: str
    reverse_dns: str
    reverse_dns_verified: bool
    helo: str
    sender: str
    recipient: str
    sender_group: str
    code: int
    reply: str


class OverflowRow(NamedTuple):
    """How many refusals of one kind a client had in one minute beyond those kept as rows. `client` as `client_of` gives
    it, OTHERS for those who are not told apart."""

    minute: datetime
    client: str
    kind: RefusalKind
    more: int


@dataclass(frozen=True, slots=True)
class Divided:
    """Refusals parted into those that are kept and numbers of those that are not, both in a fixed order; `kept` says
    how many rows each client then has in this minute."""

    rows: list[RefusalRow]
    overflow: list[OverflowRow]
    minute: datetime
    kept: dict[str, int] = field(repr=False)


class FloodBound:
    """Bounds the rows that one client, and all clients together, can make in a minute, in bounded memory."""

    def __init__(self, *, most_rows: int = MOST_ROWS, most_clients: int = MOST_CLIENTS) -> None:
        self._most_rows = most_rows
        self._most_clients = most_clients
        self._minute: datetime | None = None
        self._kept: dict[str, int] = {}

    def divide(self, found: Sequence[RefusalRow], *, now: datetime) -> Divided:
        """What is to be stored of these refusals at `now`. Nothing is counted until `count` says that it was stored."""
        minute = now.replace(second=0, microsecond=0)
        kept = dict(self._kept) if found and minute == self._minute else {}
        rows: list[RefusalRow] = []
        beyond: Counter[tuple[str, RefusalKind]] = Counter()
        for each in found:
            client = client_of(each.remote_ip)
            if client not in kept and len(kept) >= self._most_clients:
                client = OTHERS
            if kept.get(client, 0) < self._most_rows:
                kept[client] = kept.get(client, 0) + 1
                rows.append(each)
            else:
                beyond[client, each.kind] += 1
        # Sorted: of two listeners that add to the same numbers neither then waits for the other in a circle.
        overflow = [OverflowRow(minute, client, kind, more) for (client, kind), more in sorted(beyond.items())]
        return Divided(rows, overflow, minute, kept)

    def count(self, divided: Divided) -> None:
        """It was stored."""
        if divided.rows:
            self._minute, self._kept = divided.minute, divided.kept


def client_of(address: str) -> str:
    """Whom an IP address stands for: itself, or `2001:db8:0:1::/64`, the network of an IPv6 address."""
    if ":" not in address:
        return address
    return str(ipaddress.IPv6Network((address, _IPV6_PREFIX), strict=False))
