"""The sections `host_access`, `recipient_access`, `listener`, `incoming_relay_settings` and `incoming_relays`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from string import punctuation
from typing import Annotated, Literal
from uuid import UUID

from django.conf import settings as environment
from django.utils.translation import gettext as _
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from seg_console.certificates.models import LONGEST_CERTIFICATE_NAME
from seg_console.config import registry
from seg_console.config.checks import LONGEST_VALUE, RUNNING, Port, only_new
from seg_console.config.models import ConfigurationObject
from seg_console.config.problems import Problem, path_of
from seg_console.config.registry import ListSection, MendedAt, ObjectSection, Plain, Shape
from seg_console.config.rows import Rows
from seg_console.gateway import models
from seg_console.gateway.host_access import ALL, LONGEST_ENTRY, check_address_entry, check_entry
from seg_console.gateway.models import (
    ALL_UID,
    GROUP_NAME_PATTERN,
    GROUP_NAME_RULE,
    LAST_POSITION,
    LONGEST_COMMENT,
    LONGEST_GROUP_NAME,
    LONGEST_HEADER_NAME,
    LONGEST_IP_ADDRESS,
    LONGEST_RESPONSE,
    MOST_HOPS,
    REJECT_CHARACTERS,
    ListenerSettings,
    RecipientAccess,
    last_row,
)
from seg_console.gateway.relays import RECEIVED
from seg_console.mail.addresses import check_address, check_domain, check_local_part
from seg_console.mail.lines import visible

_BROADCAST = ipaddress.IPv4Address("255.255.255.255")
MOST_GROUPS = 1_000
MOST_ENTRIES = 10_000
MOST_PROXIES = 1_000
MOST_RELAYS = 1_000
# The log's word for the row ALL.
RESERVED_NAMES = frozenset({"none"})


def check_recipient(text: str) -> str:
    """`example.com`, `.example.com`, `user@example.com` or `user@`, in lower case. Raises ValueError, a sentence."""
    if text.upper() == "ALL":
        # As a domain it would be taken, and match nothing.
        raise ValueError(_("there is no row ALL here: what no row matches is refused."))
    local, at, domain = text.rpartition("@")
    if not at:
        return "." + check_domain(text[1:]) if text.startswith(".") else check_domain(text)
    if not domain:
        return check_local_part(local, whole=text).lower() + "@"
    return check_address(text).lower()


def check_banner_text(text: str) -> str:
    """What follows the 554 of a rejected host. Raises ValueError with a sentence."""
    if re.match(r"[2-5]\d\d(?!\d)", text):
        raise ValueError(_("give the text alone: the code is always 554."))
    return check_reply_text(text)


def check_reply_code(code: int) -> int:
    """Raises ValueError with a sentence for the code that announces the end of the connection (RFC 5321 section 4.2.3):
    it goes on, for the other recipients of the message."""
    if code == 421:
        raise ValueError(_("give another code, for example 450: after 421 clients expect the connection to end."))
    return code


def check_reply_text(text: str) -> str:
    """One line that an SMTP reply may carry (RFC 5321 section 4.2). Raises ValueError with a sentence."""
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError(_("give one line of printable ASCII characters."))
    return text


def check_comment(text: str) -> str:
    """One line of any script. Raises ValueError with a sentence."""
    if visible(text) != text:
        raise ValueError(_("give one line of text without control characters."))
    return text


def check_group_name(text: str) -> str:
    """Raises ValueError with a sentence."""
    if text.upper() == ALL:
        return ALL
    if not re.fullmatch(GROUP_NAME_PATTERN, text):
        raise ValueError(str(GROUP_NAME_RULE))
    if text.casefold() in RESERVED_NAMES:
        raise ValueError(_("the mail log uses this name for hosts that no group matches; give another one."))
    return text


def check_relay_name(text: str) -> str:
    """Raises ValueError with a sentence."""
    if not re.fullmatch(GROUP_NAME_PATTERN, text):
        raise ValueError(str(GROUP_NAME_RULE))
    return text


def check_header_name(text: str) -> str:
    """The name of a header field, or "". Raises ValueError with a sentence."""
    if text and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", text):
        raise ValueError(_("give the name of a header without its colon, for example X-Client-IP."))
    if text.lower() == RECEIVED.lower():
        raise ValueError(_("choose the Received header and its hop instead."))
    return text


def check_listener_address(text: str) -> str:
    """An address of one machine, or of all its interfaces, in its plain spelling; "" stays. Raises ValueError with a
    sentence."""
    if not text:
        return text
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        found = None
    # What follows a % names an interface of this machine alone.
    if found is None or "%" in text:
        raise ValueError(
            _(
                "give an IPv4 or IPv6 address of this machine; 0.0.0.0 is every IPv4 address it has, :: every IPv6 "
                "address."
            )
        )
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if found.is_multicast or found == _BROADCAST:
        raise ValueError(_("give the address of one machine: nobody can connect to a multicast or broadcast address."))
    if isinstance(found, ipaddress.IPv6Address) and found.is_link_local:
        raise ValueError(_("give an address that is not link-local: fe80:: means another host on each interface."))
    return str(found)


def check_listener_port(port: int | None) -> int | None:
    """Raises ValueError with a sentence for the port of the web console."""
    if port == environment.SEG_HTTP_PORT:
        raise ValueError(_("give another port: the web console has %(port)d.") % {"port": port})
    return port


def check_default_domain(text: str) -> str:
    """A domain in its ASCII form; "" stays. Raises ValueError with a sentence."""
    return check_domain(text) if text.strip() else ""


def check_reject_characters(text: str) -> str:
    """Each of the characters once, in the order given. Raises ValueError with a sentence for one that is ordinary in
    every user name, or never stands in one."""
    if any(character not in punctuation for character in text):
        raise ValueError(
            _("give characters other than letters and digits, without blanks, for example %(characters)s.")
            % {"characters": REJECT_CHARACTERS}
        )
    return "".join(dict.fromkeys(text))


def _check_entries(entries: tuple[str, ...]) -> tuple[str, ...]:
    seen: set[str] = set()
    for entry in entries:
        if entry in seen:
            raise ValueError(_("%(entry)s is in the list twice.") % {"entry": entry})
        seen.add(entry)
    return entries


Addresses = Annotated[
    tuple[Annotated[str, AfterValidator(check_address_entry)], ...],
    Field(max_length=MOST_PROXIES),
    AfterValidator(_check_entries),
]
Limit = Annotated[int, Field(ge=1, le=10_000)] | None


class SenderGroup(Shape):
    """A row of the Host Access Table; the one named ALL is the last and has no entries."""

    name: Annotated[str, Field(max_length=LONGEST_GROUP_NAME), AfterValidator(check_group_name)]
    comment: Annotated[str, Field(max_length=LONGEST_COMMENT), only_new(check_comment)] = ""
    entries: Annotated[
        tuple[Annotated[str, AfterValidator(check_entry)], ...],
        Field(max_length=MOST_ENTRIES),
        AfterValidator(_check_entries),
    ] = ()
    action: Literal["accept", "reject", "refuse"] = "accept"
    response: Annotated[str, Field(max_length=LONGEST_RESPONSE)] = ""
    max_connections_per_client: Limit = None
    max_messages_per_connection: Limit = None
    max_recipients: Annotated[int, Field(ge=1, le=50_000)] | None = None
    max_recipients_per_hour: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    tls: Literal["none", "preferred", "required"] = "preferred"

    @field_validator("entries")
    @classmethod
    def _none_of_all(cls, entries: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if entries and info.data.get("name") == ALL:
            raise ValueError(_("the row ALL has no entries: it takes every host that no group matches."))
        return entries

    @field_validator("response")
    @classmethod
    def _goes_with_reject(cls, response: str, info: ValidationInfo) -> str:
        if not response:
            return response
        if info.data.get("action") != "reject":
            raise ValueError(_("a response goes with reject only."))
        return response if info.context == RUNNING else check_banner_text(response)


ALL_GROUP = SenderGroup(name=ALL)


class Response(Shape):
    code: Annotated[int, Field(ge=200, le=599), only_new(check_reply_code)]
    text: Annotated[str, Field(max_length=LONGEST_RESPONSE), AfterValidator(check_reply_text)]


class Access(Shape):
    recipient: Annotated[str, Field(max_length=LONGEST_VALUE), AfterValidator(check_recipient)]
    action: Literal["accept", "reject"]
    response: Response | None = None

    @field_validator("response")
    @classmethod
    def _fits(cls, response: Response | None, info: ValidationInfo) -> Response | None:
        action = info.data.get("action")
        if response and action == "accept" and response.code > 299:
            raise ValueError(_("give a code from 200 to 299 with accept."))
        if response and action == "reject" and response.code < 400:
            raise ValueError(_("give a code from 400 to 599 with reject."))
        return response


class Listener(Shape):
    """Sizes in bytes. `certificate` names one of the certificates; "" is the gateway's own. `address` "" and `port`
    None are the environment's. With `proxy_protocol` connections come from the `proxies` alone; with `xclient` they may
    name their client within the session. Of connections without mail from `health_checks` nothing is told."""

    address: Annotated[str, Field(max_length=LONGEST_IP_ADDRESS), AfterValidator(check_listener_address)] = ""
    # A set of before the console moved to this port still is read.
    port: Annotated[Port | None, only_new(check_listener_port)] = None
    max_message_size: Annotated[int, Field(ge=1_024, le=104_857_600)] = 10_485_760
    max_recipients: Annotated[int, Field(ge=1, le=50_000)] = 1_000
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    max_connections_per_client: Annotated[int, Field(ge=1, le=10_000)] = 100
    bare_line_ends: Literal["clean", "reject"] = "clean"
    address_parsing: Literal["loose", "strict"] = "loose"
    default_domain: Annotated[str, Field(max_length=LONGEST_VALUE), AfterValidator(check_default_domain)] = ""
    reject_characters: Annotated[str, AfterValidator(check_reject_characters)] = REJECT_CHARACTERS
    certificate: Annotated[str, Field(max_length=LONGEST_CERTIFICATE_NAME)] = ""
    proxies: Addresses = ()
    proxy_protocol: bool = False
    xclient: bool = False
    health_checks: Addresses = ()

    @field_validator("proxy_protocol")
    @classmethod
    def _comes_from_somewhere(cls, proxy_protocol: bool, info: ValidationInfo) -> bool:
        if proxy_protocol and not info.data.get("proxies", True):
            raise ValueError(_("name the proxies: nobody else can connect."))
        return proxy_protocol

    @field_validator("xclient")
    @classmethod
    def _is_somebodys(cls, xclient: bool, info: ValidationInfo) -> bool:
        if xclient and not info.data.get("proxies", True):
            raise ValueError(_("name the proxies: nobody else is believed."))
        return xclient


class IncomingRelay(Shape):
    """`hop` counts Received fields from the top, 1 being the relay's own; `header` names another field that holds the
    client's address."""

    name: Annotated[str, Field(max_length=LONGEST_GROUP_NAME), AfterValidator(check_relay_name)]
    address: Annotated[str, Field(max_length=LONGEST_ENTRY), AfterValidator(check_address_entry)]
    client_in: Literal["received", "header"] = "received"
    header: Annotated[
        str, Field(max_length=LONGEST_HEADER_NAME, validate_default=True), AfterValidator(check_header_name)
    ] = ""
    hop: Annotated[int, Field(ge=1, le=MOST_HOPS)] = 1

    @field_validator("header")
    @classmethod
    def _goes_with_custom(cls, header: str, info: ValidationInfo) -> str:
        if header and info.data.get("client_in") == "received":
            raise ValueError(_("a header of its own goes with Custom Header only."))
        if not header and info.data.get("client_in") == "header":
            raise ValueError(_("name the header that holds the address."))
        return header


class IncomingRelaySettings(Shape):
    enabled: bool = False


class RecipientAccessSection(ListSection[Access]):
    """The custom response is one object in the document and two columns in the row."""

    def to_plain(self, row: ConfigurationObject) -> Plain:
        assert isinstance(row, RecipientAccess)
        custom = {"code": row.response_code, "text": row.response_text} if row.response_code else None
        return {"recipient": row.recipient, "action": row.action, "response": custom}

    def to_fields(self, item: Shape) -> Plain:
        assert isinstance(item, Access)
        code, text = (item.response.code, item.response.text) if item.response else (None, "")
        return {"recipient": item.recipient, "action": item.action, "response_code": code, "response_text": text}


class HostAccessSection(ListSection[SenderGroup]):
    """The row ALL is always there and always the last; only where it differs from its initial values has it a row."""

    def dump(self, rows: Rows) -> list[tuple[UUID, Plain]]:
        found = super().dump(rows)
        return found if found and found[-1][0] == ALL_UID else [*found, (ALL_UID, self.to_plain(last_row()))]

    def load(self, items: Sequence[Shape], known: Rows) -> tuple[list[UUID], list[ConfigurationObject]]:
        groups = [item for item in items if item != ALL_GROUP]
        last = groups.pop() if groups and self._is_all(groups[-1]) else None
        uids, rows = super().load(groups, Rows(row for row in known.of(models.SenderGroup) if row.uid != ALL_UID))
        if last is not None:
            rows.append(models.SenderGroup(uid=ALL_UID, position=LAST_POSITION, **self.to_fields(last)))
        return uids + [ALL_UID] * (len(items) - len(groups)), rows

    def standing(self) -> list[ConfigurationObject]:
        return [last_row()]

    def check(self, raw: object) -> Iterator[Problem]:
        yield from super().check(raw)
        items = raw if isinstance(raw, list) else []
        for index, item in enumerate(items[:-1]):
            if isinstance(item, dict) and str(item.get("name", "")).upper() == ALL:
                message = _("the row ALL is the last: no group behind it would ever match.")
                yield Problem(path_of(self.key, index, "name"), message)

    @staticmethod
    def _is_all(item: Shape) -> bool:
        assert isinstance(item, SenderGroup)
        return item.name == ALL


class IncomingRelaysSection(ListSection[IncomingRelay]):
    """No two relays have one address: which of them would hold?"""

    def check(self, raw: object) -> Iterator[Problem]:
        yield from super().check(raw)
        items = raw if isinstance(raw, list) else []
        addresses = [item.get("address") if isinstance(item, dict) else None for item in items]
        for again, first in registry.repeated(addresses):
            message = _("%(value)s is in the list already, at %(path)s; give each only once.")
            words = {"value": addresses[again], "path": path_of(self.key, first)}
            yield Problem(path_of(self.key, again, "address"), message % words)


HOST_ACCESS = HostAccessSection(
    "host_access",
    SenderGroup,
    models.SenderGroup,
    place=38,
    identity="name",
    mended_at=MendedAt("host-access:list", "host-access:edit"),
    ordered=True,
    most=MOST_GROUPS,
)
RECIPIENT_ACCESS = RecipientAccessSection(
    "recipient_access",
    Access,
    RecipientAccess,
    place=40,
    identity="recipient",
    mended_at=MendedAt("recipient-access:list", "recipient-access:edit"),
    ordered=True,
)
LISTENER = ObjectSection("listener", Listener, ListenerSettings, place=70, mended_at=MendedAt("listeners:edit"))

INCOMING_RELAY_SETTINGS = ObjectSection(
    "incoming_relay_settings",
    IncomingRelaySettings,
    models.IncomingRelaySettings,
    place=71,
    mended_at=MendedAt("incoming-relays:edit-global-settings"),
)
INCOMING_RELAYS = IncomingRelaysSection(
    "incoming_relays",
    IncomingRelay,
    models.IncomingRelay,
    place=72,
    identity="name",
    mended_at=MendedAt("incoming-relays:list", "incoming-relays:edit"),
    most=MOST_RELAYS,
)


def register() -> None:
    """Make the sections known; called once, when the app is ready."""
    registry.register(HOST_ACCESS)
    registry.register(RECIPIENT_ACCESS)
    registry.register(LISTENER)
    registry.register(INCOMING_RELAY_SETTINGS)
    registry.register(INCOMING_RELAYS)
