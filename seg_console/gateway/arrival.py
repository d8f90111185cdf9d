"""One message as the listener hands it over, and the headers the gateway puts above it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from email.utils import format_datetime

from seg_console.gateway.protocol import AbortedMessage, ReceivedMessage, Refused
from seg_console.mail.addresses import address_key
from seg_console.mail.headers import without_fields

_SENDER_IP_FIELDS = frozenset((b"x-ironport-remoteip", b"x-ironport-mid"))


@dataclass(frozen=True, slots=True)
class Peer:
    """The connection a message came over. `reverse_dns` is "" when the address has no name; `sender_group` "" where
    only the last row of the Host Access Table matched, `matched` is the entry that did."""

    icid: int
    interface: str
    interface_ip: str
    remote_ip: str
    reverse_dns: str
    verified: bool
    sender_group: str = ""
    matched: str = "ALL"


@dataclass(frozen=True, slots=True)
class Relayed:
    """What is known of a message through the incoming relay `relay`, whose `header` should tell who sent it. `client`
    is who did, on the relay's connection, None where the header does not tell; `access` is the verdict of the Host
    Access Table on it, in the words of the log."""

    relay: str
    header: str
    client: Peer | None = None
    access: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A whole message, `received_at` with a time zone; not yet stored, so not yet answered."""

    peer: Peer
    received_at: datetime
    message: ReceivedMessage
    relayed: Relayed | None = None

    @property
    def client(self) -> Peer:
        """Who sent it, as far as that is known."""
        return client_of(self.peer, self.relayed)


def client_of(peer: Peer, relayed: Relayed | None) -> Peer:
    return relayed.client if relayed and relayed.client else peer


def with_recipients(message: ReceivedMessage, *, own: str) -> ReceivedMessage:
    """The message with its recipients as they go on: `postmaster`, the only one who comes without a domain, is that of
    our `own`, and an address that was given several times stands once, as it was written first."""
    envelope = message.envelope
    once: dict[str, str] = {}
    for each in envelope.recipients:
        whole = each if "@" in each else f"{each}@{own}"
        once.setdefault(address_key(whole), whole)
    return replace(message, envelope=replace(envelope, recipients=tuple(once.values())))


def gateway_headers(arrival: Arrival, *, hostname: str, zone: tzinfo, sender_ip: bool) -> bytes:
    """What goes above everything else, CRLF line ends; the message below stays as it is, so that its signatures hold,
    but for `below_our_headers`.

    `Received:` is RFC 5321 4.4; the two X-IronPort headers (`sender_ip`) are what the intake reads the true client
    address from (TDC reference 4.4). The MID is the one that came in, before any split.
    """
    message, envelope, peer = arrival.message, arrival.message.envelope, arrival.peer
    protocol = ("ESMTPS" if message.tls else "ESMTP") if message.esmtp else "SMTP"
    name = peer.reverse_dns or "unknown"
    literal = f"IPv6:{peer.remote_ip}" if ":" in peer.remote_ip else peer.remote_ip
    # Naming the recipient would tell each of several about the others (RFC 5321 7.6).
    only = f"\r\n  for <{envelope.recipients[0]}>" if len(envelope.recipients) == 1 else ""
    date = format_datetime(arrival.received_at.astimezone(zone))
    received = (
        f"Received: from {message.helo or 'unknown'} ({name} [{literal}])\r\n"
        f"  by {hostname} with {protocol} id {envelope.mid}{only};\r\n  {date}\r\n"
    )
    remote = (
        f"X-IronPort-RemoteIP: {arrival.client.remote_ip}\r\nX-IronPort-MID: {envelope.mid}\r\n" if sender_ip else ""
    )
    return (received + remote).encode("ascii", errors="replace")


def below_our_headers(content: bytes, *, sender_ip: bool) -> bytes:
    """The message as it goes on below `gateway_headers`: without fields that only we may write, where we write them.

    An intake that found the sender's own X-IronPort-RemoteIP would take his word for who he is
    (docs/decisions.md#fields-like-ours).
    """
    return without_fields(content, _SENDER_IP_FIELDS) if sender_ip else content


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A transaction that began and never became a message: it has a MID, an envelope and an end."""

    peer: Peer
    at: datetime
    message: AbortedMessage
    relayed: Relayed | None = None


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """A host, or a sender at MAIL: there was no message. `helo` "" where the client had not said it."""

    peer: Peer
    at: datetime
    refused: Refused
    helo: str = ""
