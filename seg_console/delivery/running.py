"""What the running configuration says about delivery, as frozen values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from seg_console.certificates.running import named
from seg_console.config.document import Document
from seg_console.delivery.document import (
    BOUNCE_PROFILE,
    BOUNCE_PROFILES,
    DESTINATION_CONTROL_SETTINGS,
    DESTINATION_CONTROLS,
    DNS,
    SMTP_ROUTES,
    Bounces,
)
from seg_console.delivery.document import Control as ControlShape
from seg_console.delivery.kinds import Conversion, IpPreference, RecipientRate
from seg_console.delivery.models import ALL, DEFAULT_PROFILE, DestinationControl
from seg_console.delivery.nexthop import DnsServer, RouteHost, route_for
from seg_console.delivery.tls import ClientCertificate, TlsMode


class Routes(Mapping[str, tuple[RouteHost, ...]]):
    """SMTP Routes by domain, hosts in the order of their priority; keys are lower case but `ALL`.

    Hosts become values when they are asked for, so that 40,000 routes are live within a second of their commit.
    """

    def __init__(self, hosts: Mapping[str, list[dict[str, Any]]]) -> None:
        self._hosts = hosts

    def __getitem__(self, domain: str) -> tuple[RouteHost, ...]:
        hosts = [RouteHost(host["host"], host["port"], host["priority"]) for host in self._hosts[domain]]
        return tuple(sorted(hosts, key=lambda host: host.priority))

    def __iter__(self) -> Iterator[str]:
        return iter(self._hosts)

    def __len__(self) -> int:
        return len(self._hosts)

    def lookup(self, domain: str) -> tuple[RouteHost, ...] | None:
        """The hosts for a domain: its own route, else that of the longest `.parent`, else `ALL`; None means MX."""
        found = route_for(self, domain.lower())
        return None if found is None else tuple(found)


@dataclass(frozen=True, slots=True)
class Control:
    """What is set for one destination (seg-webui 8.1). `max_recipients` in so many minutes; 0: no limit."""

    max_connections: int = 500
    max_messages_per_connection: int = 50
    tls: TlsMode = TlsMode.PREFERRED
    ip_preference: IpPreference = IpPreference.IPV4_PREFERRED
    max_recipients: int = 0
    recipients_minutes: int = 60
    max_recipients_per_transaction: int = 50
    conversion: Conversion = Conversion.AS_IS
    bounce_profile: str = DEFAULT_PROFILE

    @property
    def rate(self) -> RecipientRate | None:
        return RecipientRate(self.max_recipients, self.recipients_minutes * 60) if self.max_recipients else None


class Controls:
    """Destination Controls; a value that a row leaves to the default is the row `ALL`'s, else the built-in one."""

    def __init__(self, rows: tuple[ControlShape, ...]) -> None:
        by_domain = {row.domain: row for row in rows}
        self._default = default_control(by_domain.get(ALL))
        self._by_domain = {domain: _control(row, self._default) for domain, row in by_domain.items()}

    def for_domain(self, domain: str) -> Control:
        """The row of the domain itself, else of its longest `.parent`, else the default."""
        domain = domain.lower()
        if domain in self._by_domain:
            return self._by_domain[domain]
        labels = domain.split(".")
        parents = ("." + ".".join(labels[index:]) for index in range(1, len(labels)))
        return next((self._by_domain[parent] for parent in parents if parent in self._by_domain), self._default)


@dataclass(frozen=True, slots=True)
class DnsLookup:
    """`servers`: empty for the system's."""

    servers: tuple[DnsServer, ...]
    timeout_s: int


def routes(configuration: Document) -> Routes:
    """SMTP Routes. Read from the plain JSON: making 40,000 routes into shapes would take longer than a commit may."""
    return Routes({route["domain"]: route["hosts"] for route in configuration.plain(SMTP_ROUTES)})


def controls(configuration: Document) -> Controls:
    return Controls(configuration[DESTINATION_CONTROLS])


def client_certificate(configuration: Document) -> ClientCertificate | None:
    """What every delivery shows to a server that asks for a certificate; None: nothing."""
    chosen = named(configuration, configuration[DESTINATION_CONTROL_SETTINGS].certificate)
    return ClientCertificate(chosen.chain, chosen.key) if chosen else None


class BounceProfiles:
    """Bounce Profiles by name, whatever its case. Times in seconds."""

    def __init__(self, default: Bounces, named: Mapping[str, Bounces]) -> None:
        self._default = default
        self._named = {name.casefold(): profile for name, profile in named.items()}

    def named(self, name: str) -> Bounces:
        """The profile of that name, else the Default one."""
        return self._named.get(name.casefold(), self._default)


def bounce_profiles(configuration: Document) -> BounceProfiles:
    named = {profile.name: profile for profile in configuration[BOUNCE_PROFILES]}
    return BounceProfiles(configuration[BOUNCE_PROFILE], named)


def dns(configuration: Document) -> DnsLookup:
    found = configuration[DNS]
    return DnsLookup(tuple(DnsServer(server.host, server.port) for server in found.servers), found.timeout)


def default_control(row: ControlShape | DestinationControl | None) -> Control:
    """What holds for a destination that has no row: the row `ALL`, if there is one, over the built-in values."""
    return _control(row, Control()) if row else Control()


def _control(row: ControlShape | DestinationControl, default: Control) -> Control:
    values: dict[str, Any] = {
        "max_connections": row.max_connections,
        "max_messages_per_connection": row.max_messages_per_connection,
        "max_recipients_per_transaction": row.max_recipients_per_transaction,
        "tls": None if row.tls == "default" else TlsMode(row.tls),
        "ip_preference": None if row.ip_preference == "default" else IpPreference(row.ip_preference),
        "conversion": None if row.conversion == "default" else Conversion(row.conversion),
        "bounce_profile": row.bounce_profile or None,
    }
    if row.max_recipients is not None:
        values |= {"max_recipients": row.max_recipients, "recipients_minutes": row.recipients_minutes}
    return replace(default, **{name: value for name, value in values.items() if value is not None})
