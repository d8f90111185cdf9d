"""Whom the listener turned away, as rows, so that "I sent you something" can be looked up."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from seg_console.gateway.arrival import Abandoned, Arrival, Peer, Relayed, TurnedAway, client_of
from seg_console.gateway.protocol import AbortedMessage, AbortReason, Envelope, Refused
from seg_console.mail.events import Event
from seg_console.mail.refusals import RefusalRow
from seg_console.mail.values import RefusalKind

_KINDS: Final = {
    AbortReason.TOO_BIG: RefusalKind.OVERSIZE,
    AbortReason.LOOP: RefusalKind.LOOP,
    AbortReason.BARE_LINE_END: RefusalKind.CONTENT,
    AbortReason.NUL: RefusalKind.CONTENT,
    AbortReason.NO_SPACE: RefusalKind.NO_SPACE,
    AbortReason.DENIED: RefusalKind.HOST_REJECTED,
    AbortReason.THROTTLED: RefusalKind.THROTTLED,
}


def refusals(happenings: Iterable[Arrival | Abandoned | TurnedAway | Event]) -> list[RefusalRow]:
    """A row for every recipient, sender and host that was turned away, in their order.

    A message that was never received is a row for each recipient it had been taken for; for one that had none, those
    who were turned away tell of it, and if nobody was, it is a row without a recipient.
    """
    found: list[RefusalRow] = []
    for each in happenings:
        match each:
            case Arrival(peer, at, message, relayed) | Abandoned(peer, at, message, relayed):
                client, helo = client_of(peer, relayed), _helo(message.helo, relayed)
                found.extend(_recipients(message.envelope, client, at, helo))
                if isinstance(each, Abandoned):
                    found.extend(_aborted(each.message, client, at, helo))
            case TurnedAway(peer, at, refused, helo):
                found.append(_row(refused, peer, at, helo, sender=refused.address))
            case _:
                pass
    return found


def _recipients(envelope: Envelope, peer: Peer, at: datetime, helo: str) -> Iterable[RefusalRow]:
    for each in envelope.refused:
        yield _row(each, peer, at, helo, mid=envelope.mid, sender=envelope.sender, recipient=each.address)


def _helo(helo: str, relayed: Relayed | None) -> str:
    """The name that the client gave; what one behind a relay said to it is not known."""
    return "" if relayed and relayed.client else helo


def _aborted(message: AbortedMessage, client: Peer, at: datetime, helo: str) -> Iterable[RefusalRow]:
    envelope = message.envelope
    refused = Refused(_KINDS.get(message.reason, RefusalKind.ABORTED), "", message.code, message.text)
    for recipient in envelope.recipients or ("",) * (not envelope.refused):
        yield _row(
            refused,
            client,
            at,
            helo,
            mid=envelope.mid,
            sender=envelope.sender,
            recipient=recipient,
        )


def _row(
    refused: Refused,
    peer: Peer,
    at: datetime,
    helo: str,
    *,
    sender: str,
    recipient: str = "",
    mid: int | None = None,
) -> RefusalRow:
    return RefusalRow(
        at=at,
        kind=refused.kind,
        icid=peer.icid,
        mid=mid,
        remote_ip=peer.remote_ip,
        reverse_dns=peer.reverse_dns,
        reverse_dns_verified=peer.verified,
        helo=helo,
        sender=sender,
        recipient=recipient,
        sender_group=peer.sender_group,
        code=refused.code,
        reply=refused.text,
    )
