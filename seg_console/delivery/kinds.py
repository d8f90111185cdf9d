"""What the engine must know about a kind of delivery, and the registry in which kinds are found by name.

The engine knows nothing of the Threat Defense Connector: it asks the kind for rules, limits and bytes, and passes
its `connector` mark on to the events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from seg_console.delivery.connections import Limits
from seg_console.delivery.rules import RetryRules
from seg_console.delivery.tls import TlsDemand


class Destination(NamedTuple):
    """What one set of connections serves: `domain` is looked up; Delivery Status may show another name."""

    kind: str
    domain: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait, each for one thing; the defaults are those of RFC 5321 4.5.3.2.

    `greeting_s` waits for the greeting, `command_s` for the reply to EHLO, STARTTLS, MAIL and each RCPT and for the TLS
    handshake, `block_s` until more of the content is taken. Ours are `connect_s`; `dial_s`, after which no further
    address of the same destination is tried; `transaction_s` from MAIL to the reply after the final dot; `close_s` for
    the server to answer QUIT and close.
    """

    connect_s: float = 30.0
    dial_s: float = 600.0
    greeting_s: float = 300.0
    command_s: float = 300.0
    data_s: float = 120.0
    block_s: float = 180.0
    dot_s: float = 600.0
    transaction_s: float = 3600.0
    close_s: float = 2.0

    @property
    def longest_s(self) -> float:
        """The longest that one message may take on its own, dialling included."""
        return self.dial_s + self.connect_s + self.greeting_s + 3 * self.command_s + self.transaction_s + self.close_s


class IpPreference(StrEnum):
    """Which addresses of a host are tried, and in which order (seg-webui 8.1)."""

    IPV4_PREFERRED = "ipv4_preferred"
    IPV4_REQUIRED = "ipv4_required"
    IPV6_PREFERRED = "ipv6_preferred"
    IPV6_REQUIRED = "ipv6_required"

    @property
    def records(self) -> tuple[str, ...]:
        """The types of DNS record to ask for, the preferred one first."""
        return _RECORDS[self]


_RECORDS = {
    IpPreference.IPV4_PREFERRED: ("A", "AAAA"),
    IpPreference.IPV4_REQUIRED: ("A",),
    IpPreference.IPV6_PREFERRED: ("AAAA", "A"),
    IpPreference.IPV6_REQUIRED: ("AAAA",),
}


@dataclass(frozen=True, slots=True)
class RecipientRate:
    """At most so many `recipients` in each period of `period_s` seconds, over all workers (seg-webui 8.1)."""

    recipients: int
    period_s: int


class Conversion(StrEnum):
    """What becomes of 8-bit content at a server that does not offer 8BITMIME (RFC 6152): nothing here converts it."""

    AS_IS = "as_is"  # sent as it is, as other gateways do
    BOUNCE = "bounce"


@dataclass(frozen=True, slots=True)
class Terms:
    """What applies to one destination now: connections, TLS, addresses. `rate`: None for no limit.

    `recipients_per_transaction`: the most that one MAIL FROM is followed by.
    """

    limits: Limits
    tls: TlsDemand
    ip: IpPreference = IpPreference.IPV4_PREFERRED
    rate: RecipientRate | None = None
    recipients_per_transaction: int = 50
    conversion: Conversion = Conversion.AS_IS


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this worker holds, with all it takes to send it.

    `recipients`: (RID, address) pairs still to be delivered; `envelope`: every recipient of the MID, for kinds that
    ask for it; `content`: the stored body, None when it is gone; `unanswered`: an earlier attempt sent the content and
    got no answer, so that it may have arrived.
    """

    id: int
    mid: int
    destination: Destination
    address: str
    attempt: int
    recipients: tuple[tuple[int, str], ...]
    size: int
    enqueued_at: datetime
    expires_at: datetime
    envelope_sender: str
    subject: str | None
    message_id: str
    icid: int
    content: bytes | None = field(repr=False)
    envelope: tuple[str, ...] = ()
    unanswered: bool = False


class DeliveryKind(Protocol):
    """One kind of delivery."""

    @property
    def name(self) -> str: ...

    @property
    def connector(self) -> bool:
        """Marks the events of this kind as the connector's."""

    @property
    def queue(self) -> str:
        """The Celery queue whose workers drain it."""

    @property
    def bounces(self) -> bool:
        """Whether a hard bounce is reported to the envelope sender."""

    @property
    def wants_envelope(self) -> bool:
        """Whether `Claimed.envelope` must be filled."""

    @property
    def timeouts(self) -> Timeouts: ...

    @property
    def waits_end_with_life(self) -> bool:
        """Whether no wait outlasts the life of the message in hand."""

    @property
    def probe_wait_s(self) -> tuple[int, int]:
        """Seconds a host that is down rests before the first probe, and the longest it rests after many."""

    def shown_as(self, domain: str) -> str:
        """The destination's name in Delivery Status and the mail log."""

    def rules(self, domain: str = "") -> RetryRules:
        """The retry rules in force now for the domain; "": those of domains that nothing else is said of."""

    def terms(self, domain: str) -> Terms:
        """The terms in force now for the domain."""

    def sender(self, claimed: Claimed) -> str:
        """The envelope sender to use, "" for the null sender."""

    def content(self, claimed: Claimed, now: datetime) -> bytes:
        """The bytes to send: CRLF line ends, not dot-stuffed."""


_kinds: dict[str, DeliveryKind] = {}


def register(new: DeliveryKind) -> None:
    """Make a kind known by its name; called once from the owning app's `ready`."""
    _kinds[new.name] = new


def kind(name: str) -> DeliveryKind:
    """The kind of that name. Raises KeyError for one that no installed app registered."""
    return _kinds[name]


def kinds() -> tuple[DeliveryKind, ...]:
    """Every kind, in the order of registration."""
    return tuple(_kinds.values())
