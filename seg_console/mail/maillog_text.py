"""The wording of the mail log: event in, the texts of its lines out, without time and level (mail-logs 3 to 8).

This is the only place that knows how a line reads. The tracking page has its own wording (sentences) of the same
events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, tzinfo
from typing import Any

from seg_console.mail import events
from seg_console.mail.lines import visible

FORWARDING = "Cisco Secure Email Threat Defense"
_MAY_HAVE_ARRIVED = "no reply after the end of the message, it may have arrived."

# Log lines are English whatever the locale (mail-logs 1.1).
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def log_time(moment: datetime, zone: tzinfo) -> str:
    """`Fri Feb 16 21:19:24 2024`, day padded with a blank, in the gateway's zone."""
    local = moment.astimezone(zone)
    day, month = _DAYS[local.weekday()], _MONTHS[local.month - 1]
    return f"{day} {month} {local.day:2d} {local.hour:02d}:{local.minute:02d}:{local.second:02d} {local.year}"


def lines(event: events.Event, zone: tzinfo) -> list[str]:
    """The log texts of one event, in order. `zone` is for the times that stand inside a text."""
    if isinstance(event, events.Delayed):
        return [visible(line) for line in _delayed(event, zone)]
    return [visible(line) for line in _WORDING[event.kind](event)]


def level(event: events.Event) -> str:
    """How much its lines matter: trouble inside the gateway is a warning, all else information (mail-logs 1.1)."""
    return "Warning" if isinstance(event, events.Held) else "Info"


def _connection_opened(event: events.ConnectionOpened) -> list[str]:
    return [
        f"New SMTP ICID {event.icid} interface {event.interface} ({event.interface_ip}) {_client(event)}",
        *([f"ICID {event.icid} PROXY header from {event.proxy_ip}"] if event.proxy_ip else []),
        _host_access(event),
    ]


def _connection_named(event: events.ConnectionNamed) -> list[str]:
    return [f"ICID {event.icid} XCLIENT {_client(event)}", _host_access(event)]


def _client(event: events.ConnectionOpened | events.ConnectionNamed) -> str:
    verified = "yes" if event.verified else "no"
    return f"address {event.remote_ip} reverse dns host {event.reverse_dns or 'unknown'} verified {verified}"


def _host_access(event: events.ConnectionOpened | events.ConnectionNamed) -> str:
    group = event.sender_group or None
    return f"ICID {event.icid} {event.access} SG {group} match {event.matched} SBRS not enabled"


def _connection_tls(event: events.ConnectionTls) -> list[str]:
    return [f"ICID {event.icid} TLS success protocol {event.protocol} cipher {event.cipher}"]


def _connection_tls_failed(event: events.ConnectionTlsFailed) -> list[str]:
    return [f"ICID {event.icid} TLS failed: {event.detail}"]


def _connection_tls_missing(event: events.ConnectionTlsMissing) -> list[str]:
    return [f"ICID {event.icid} TLS was required but remote host did not initiate it"]


def _connection_lost(event: events.ConnectionLost) -> list[str]:
    return [f"ICID {event.icid} lost"]


def _connection_timed_out(event: events.ConnectionTimedOut) -> list[str]:
    return [
        f"ICID {event.icid} disconnected address {event.remote_ip}, no messages injected within timeout period",
    ]


def _invalid_sender(event: events.InvalidSender) -> list[str]:
    return [f"ICID {event.icid} Invalid sender address: '{event.text}'"]


def _connection_refused(event: events.ConnectionRefused) -> list[str]:
    return [f"ICID {event.icid} Receiving Failed: {event.reason}"]


def _connection_closed(event: events.ConnectionClosed) -> list[str]:
    return [f"ICID {event.icid} close"]


def _transaction(event: events.Received | events.Aborted) -> list[str]:
    mid, icid = event.mid, event.icid
    return [
        *_envelope(mid, icid, event.envelope_sender, event.recipients),
        *(f"MID {mid} ICID {icid} To: <{address}> Rejected by RAT" for address in event.refused),
        *(f"MID {mid} ICID {icid} To: <{address}> Rejected by Receiving Control" for address in event.throttled),
        *(f"ICID {icid} MID {mid} Invalid recipient address: '{text}'" for text in event.invalid),
        *_relayed(event),
    ]


def _relayed(event: events.Relayed) -> list[str]:
    if not event.relay:
        return []
    start = f"MID {event.mid} IncomingRelay({event.relay}): Header {event.relay_header}"
    if not event.client_ip:
        return [f"{start} not found, IP of the relay being used"]
    group, matched = event.client_group or None, event.client_matched
    return [
        f"{start} found, IP {event.client_ip} being used",
        f"MID {event.mid} {event.client_access} SG {group} match {matched} SBRS not enabled",
    ]


def _envelope(mid: int, icid: int, sender: str, recipients: Iterable[str]) -> list[str]:
    return [
        f"Start MID {mid} ICID {icid}",
        f"MID {mid} ICID {icid} From: <{sender}>",
        *(f"MID {mid} ICID {icid} RID {rid} To: <{address}>" for rid, address in enumerate(recipients)),
    ]


def _received(event: events.Received) -> list[str]:
    texts = _transaction(event)
    if event.message_id is not None:
        texts.append(f"MID {event.mid} Message-ID '{event.message_id}'")
    if event.subject is not None:
        texts.append(f"MID {event.mid} Subject '{event.subject}'")
    texts.append(f"MID {event.mid} ready {event.size} bytes from <{event.envelope_sender}>")
    return texts


def _aborted(event: events.Aborted) -> list[str]:
    ended = [f"Message aborted MID {event.mid} {event.reason}", f"Message finished MID {event.mid} done"]
    return [*_transaction(event), *ended]


def _splintered(event: events.Splintered) -> list[str]:
    return [
        f"MID {event.parent_mid} was split creating MID {event.mid} due to a per-recipient policy {event.policy} "
        "in the inbound table",
        *_envelope(event.mid, 0, event.envelope_sender, event.recipients),
        f"MID {event.mid} ready {event.size} bytes from <{event.envelope_sender}>",
    ]


def _processed(event: events.Processed) -> list[str]:
    texts = [
        f"MID {event.mid} matched all recipients for per-recipient policy {event.policy} in the inbound table",
    ]
    if event.intake_address is not None:
        texts.append(
            f"TDC: MID {event.mid} with Message-ID '{event.message_id or ''}' enqueued for forwarding to {FORWARDING} "
            f"to the message intake address {event.intake_address}"
        )
    return [*texts, f"MID {event.mid} queued for delivery"]


def _bounce_generated(event: events.BounceGenerated) -> list[str]:
    return [
        f"MID {event.mid} was generated for bounce of MID {event.of_mid}",
        *_envelope(event.mid, 0, "", [event.recipient]),
        f"MID {event.mid} ready {event.size} bytes from <>",
        f"MID {event.mid} queued for delivery",
    ]


def _finished(event: events.Finished) -> list[str]:
    return [f"Message finished MID {event.mid} done"]


def _delivery_connection_opened(event: events.DeliveryConnectionOpened) -> list[str]:
    return [
        f"{_prefix(event.connector)}New SMTP DCID {event.dcid} interface {event.local_ip} "
        f"address {event.remote_ip} port {event.port}"
    ]


def _delivery_tls(event: events.DeliveryTls) -> list[str]:
    return [f"DCID {event.dcid} TLS success protocol {event.protocol} cipher {event.cipher}"]


def _delivery_tls_failed(event: events.DeliveryTlsFailed) -> list[str]:
    return [f"DCID {event.dcid} {event.detail}"]


def _delivery_connection_failed(event: events.DeliveryConnectionFailed) -> list[str]:
    return [
        f"{_prefix(event.connector)}Connection Error: DCID {event.dcid} domain: {event.destination} "
        f"IP: {event.remote_ip} port: {event.port} details: {event.detail} interface: {event.local_ip} "
        f"reason: {event.reason}"
    ]


def _delivery_connection_closed(event: events.DeliveryConnectionClosed) -> list[str]:
    return [f"DCID {event.dcid} close"]


def _dns_failed(event: events.DnsFailed) -> list[str]:
    kind = "Temporary Failure" if event.temporary else "Error"
    return [f"DNS {kind} {event.domain} {event.record} - {event.answer}"]


def _delivered(event: events.Delivered) -> list[str]:
    if event.connector:
        return [*_start(event), f"TDC: MID {event.mid} successfully delivered for scanning with {FORWARDING}."]
    rids = _rids(event.rids)
    return [
        *_start(event),
        # The blank at the end is part of the line (mail-logs 1.1).
        f"Message done DCID {event.dcid} MID {event.mid} to RID {rids} ",
        f"MID {event.mid} RID {rids} Response '{event.response}'",
    ]


def _delayed(event: events.Delayed, zone: tzinfo) -> list[str]:
    tail = _tail(event.status, event.reason, event.code, event.reply)
    if event.connector:
        return [*_start(event), f"TDC: Delayed: DCID {event.dcid} MID {event.mid} to RID 0 - {tail}"]
    delayed = [f"Delayed: DCID {event.dcid} MID {event.mid} to RID {rid} - {tail} []" for rid in event.rids]
    until = log_time(datetime.fromisoformat(event.retry_at), zone)
    return [*_start(event), *delayed, f"MID {event.mid} to RID {_rids(event.rids)} pending till {until}"]


def _bounced(event: events.Bounced) -> list[str]:
    tail = _tail(event.status, event.reason, event.code, event.reply)
    by_destination = f"Bounced by destination server with response: {tail}"
    if not event.connector:
        text = tail if event.expired else by_destination
        suffix = "" if event.code == "000" else " []"
        bounced = [f"Bounced: DCID {event.dcid} MID {event.mid} to RID {rid} - {text}{suffix}" for rid in event.rids]
        return [*_start(event), *bounced]
    record = f"Bounced: DCID {event.dcid} MID {event.mid} to RID 0 - {by_destination}"
    if event.unconfirmed:
        # A wording of our own, apart from those of lost copies.
        unconfirmed = f"TDC: MID {event.mid} delivery to {FORWARDING} unconfirmed: {_MAY_HAVE_ARRIVED}"
        return [*_start(event), unconfirmed, record]
    if event.tls:
        # No blank after the colon: so the only public sample has it (TDC reference 9.1).
        return [*_start(event), f"TDC: MID {event.mid} delivery failed to {FORWARDING}:TLS Error."]
    return [
        *_start(event),
        f"TDC: Hard bounced - {tail}",
        f"TDC: MID {event.mid} delivery failed to {FORWARDING}: Hard Bounced.",
        record,
    ]


def _double_bounced(event: events.DoubleBounced) -> list[str]:
    tail = _tail(event.status, event.reason, event.code, event.reply)
    return [*_start(event), *(f"Double bounce: MID {event.mid} to RID {rid} - {tail}" for rid in event.rids)]


def _held(event: events.Held) -> list[str]:
    return [f"{_prefix(event.connector)}MID {event.mid} held: its outcome at {event.destination} could not be stored"]


def _deleted(event: events.Deleted) -> list[str]:
    return [f"{_prefix(event.connector)}Deleted: MID {event.mid} to {_rids(event.rids)}"]


def _prefix(connector: bool) -> str:
    return "TDC: " if connector else ""


def _start(event: events.DeliveryEvent) -> list[str]:
    if not event.started:
        return []
    if event.connector:
        return [f"TDC: Delivery start DCID {event.dcid} MID {event.mid}"]
    return [f"Delivery start DCID {event.dcid} MID {event.mid} to RID {_rids(event.transaction or event.rids)}"]


def _rids(rids: tuple[int, ...]) -> str:
    return str(list(rids))


def _tail(status: str, reason: str, code: str, reply: tuple[str, ...]) -> str:
    return f"{status} - {reason} ({code!r}, {list(reply)!r})"


_WORDING: dict[str, Callable[[Any], list[str]]] = {
    events.ConnectionOpened.kind: _connection_opened,
    events.ConnectionNamed.kind: _connection_named,
    events.ConnectionTls.kind: _connection_tls,
    events.ConnectionTlsFailed.kind: _connection_tls_failed,
    events.ConnectionTlsMissing.kind: _connection_tls_missing,
    events.ConnectionLost.kind: _connection_lost,
    events.ConnectionTimedOut.kind: _connection_timed_out,
    events.InvalidSender.kind: _invalid_sender,
    events.ConnectionRefused.kind: _connection_refused,
    events.ConnectionClosed.kind: _connection_closed,
    events.Received.kind: _received,
    events.Aborted.kind: _aborted,
    events.Splintered.kind: _splintered,
    events.Processed.kind: _processed,
    events.BounceGenerated.kind: _bounce_generated,
    events.Finished.kind: _finished,
    events.DeliveryConnectionOpened.kind: _delivery_connection_opened,
    events.DeliveryTls.kind: _delivery_tls,
    events.DeliveryTlsFailed.kind: _delivery_tls_failed,
    events.DeliveryConnectionFailed.kind: _delivery_connection_failed,
    events.DeliveryConnectionClosed.kind: _delivery_connection_closed,
    events.DnsFailed.kind: _dns_failed,
    events.Delivered.kind: _delivered,
    events.Bounced.kind: _bounced,
    events.DoubleBounced.kind: _double_bounced,
    events.Held.kind: _held,
    events.Deleted.kind: _deleted,
}
