"""Which sender group a connecting host falls to (seg-webui 8.4): the table is read top down, the first match acts.

Entries of addresses become prefixes and entries of names keys of a dictionary, so that thousands of entries cost a
connection microseconds.
"""

from __future__ import annotations

import ipaddress
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from seg_console.mail.addresses import AddressError, check_domain
from seg_console.mail.lines import visible

ALL: Final = "ALL"
LONGEST_ENTRY: Final = 255

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
# How addresses are written: what has only these characters is none of a host name's business.
_ADDRESS_LIKE: Final = re.compile(r"[0-9./-]+|[0-9A-Fa-f.:/-]*:[0-9A-Fa-f.:/-]*")
_PARTIAL: Final = re.compile(r"(?:\d{1,3}\.){1,3}")
_LAST_OCTETS: Final = re.compile(r"((?:\d{1,3}\.){3})(\d{1,3})-(\d{1,3})")
_SHOWN_LENGTH: Final = 80

Policy = TypeVar("Policy")


@dataclass(frozen=True, slots=True)
class Match(Generic[Policy]):
    """The group a host falls to: its place from 1, its name, the entry that matched (`ALL` for the last row)."""

    place: int
    name: str
    entry: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class Group(Generic[Policy]):
    """`entries` as `check_entry` returns them; `policy` is what is done with a host that falls to the group."""

    name: str
    entries: tuple[str, ...]
    policy: Policy


def check_entry(text: str) -> str:
    """One entry of a sender group in its plain spelling. Raises AddressError.

    `192.0.2.1`, `192.0.2.0/24`, `192.0.2.10-20`, `192.0.2.10-192.0.3.20`, `192.0.2.` (all that begins so),
    `2001:db8::1`, `2001:db8::/32`, `2001:db8::1-2001:db8::ff`, `mail.example.com`, or `.example.com` (any host of the
    domain).
    """
    entry = text.strip()
    if not entry:
        raise AddressError("An entry is required, for example 192.0.2.0/24 or .example.com.")
    if len(entry) > LONGEST_ENTRY:
        raise AddressError('"%(entry)s..." is too long for an entry.', entry=visible(entry[:_SHOWN_LENGTH]))
    if entry.upper() == ALL:
        raise AddressError("ALL is the last row of the table and no entry of a group.")
    if _ADDRESS_LIKE.fullmatch(entry):
        return _checked_addresses(entry)
    return f".{check_domain(entry[1:])}" if entry.startswith(".") else check_domain(entry)


def check_address_entry(text: str) -> str:
    """An entry of addresses alone, as `check_entry` returns it. Raises AddressError."""
    entry = check_entry(text)
    if not networks(entry):
        raise _no_addresses(entry)
    return entry


def networks(entry: str) -> Sequence[_Network]:
    """The prefixes that an entry of addresses covers; none for a name. The entry is as `check_entry` returns it."""
    return _networks(entry) if _ADDRESS_LIKE.fullmatch(entry) else ()


class HostAccessTable(Generic[Policy]):
    """Groups in their order, indexed; `otherwise` is the policy of the last row, ALL."""

    def __init__(self, groups: Iterable[Group[Policy]], *, otherwise: Policy) -> None:
        self._matches: list[Match[Policy]] = []
        self._names: dict[str, int] = {}
        self._prefixes: dict[tuple[int, int], dict[int, int]] = {}
        count = 0
        for count, group in enumerate(groups, start=1):
            for entry in group.entries:
                self._add(Match(count, group.name, entry, group.policy))
        self._otherwise = Match(count + 1, ALL, ALL, otherwise)

    def match(self, address: str, name: str = "") -> Match[Policy]:
        """The group of a host: `address` is its IP address, `name` its host name if that leads back to the address,
        else "". A name nobody has verified must not be given: whoever owns an address may claim any."""
        places = [*self._by_address(address), *self._by_name(name)]
        return self._matches[min(places)] if places else self._otherwise

    def match_name(self, name: str) -> Match[Policy]:
        """The group of a host of this name as far as names decide."""
        places = list(self._by_name(name))
        return self._matches[min(places)] if places else self._otherwise

    def _add(self, match: Match[Policy]) -> None:
        place = len(self._matches)
        self._matches.append(match)
        covered = networks(match.entry)
        for network in covered:
            of_length = self._prefixes.setdefault((network.version, network.prefixlen), {})
            of_length.setdefault(int(network.network_address) >> (network.max_prefixlen - network.prefixlen), place)
        if not covered:
            self._names.setdefault(match.entry, place)

    def _by_address(self, address: str) -> Iterator[int]:
        parsed = _ip(address)
        if parsed is None:
            return
        number, version, bits = int(parsed), parsed.version, parsed.max_prefixlen
        for (of_version, length), of_length in self._prefixes.items():
            if of_version == version and (place := of_length.get(number >> (bits - length))) is not None:
                yield place

    def _by_name(self, name: str) -> Iterator[int]:
        if not name:
            return
        whole = name.rstrip(".").lower()
        labels = whole.split(".")
        for key in (whole, *("." + ".".join(labels[at:]) for at in range(1, len(labels)))):
            if (place := self._names.get(key)) is not None:
                yield place


class HourlyCount:
    """How much of something each client did in the hour that began with its first; kept for `most` clients, the one
    that came first is forgotten first. `now` is in seconds and never goes back."""

    HOUR_S: Final = 3600.0

    def __init__(self, *, most: int = 100_000) -> None:
        self._most = most
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, client: str, limit: int, *, now: float, number: int = 1) -> bool:
        """Count one more, or a `number` that cannot be taken in part. False, and nothing is counted, if the limit has
        been reached."""
        began, count = self._counts.get(client, (now, 0))
        if now - began >= self.HOUR_S:
            began, count = now, 0
            self._counts.pop(client, None)
        if count >= limit:
            return False
        self._counts[client] = (began, count + number)
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return True


def _checked_addresses(entry: str) -> str:
    try:
        found = _networks(entry)
    except ValueError:
        raise _no_addresses(entry) from None
    if "-" in entry or entry.endswith("."):
        return entry.lower()
    # One that names a single address reads best without the length.
    return str(found[0]) if "/" in entry else str(found[0].network_address)


def _no_addresses(entry: str) -> AddressError:
    return AddressError(
        '"%(entry)s" is not an IP address, a range such as 192.0.2.10-20, or a network such as 192.0.2.0/24.',
        entry=visible(entry[:_SHOWN_LENGTH]),
    )


def _networks(entry: str) -> Sequence[_Network]:
    """Raises ValueError."""
    if "-" in entry:
        return list(_range(entry))
    if _PARTIAL.fullmatch(entry):
        octets = entry.rstrip(".").split(".")
        return [ipaddress.ip_network(f"{'.'.join([*octets, *['0'] * (4 - len(octets))])}/{8 * len(octets)}")]
    if "/" not in entry:
        return [ipaddress.ip_network(entry)]
    address, _slash, length = entry.partition("/")
    if not (length.isascii() and length.isdecimal()):
        raise ValueError(entry)  # a netmask in place of the length reads like a range
    return [ipaddress.ip_network(f"{address}/{length}", strict=False)]


def _range(entry: str) -> Iterator[_Network]:
    short = _LAST_OCTETS.fullmatch(entry)
    begin, _dash, end = (short[1] + short[2], "-", short[1] + short[3]) if short else entry.partition("-")
    first, last = ipaddress.ip_address(begin), ipaddress.ip_address(end)
    # Of two kinds of addresses, or from the higher one down: ValueError or TypeError.
    try:
        yield from ipaddress.summarize_address_range(first, last)
    except TypeError as error:
        raise ValueError(entry) from error


def _ip(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
