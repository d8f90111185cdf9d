"""The sections `smtp_routes`, `destination_controls`, `bounce_profile` and `dns`."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from django.utils.translation import gettext as _
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from seg_console.config import registry
from seg_console.config.checks import LONGEST_VALUE, DomainPattern, Port, check_host
from seg_console.config.registry import ListSection, ObjectSection, Shape
from seg_console.delivery.config_models import (
    MOST_CONNECTIONS,
    MOST_MESSAGES_PER_CONNECTION,
    BounceProfile,
    DestinationControl,
    DnsSettings,
    SmtpRoute,
)

USE_DNS = "USEDNS"
DISCARD = "/dev/null"
# Hosts that say what to do instead of where to connect; neither can share a route with another host.
SPECIAL_HOSTS = frozenset({USE_DNS, DISCARD})
# seg-webui 8.2: the default row counts.
MOST_ROUTES = 40_000
MOST_HOSTS = 100


def _route_host(text: str) -> str:
    return text if text in SPECIAL_HOSTS else check_host(text)


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(_("give an IP address: a name server is not looked up by name.")) from None


Seconds = Annotated[int, Field(ge=1, le=86_400)]


class RouteHost(Shape):
    host: Annotated[str, Field(max_length=LONGEST_VALUE), AfterValidator(_route_host)]
    port: Port = 25
    priority: Annotated[int, Field(ge=0, le=65535)] = 0


class Route(Shape):
    domain: DomainPattern
    hosts: Annotated[tuple[RouteHost, ...], Field(min_length=1, max_length=MOST_HOSTS)]

    @field_validator("hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[RouteHost, ...]) -> tuple[RouteHost, ...]:
        if len(hosts) > 1 and any(host.host in SPECIAL_HOSTS for host in hosts):
            raise ValueError(_("give USEDNS or /dev/null alone, or hosts without them."))
        if len({(host.host, host.port) for host in hosts}) < len(hosts):
            raise ValueError(_("give each host and port only once."))
        return hosts


class Control(Shape):
    """null and "default" follow the row ALL, and there the built-in defaults."""

    domain: DomainPattern
    max_connections: Annotated[int, Field(ge=1, le=MOST_CONNECTIONS)] | None = None
    max_messages_per_connection: Annotated[int, Field(ge=1, le=MOST_MESSAGES_PER_CONNECTION)] | None = None
    tls: Literal["default", "none", "preferred", "required", "required_verify"] = "default"


class Bounces(Shape):
    """Times in seconds."""

    max_retries: Annotated[int, Field(ge=0, le=10_000)] = 100
    initial_retry: Seconds = 60
    max_retry: Seconds = Field(default=3_600, validate_default=True)
    max_queue_time: Annotated[int, Field(ge=1, le=3_000_000)] = 259_200

    @field_validator("max_retry")
    @classmethod
    def _grows(cls, longest: int, info: ValidationInfo) -> int:
        if longest < info.data.get("initial_retry", 0):
            raise ValueError(_("give at least the value of initial_retry."))
        return longest


class DnsServer(Shape):
    host: Annotated[str, Field(max_length=LONGEST_VALUE), AfterValidator(_ip_address)]
    port: Port = 53


class Dns(Shape):
    servers: Annotated[tuple[DnsServer, ...], Field(max_length=10)] = ()
    timeout: Annotated[int, Field(ge=1, le=60)] = 5


SMTP_ROUTES = ListSection("smtp_routes", Route, SmtpRoute, place=50, identity="domain", most=MOST_ROUTES)
DESTINATION_CONTROLS = ListSection("destination_controls", Control, DestinationControl, place=60, identity="domain")
BOUNCE_PROFILE = ObjectSection("bounce_profile", Bounces, BounceProfile, place=80)
DNS = ObjectSection("dns", Dns, DnsSettings, place=90)


def register() -> None:
    """Make the sections known; called once, when the app is ready."""
    for section in (SMTP_ROUTES, DESTINATION_CONTROLS, BOUNCE_PROFILE, DNS):
        registry.register(section)
