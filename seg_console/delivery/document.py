"""The sections `smtp_routes`, `destination_controls`, `destination_control_settings`, `bounce_profile`,
`bounce_profiles` and `dns`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from seg_console.certificates.models import LONGEST_CERTIFICATE_NAME
from seg_console.config import registry
from seg_console.config.checks import LONGEST_VALUE, DomainPattern, Port, check_host, only_new
from seg_console.config.problems import Problem, path_of
from seg_console.config.registry import ListSection, MendedAt, ObjectSection, Shape
from seg_console.delivery.kinds import kinds
from seg_console.delivery.models import (
    DEFAULT_PROFILE,
    LONGEST_NAME,
    MOST_CONNECTIONS,
    MOST_MESSAGES_PER_CONNECTION,
    MOST_MINUTES,
    MOST_RECIPIENTS,
    MOST_RECIPIENTS_PER_TRANSACTION,
    BounceProfile,
    DestinationControl,
    DestinationControlSettings,
    DnsSettings,
    NamedBounceProfile,
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


def _destination(domain: str) -> str:
    """Refuse the names that Delivery Status shows instead of domains: nothing is looked up under them."""
    if any(domain == each.shown_as("") for each in kinds()):
        message = _("%(name)s is the name of a queue with rules of its own; give the domain of the message intake.")
        raise ValueError(message % {"name": domain})
    return domain


def _no_default(domain: str) -> str:
    if domain == "default":
        raise ValueError(_("the row of all other destinations has the domain ALL."))
    return domain


def _profile_name(text: str) -> str:
    if text != text.strip() or not text.isprintable():
        raise ValueError(_("give printable characters without spaces around them."))
    if text.casefold() == DEFAULT_PROFILE.casefold():
        raise ValueError(_("give another name: this one is the Default profile's."))
    return text


Destination = Annotated[DomainPattern, AfterValidator(_destination), only_new(_no_default)]


def _ip_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(_("give an IP address: a name server is not looked up by name.")) from None


def _one_server(text: str) -> str:
    address = ipaddress.ip_address(text)
    if address.is_unspecified or address.is_multicast:
        raise ValueError(_("give the address of one name server."))
    return text


Seconds = Annotated[int, Field(ge=1, le=86_400)]


class RouteHost(Shape):
    host: Annotated[str, Field(max_length=LONGEST_VALUE), AfterValidator(_route_host)]
    port: Port = 25
    priority: Annotated[int, Field(ge=0, le=65535)] = 0


class Route(Shape):
    domain: Destination
    hosts: Annotated[tuple[RouteHost, ...], Field(max_length=MOST_HOSTS)]

    @field_validator("hosts")
    @classmethod
    def _hosts(cls, hosts: tuple[RouteHost, ...]) -> tuple[RouteHost, ...]:
        if not hosts:
            raise ValueError(_("name at least one destination host."))
        if len(hosts) > 1 and any(host.host in SPECIAL_HOSTS for host in hosts):
            raise ValueError(_("give USEDNS or /dev/null alone, or hosts without them."))
        if len({(host.host, host.port) for host in hosts}) < len(hosts):
            raise ValueError(_("give each host and port only once."))
        return hosts


class Control(Shape):
    """null, "default" and an empty bounce profile follow the row ALL, and there the built-in defaults."""

    domain: Destination
    ip_preference: Literal["default", "ipv4_preferred", "ipv4_required", "ipv6_preferred", "ipv6_required"] = "default"
    max_connections: Annotated[int, Field(ge=1, le=MOST_CONNECTIONS)] | None = None
    max_messages_per_connection: Annotated[int, Field(ge=1, le=MOST_MESSAGES_PER_CONNECTION)] | None = None
    max_recipients_per_transaction: Annotated[int, Field(ge=1, le=MOST_RECIPIENTS_PER_TRANSACTION)] | None = None
    # 0: no limit.
    max_recipients: Annotated[int, Field(ge=0, le=MOST_RECIPIENTS)] | None = None
    recipients_minutes: Annotated[int, Field(ge=1, le=MOST_MINUTES)] = 60
    tls: Literal["default", "none", "preferred", "required", "required_verify"] = "default"
    conversion: Literal["default", "as_is", "bounce"] = "default"
    bounce_profile: Annotated[str, Field(max_length=LONGEST_NAME)] = ""


class ControlSettings(Shape):
    """`certificate` names one of the certificates, "" is none."""

    certificate: Annotated[str, Field(max_length=LONGEST_CERTIFICATE_NAME)] = ""


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


class NamedBounces(Bounces):
    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(_profile_name)]


class DnsServer(Shape):
    host: Annotated[str, Field(max_length=LONGEST_VALUE), AfterValidator(_ip_address), only_new(_one_server)]
    port: Port = 53


class Dns(Shape):
    servers: Annotated[tuple[DnsServer, ...], Field(max_length=10)] = ()
    timeout: Annotated[int, Field(ge=1, le=60)] = 5


SMTP_ROUTES = ListSection(
    "smtp_routes",
    Route,
    SmtpRoute,
    place=50,
    identity="domain",
    mended_at=MendedAt("smtp-routes:list", "smtp-routes:edit"),
    most=MOST_ROUTES,
)
DESTINATION_CONTROLS = ListSection(
    "destination_controls",
    Control,
    DestinationControl,
    place=60,
    identity="domain",
    mended_at=MendedAt("destination-controls:list", "destination-controls:edit"),
)
DESTINATION_CONTROL_SETTINGS = ObjectSection(
    "destination_control_settings",
    ControlSettings,
    DestinationControlSettings,
    place=65,
    mended_at=MendedAt("destination-controls:edit-global-settings"),
)
BOUNCE_PROFILE = ObjectSection(
    "bounce_profile", Bounces, BounceProfile, place=80, mended_at=MendedAt("bounce-profiles:edit-default")
)
BOUNCE_PROFILES = ListSection(
    "bounce_profiles",
    NamedBounces,
    NamedBounceProfile,
    place=85,
    identity="name",
    mended_at=MendedAt("bounce-profiles:list", "bounce-profiles:edit"),
    most=1_000,
)
DNS = ObjectSection("dns", Dns, DnsSettings, place=90, mended_at=MendedAt("dns:edit-settings"))


def register() -> None:
    """Make the sections known; called once, when the app is ready."""
    for section in (
        SMTP_ROUTES,
        DESTINATION_CONTROLS,
        DESTINATION_CONTROL_SETTINGS,
        BOUNCE_PROFILE,
        BOUNCE_PROFILES,
        DNS,
    ):
        registry.register(section)
    registry.check_together((DESTINATION_CONTROLS.key, BOUNCE_PROFILES.key), _profiles_exist)


def _profiles_exist(controls: list[dict[str, Any]], profiles: list[dict[str, Any]]) -> Iterable[Problem]:
    known = {"", DEFAULT_PROFILE.casefold(), *(profile["name"].casefold() for profile in profiles)}
    for index, control in enumerate(controls):
        name = control.get("bounce_profile", "")
        if name.casefold() not in known:
            message = _("there is no bounce profile named %(name)s.") % {"name": name}
            yield Problem(path_of(DESTINATION_CONTROLS.key, index, "bounce_profile"), message)
