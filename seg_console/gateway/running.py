"""What the running configuration says about the way in, as frozen values."""

from __future__ import annotations

import ssl

from seg_console.certificates.contexts import server_context
from seg_console.certificates.running import named
from seg_console.config.document import Document
from seg_console.gateway.document import (
    ALL_GROUP,
    HOST_ACCESS,
    INCOMING_RELAY_SETTINGS,
    INCOMING_RELAYS,
    LISTENER,
    RECIPIENT_ACCESS,
    Listener,
    SenderGroup,
)
from seg_console.gateway.document import Access as Row
from seg_console.gateway.host_access import ALL, Group, HostAccessTable
from seg_console.gateway.models import REJECT_CHARACTERS
from seg_console.gateway.paths import Parsing
from seg_console.gateway.place import Place, place_of
from seg_console.gateway.protocol import Access
from seg_console.gateway.relays import RECEIVED, Relay, RelayTable, relay_table
from seg_console.mail.addresses import address_key, split_address

RELAYING_DENIED = Access(accepted=False, code=550, text="5.7.1 Relaying denied")


class RecipientAccessTable:
    """The Recipient Access Table, indexed: an address has a few keys, and the one that stands first decides.

    `reject_characters` are refused in a local part that no row names whole: they may say a way beyond the domain
    (`a%b@c`, `b!a@c`, `"a@b"@c`), the old forms of relaying.
    """

    def __init__(self, rows: tuple[Row, ...], *, reject_characters: str = REJECT_CHARACTERS) -> None:
        self._place: dict[str, int] = {}
        for place, row in enumerate(rows):
            # Rows of a set from before two spellings were one may be the same: the first decides.
            self._place.setdefault(row.recipient, place)
        self._access = [_access(row) for row in rows]
        self._reject_characters = frozenset(reject_characters)

    @property
    def own_domain(self) -> str | None:
        """The first whole domain that is accepted: whose postmaster a bare `postmaster` is. None if there is none."""
        plain = (key for key in self._place if "@" not in key and not key.startswith("."))
        return next((key for key in plain if self._access[self._place[key]].accepted), None)

    def decide(self, address: str) -> Access:
        """Whether a recipient is taken, and with which answer. One that no row matches is refused, but for
        `postmaster` without a domain, which a server that takes mail must take (RFC 5321 4.5.1)."""
        if "@" not in address and self.own_domain is not None:
            return Access(accepted=True)
        whole, *others = _keys(address)
        if whole not in self._place and not self._reject_characters.isdisjoint(whole.rpartition("@")[0]):
            return RELAYING_DENIED
        places = [self._place[key] for key in (whole, *others) if key in self._place]
        return self._access[min(places)] if places else Access(accepted=False)


def recipient_access(configuration: Document) -> RecipientAccessTable:
    characters = configuration[LISTENER].reject_characters
    return RecipientAccessTable(configuration[RECIPIENT_ACCESS], reject_characters=characters)


def host_access(configuration: Document) -> HostAccessTable[SenderGroup]:
    """The Host Access Table; the policy of a match is the group as the document has it."""
    groups = configuration[HOST_ACCESS]
    named = [group for group in groups if group.name != ALL]
    otherwise = next((group for group in groups if group.name == ALL), ALL_GROUP)
    return HostAccessTable((Group(group.name, group.entries, group) for group in named), otherwise=otherwise)


def listener(configuration: Document) -> Listener:
    """The listener's limits; sizes in bytes."""
    return configuration[LISTENER]


def address_parsing(configuration: Document) -> Parsing:
    """How the listener reads the addresses of MAIL and RCPT."""
    chosen = configuration[LISTENER]
    return Parsing(loose=chosen.address_parsing == "loose", default_domain=chosen.default_domain)


class AddressSet:
    """Addresses, ranges and networks that a setting names."""

    def __init__(self, entries: tuple[str, ...]) -> None:
        self._table = HostAccessTable([Group("", entries, policy=True)], otherwise=False)

    def __contains__(self, address: str) -> bool:
        return self._table.match(address).policy


def proxies(configuration: Document) -> AddressSet:
    """Who may say for whom it connects."""
    return AddressSet(configuration[LISTENER].proxies)


def health_checks(configuration: Document) -> AddressSet:
    """Whose connections without mail are only counted."""
    return AddressSet(configuration[LISTENER].health_checks)


def incoming_relays(configuration: Document) -> RelayTable:
    """Whose headers say who sent a message; nobody's while they are not enabled."""
    rows = configuration[INCOMING_RELAYS] if configuration[INCOMING_RELAY_SETTINGS].enabled else ()
    return relay_table((row.address, Relay(row.name, row.header or RECEIVED, row.hop)) for row in rows)


def listener_place(configuration: Document) -> Place:
    """Where to listen."""
    chosen = configuration[LISTENER]
    return place_of(chosen.address, chosen.port)


def listener_tls(configuration: Document) -> ssl.SSLContext | None:
    """The TLS context of the certificate that the listener is to use; None: the gateway's own."""
    chosen = named(configuration, configuration[LISTENER].certificate)
    return server_context(chosen.chain, chosen.key) if chosen else None


def _keys(address: str) -> list[str]:
    """Every form of row that would match this address; the first is the row for it alone."""
    local, domain = split_address(address_key(address))
    labels = domain.split(".")
    parents = ["." + ".".join(labels[index:]) for index in range(1, len(labels))]
    return [f"{local}@{domain}", f"{local}@", domain, *parents]


def _access(row: Row) -> Access:
    if row.response is None:
        return Access(accepted=row.action == "accept")
    return Access(accepted=row.action == "accept", code=row.response.code, text=row.response.text)
