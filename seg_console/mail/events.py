"""Everything that can happen to a connection or a message, one frozen value per event.

An event is the only source of its mail-log lines (maillog_text), its tracking row (record), its sentences on the
details page (sentences) and its share of the counters. Fields hold plain values, so that an event survives a round
trip through the JSON of its tracking row.

A `connector` field is true where the event belongs to a Threat Defense Connector copy.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`at` is when it happened, with a time zone."""

    kind: ClassVar[str]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEvent(Event):
    """An event of one message: it gets a tracking row under `mid`."""

    mid: int

    def data(self) -> dict[str, Any]:
        """What the tracking row keeps beside `mid`, `at` and `kind`."""
        return {name: getattr(self, name) for name in _DATA_FIELDS[self.kind]}


# --- inbound connections (mail-logs 4.1) ---


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOpened(Event):
    kind = "connection_opened"
    icid: int
    interface: str  # name of the listener's interface
    interface_ip: str
    remote_ip: str
    reverse_dns: str  # "" when the address has no name
    verified: bool  # the name leads back to the address
    access: str = "ACCEPT"  # the verdict of the Host Access Table: ACCEPT, REJECT, TCPREFUSE
    sender_group: str = ""  # "" where only the last row matched
    matched: str = "ALL"  # the entry of the group that matched
    proxy_ip: str = ""  # of the proxy whose PROXY header named the client


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionNamed(Event):
    """A proxy said by XCLIENT who its client is; the connection is that client's from here on."""

    kind = "connection_named"
    icid: int
    remote_ip: str
    reverse_dns: str
    verified: bool
    access: str
    sender_group: str
    matched: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTls(Event):
    kind = "connection_tls"
    icid: int
    protocol: str
    cipher: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTlsFailed(Event):
    kind = "connection_tls_failed"
    icid: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTlsMissing(Event):
    """The sender group demands TLS, and the client began a message without."""

    kind = "connection_tls_missing"
    icid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLost(Event):
    kind = "connection_lost"
    icid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTimedOut(Event):
    kind = "connection_timed_out"
    icid: int
    remote_ip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidSender(Event):
    """MAIL FROM named something that is no address; `text` as it was given."""

    kind = "invalid_sender"
    icid: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRefused(Event):
    """Turned away by a limit: `reason` as in `Receiving Failed: Connection limit exceeded`."""

    kind = "connection_refused"
    icid: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionClosed(Event):
    kind = "connection_closed"
    icid: int


# --- injection and work queue (mail-logs 4.2 to 6) ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed(MessageEvent):
    """What is told of a message that may have come through an incoming relay."""

    relay: str = ""  # the name of the incoming relay, "" without one
    relay_header: str = ""  # the header that should tell who sent it
    client_ip: str = ""  # who did; "" where the header does not tell
    client_access: str = ""  # the verdict of the Host Access Table on the client
    client_group: str = ""  # "" where only the last row matched
    client_matched: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received(Relayed):
    """Accepted: its transaction is the one that made 250 true. `size` in octets; `message_id` None without one.

    `raw_message_id` is the field as it stood where that is not the id alone, else None.
    """

    kind = "received"
    icid: int
    envelope_sender: str
    recipients: tuple[str, ...]  # index is the RID
    refused: tuple[str, ...]  # answered 5xx at RCPT
    invalid: tuple[str, ...] = ()  # what was given at RCPT and is no address
    message_id: str | None
    subject: str | None
    size: int
    throttled: tuple[str, ...] = ()  # turned away by the sender group's limit of recipients in an hour
    interface: str
    interface_ip: str
    remote_ip: str
    reverse_dns: str
    verified: bool
    sender_group: str = ""  # "" where only the last row of the Host Access Table matched
    matched: str = "ALL"
    raw_message_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aborted(Relayed):
    """MAIL FROM was taken, but the message never was."""

    kind = "aborted"
    icid: int
    envelope_sender: str
    recipients: tuple[str, ...]
    refused: tuple[str, ...]
    invalid: tuple[str, ...] = ()
    throttled: tuple[str, ...] = ()
    reason: str  # "Receiving aborted by sender", "Message size exceeds limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Splintered(MessageEvent):
    """`mid` is one part of `parent_mid`, made because its recipients fall to `policy` (seg-webui 3.7)."""

    kind = "splintered"
    parent_mid: int
    policy: str
    envelope_sender: str
    recipients: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed(MessageEvent):
    """Through the work queue: policy matched, verdict known, copy (if any) and original queued.

    `intake_address` is the message intake address the copy was queued for, None when this part is not copied.
    """

    kind = "processed"
    policy: str
    message_id: str | None
    intake_address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceGenerated(MessageEvent):
    """`mid` is the delivery report made because `of_mid` hard-bounced; it goes to the envelope sender."""

    kind = "bounce_generated"
    of_mid: int
    recipient: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(MessageEvent):
    """Nothing of the MID is left to do, neither original nor copy."""

    kind = "finished"


# --- delivery (mail-logs 7 and 8, TDC reference 9) ---


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryConnectionOpened(Event):
    kind = "delivery_connection_opened"
    dcid: int
    connector: bool
    local_ip: str
    remote_ip: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTls(Event):
    kind = "delivery_tls"
    dcid: int
    protocol: str
    cipher: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTlsFailed(Event):
    """The wording after `DCID n`: `TLS failed: STARTTLS unexpected response`, or `IP x TLS was required but ...`."""

    kind = "delivery_tls_failed"
    dcid: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryConnectionFailed(Event):
    """No connection, or one that broke. `detail` and `reason` in the wording of mail-logs 7.2."""

    kind = "delivery_connection_failed"
    dcid: int
    connector: bool
    destination: str  # the name Delivery Status shows, so the.tdc.queue for a copy
    remote_ip: str
    port: int
    detail: str
    local_ip: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryConnectionClosed(Event):
    kind = "delivery_connection_closed"
    dcid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsFailed(Event):
    """`answer` is `NXDomain`, `NoData`, `ServFail`, `Timeout`; `temporary` tells a resolver's trouble from a "no"."""

    kind = "dns_failed"
    domain: str
    record: str  # MX, A, AAAA
    answer: str
    temporary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEvent(MessageEvent):
    """What every outcome of a delivery attempt tells. `dcid` 0: no connection was ever made.

    `started`: MAIL FROM was sent, and no event before says so; `transaction` are then the RIDs that it was sent for,
    whatever became of each, () where only `rids` are known. `rids` and `recipients` run in parallel; for a copy they
    are (0,) and the message intake address.
    """

    dcid: int
    connector: bool
    started: bool
    transaction: tuple[int, ...] = ()
    rids: tuple[int, ...]
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered(DeliveryEvent):
    """2xx after the body. `response` is the reply's text without the code."""

    kind = "delivered"
    response: str
    local_ip: str
    remote_ip: str
    port: int
    tls_protocol: str  # "" in clear text
    tls_cipher: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFailed(DeliveryEvent):
    """What every attempt tells that failed for these recipients. `code` "000" when there was no SMTP reply."""

    status: str  # enhanced status, "4.3.0"
    reason: str  # the gateway's wording of the status
    code: str
    reply: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delayed(DeliveryFailed):
    """A soft bounce: another attempt follows at `retry_at`."""

    kind = "delayed"
    retry_at: str  # ISO 8601


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounced(DeliveryFailed):
    """A hard bounce: these recipients are given up. `tls`: because TLS could not be had; `unconfirmed`: an attempt sent
    the copy and got no answer, so that it may have arrived."""

    kind = "bounced"
    tls: bool
    expired: bool
    unconfirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleBounced(DeliveryFailed):
    """A delivery report could not be delivered; there is nobody left to tell."""

    kind = "double_bounced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(MessageEvent):
    """What became of it at `destination`, the name Delivery Status shows, could not be stored; an administrator
    decides what to do."""

    kind = "held"
    destination: str
    connector: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted(MessageEvent):
    """Removed from the queue by an administrator. `unconfirmed`: a copy that may have arrived before."""

    kind = "deleted"
    rids: tuple[int, ...]
    recipients: tuple[str, ...]
    connector: bool
    unconfirmed: bool = False


EVENTS: tuple[type[Event], ...] = (
    ConnectionOpened,
    ConnectionNamed,
    ConnectionTls,
    ConnectionTlsFailed,
    ConnectionTlsMissing,
    ConnectionLost,
    ConnectionTimedOut,
    InvalidSender,
    ConnectionRefused,
    ConnectionClosed,
    Received,
    Aborted,
    Splintered,
    Processed,
    BounceGenerated,
    Finished,
    DeliveryConnectionOpened,
    DeliveryTls,
    DeliveryTlsFailed,
    DeliveryConnectionFailed,
    DeliveryConnectionClosed,
    DnsFailed,
    Delivered,
    Delayed,
    Bounced,
    DoubleBounced,
    Held,
    Deleted,
)
MESSAGE_EVENTS: dict[str, type[MessageEvent]] = {
    event.kind: event for event in EVENTS if issubclass(event, MessageEvent)
}
_DATA_FIELDS: dict[str, tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(event) if field.name not in {"at", "mid"})
    for kind, event in MESSAGE_EVENTS.items()
}


def from_row(*, kind: str, mid: int, at: datetime, data: dict[str, Any]) -> MessageEvent:
    """The event a tracking row was made from. Raises KeyError for a kind this release does not know."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    return MESSAGE_EVENTS[kind](mid=mid, at=at, **values)
