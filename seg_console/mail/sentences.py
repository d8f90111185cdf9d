"""The wording of the processing details on the Message Details page: event in, sentences for people out.

Translated, unlike the mail log. Of the connector only the successful hand-over is shown by default (seg-webui 6.6);
the other sentences are marked, and a switch on the page shows them too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from seg_console.mail import events
from seg_console.mail.lines import printable

# The gateway's own wordings in an event (delivery.outcome, gateway.protocol): the mail log's English, except on pages.
REASONS = frozenset(
    {
        gettext_noop("Unknown address error"),
        gettext_noop("Too many recipients"),
        gettext_noop("Mailbox disabled"),
        gettext_noop("Mailbox full"),
        gettext_noop("Mailbox status"),
        gettext_noop("Mail system full"),
        gettext_noop("Network or routing status"),
        gettext_noop("Mail delivery protocol status"),
        gettext_noop("Message content or media status"),
        gettext_noop("Delivery not authorized"),
        gettext_noop("Security or policy status"),
        gettext_noop("Not accepting messages at this time"),
        gettext_noop("Other mail system problem"),
        gettext_noop("Cryptographic failure"),
        gettext_noop("No answer from host"),
        gettext_noop("Directory server failure"),
        gettext_noop("Bad destination host"),
        gettext_noop("Bad connection"),
        gettext_noop("Delivery expired (message too old)"),
        gettext_noop("Conversion required but not supported"),
        gettext_noop("Receiving aborted by sender"),
        gettext_noop("Receiving timed out"),
        gettext_noop("Message size exceeds limit"),
        gettext_noop("Message loop"),
        gettext_noop("Bare CR or LF in message"),
        gettext_noop("NUL in message"),
        gettext_noop("Insufficient storage"),
        gettext_noop("Connection closed by this gateway"),
        gettext_noop("Rejected by Host Access Table"),
        gettext_noop("Rejected by Receiving Control"),
    }
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """`connector`: it tells of the copy. `extra`: shown only with all connector events."""

    text: str
    connector: bool = False
    extra: bool = False


def sentences(event: events.MessageEvent) -> list[Sentence]:
    """What the details page says of one event, in order."""
    return _WORDING[event.kind](event)


def _say(text: str, **values: object) -> Sentence:
    return Sentence(_fill(text, values))


def _say_connector(text: str, *, extra: bool = True, **values: object) -> Sentence:
    return Sentence(_fill(text, values), connector=True, extra=extra)


def _fill(text: str, values: dict[str, object]) -> str:
    return printable(text % values)


def _received(event: events.Received) -> list[Sentence]:
    verified = _("yes") if event.verified else _("no")
    said = [
        _say(
            _(
                "Protocol SMTP interface %(interface)s (IP %(local)s) on incoming connection (ICID %(icid)s) from "
                "sender IP %(remote)s. Reverse DNS host %(name)s verified %(verified)s."
            ),
            interface=event.interface,
            local=event.interface_ip,
            icid=event.icid,
            remote=event.remote_ip,
            name=event.reverse_dns or _("unknown"),
            verified=verified,
        ),
        *_sender_group(event),
        *_envelope(event.mid, event.icid, event.envelope_sender, event.recipients, event.refused),
        *_throttled(event),
        *_relayed(event),
    ]
    message_id = event.message_id if event.raw_message_id is None else event.raw_message_id
    if message_id is not None:
        said.append(_say(_("Message %(mid)s contains message ID header '%(id)s'."), mid=event.mid, id=message_id))
    if event.subject is not None:
        said.append(
            _say(_("Message %(mid)s original subject on injection: %(subject)s"), mid=event.mid, subject=event.subject)
        )
    said.append(_ready(event.mid, event.size, event.envelope_sender))
    return said


def _sender_group(event: events.Received) -> list[Sentence]:
    """Where a group matched: that nothing but the last row did goes without saying."""
    if not event.sender_group:
        return []
    text = _("Incoming connection (ICID %(icid)s) falls to sender group %(group)s, match %(entry)s.")
    return [_say(text, icid=event.icid, group=event.sender_group, entry=event.matched)]


def _throttled(event: events.Received | events.Aborted) -> list[Sentence]:
    text = _(
        "Message %(mid)s on incoming connection (ICID %(icid)s): recipient %(address)s rejected by Receiving Control."
    )
    return [_say(text, mid=event.mid, icid=event.icid, address=address) for address in event.throttled]


def _relayed(event: events.Relayed) -> list[Sentence]:
    if not event.relay:
        return []
    came = {"mid": event.mid, "relay": event.relay, "header": event.relay_header}
    if not event.client_ip:
        text = _(
            "Message %(mid)s came through incoming relay %(relay)s: header %(header)s not found, its own IP is used."
        )
        return [_say(text, **came)]
    text = _(
        "Message %(mid)s came through incoming relay %(relay)s: header %(header)s found, sender IP %(ip)s is used."
    )
    said = [_say(text, **came, ip=event.client_ip)]
    if event.client_group:
        text = _("Sender IP %(ip)s of message %(mid)s falls to sender group %(group)s, match %(entry)s.")
        values = {"group": event.client_group, "entry": event.client_matched}
        said.append(_say(text, mid=event.mid, ip=event.client_ip, **values))
    return said


def _envelope(
    mid: int, icid: int, sender: str, recipients: tuple[str, ...], refused: tuple[str, ...] = ()
) -> list[Sentence]:
    return [
        _say(_("Start message %(mid)s on incoming connection (ICID %(icid)s)."), mid=mid, icid=icid),
        _say(
            _("Message %(mid)s enqueued on incoming connection (ICID %(icid)s) from %(sender)s."),
            mid=mid,
            icid=icid,
            sender=sender or "<>",
        ),
        _say(_("Message %(mid)s direction: incoming"), mid=mid),
        *_recipients(mid, icid, recipients),
        *(
            _say(
                _("Message %(mid)s on incoming connection (ICID %(icid)s): recipient %(address)s rejected by RAT."),
                mid=mid,
                icid=icid,
                address=address,
            )
            for address in refused
        ),
    ]


def _recipients(mid: int, icid: int, recipients: tuple[str, ...]) -> list[Sentence]:
    text = _("Message %(mid)s on incoming connection (ICID %(icid)s) added recipient (%(address)s).")
    return [_say(text, mid=mid, icid=icid, address=address) for address in recipients]


def _ready(mid: int, size: int, sender: str) -> Sentence:
    return _say(_("Message %(mid)s (%(size)s bytes) from %(sender)s ready."), mid=mid, size=size, sender=sender or "<>")


def _aborted(event: events.Aborted) -> list[Sentence]:
    return [
        *_envelope(event.mid, event.icid, event.envelope_sender, event.recipients, event.refused),
        *_throttled(event),
        *_relayed(event),
        _say(_("Message %(mid)s aborted: %(reason)s"), mid=event.mid, reason=_reason(event.reason)),
    ]


def _splintered(event: events.Splintered) -> list[Sentence]:
    return [
        _say(
            _("Message %(parent)s split into message %(mid)s due to per-recipient policy %(policy)s."),
            parent=event.parent_mid,
            mid=event.mid,
            policy=event.policy,
        ),
        *_recipients(event.mid, 0, event.recipients),
        _ready(event.mid, event.size, event.envelope_sender),
    ]


def _processed(event: events.Processed) -> list[Sentence]:
    said = [
        _say(
            _("Message %(mid)s matched per-recipient policy %(policy)s for inbound mail policies."),
            mid=event.mid,
            policy=event.policy,
        )
    ]
    if event.intake_address is not None:
        said.append(
            _say_connector(
                _(
                    "TDC: Message %(mid)s enqueued for forwarding to Cisco Secure Email Threat Defense to the message "
                    "intake address %(address)s."
                ),
                mid=event.mid,
                address=event.intake_address,
            )
        )
    return [*said, _say(_("Message %(mid)s queued for delivery."), mid=event.mid)]


def _bounce_generated(event: events.BounceGenerated) -> list[Sentence]:
    return [
        _say(
            _("Message %(mid)s was generated for bounce of message %(of)s, to %(recipient)s."),
            mid=event.mid,
            of=event.of_mid,
            recipient=event.recipient,
        ),
        _say(_("Message %(mid)s queued for delivery."), mid=event.mid),
    ]


def _finished(event: events.Finished) -> list[Sentence]:
    return [_say(_("Message %(mid)s finished."), mid=event.mid)]


def _delivered(event: events.Delivered) -> list[Sentence]:
    if event.connector:
        return [
            *_connection(event, connector=True),
            _say_connector(
                _("TDC: Message %(mid)s successfully delivered for scanning with Cisco Secure Email Threat Defense."),
                extra=False,
                mid=event.mid,
            ),
        ]
    text = _("Message %(mid)s sent to recipient %(address)s. Message response: %(response)s")
    return [
        *_connection(event, connector=False),
        *(_say(text, mid=event.mid, address=address, response=event.response) for address in event.recipients),
    ]


def _connection(event: events.Delivered, *, connector: bool) -> list[Sentence]:
    if not event.dcid:
        return []
    say = _say_connector if connector else _say
    said = [
        say(
            _(
                "SMTP delivery connection (DCID %(dcid)s) opened from interface %(local)s to IP address %(remote)s "
                "on port %(port)s."
            ),
            dcid=event.dcid,
            local=event.local_ip,
            remote=event.remote_ip,
            port=event.port,
        )
    ]
    if event.tls_protocol:
        said.append(
            say(
                _(
                    "Delivery connection (DCID %(dcid)s) successfully accepted TLS protocol %(protocol)s "
                    "cipher %(cipher)s."
                ),
                dcid=event.dcid,
                protocol=event.tls_protocol,
                cipher=event.tls_cipher,
            )
        )
    return said


def _delayed(event: events.Delayed) -> list[Sentence]:
    reply = _reply(event.status, event.reason, event.code, event.reply)
    if event.connector:
        return [_say_connector(_("TDC: Message %(mid)s delayed: %(reply)s"), mid=event.mid, reply=reply)]
    text = _("Message %(mid)s to %(address)s delayed: %(reply)s")
    return [_say(text, mid=event.mid, address=address, reply=reply) for address in event.recipients]


def _bounced(event: events.Bounced) -> list[Sentence]:
    reply = _reply(event.status, event.reason, event.code, event.reply)
    if event.unconfirmed:
        return [
            _say_connector(
                _(
                    "TDC: Message %(mid)s delivery to Cisco Secure Email Threat Defense unconfirmed: no reply after "
                    "the end of the message, it may have arrived. %(reply)s"
                ),
                mid=event.mid,
                reply=reply,
            )
        ]
    if event.connector and event.tls:
        return [
            _say_connector(
                _("TDC: Message %(mid)s delivery failed to Cisco Secure Email Threat Defense: TLS Error."),
                mid=event.mid,
            )
        ]
    if event.connector:
        return [
            _say_connector(
                _("TDC: Message %(mid)s delivery failed to Cisco Secure Email Threat Defense: Hard Bounced. %(reply)s"),
                mid=event.mid,
                reply=reply,
            )
        ]
    text = _("Message %(mid)s to %(address)s bounced: %(reply)s")
    return [_say(text, mid=event.mid, address=address, reply=reply) for address in event.recipients]


def _double_bounced(event: events.DoubleBounced) -> list[Sentence]:
    reply = _reply(event.status, event.reason, event.code, event.reply)
    text = _("Message %(mid)s to %(address)s could not be delivered, and being a bounce it is dropped: %(reply)s")
    return [_say(text, mid=event.mid, address=address, reply=reply) for address in event.recipients]


def _held(event: events.Held) -> list[Sentence]:
    if event.connector:
        text = _(
            "TDC: Copy of message %(mid)s is held: its outcome could not be stored. Retry or delete it in Delivery "
            "Status."
        )
        return [_say_connector(text, mid=event.mid)]
    text = _(
        "Message %(mid)s is held: its outcome at %(destination)s could not be stored. Retry or delete it in Delivery "
        "Status."
    )
    return [_say(text, mid=event.mid, destination=event.destination)]


def _deleted(event: events.Deleted) -> list[Sentence]:
    if event.unconfirmed:
        text = _("TDC: Copy of message %(mid)s deleted by an administrator; it may have arrived before.")
        return [_say_connector(text, mid=event.mid)]
    if event.connector:
        return [_say_connector(_("TDC: Copy of message %(mid)s deleted by an administrator."), mid=event.mid)]
    text = ngettext(
        "Message %(mid)s to %(addresses)s deleted by an administrator.",
        "Message %(mid)s to recipients %(addresses)s deleted by an administrator.",
        len(event.recipients),
    )
    return [_say(text, mid=event.mid, addresses=", ".join(event.recipients))]


def _reply(status: str, reason: str, code: str, reply: tuple[str, ...]) -> str:
    """`5.1.0 - Unknown address error (550 5.1.1 No such user)`: the gateway's wording, then what the server said."""
    said = " ".join(reply)
    spoken = said if code == "000" else f"{code} {said}"
    return f"{status} - {_reason(reason)} ({spoken})"


def _reason(wording: str) -> str:
    return _(wording) if wording in REASONS else wording


_WORDING: dict[str, Callable[[Any], list[Sentence]]] = {
    events.Received.kind: _received,
    events.Aborted.kind: _aborted,
    events.Splintered.kind: _splintered,
    events.Processed.kind: _processed,
    events.BounceGenerated.kind: _bounce_generated,
    events.Finished.kind: _finished,
    events.Delivered.kind: _delivered,
    events.Delayed.kind: _delayed,
    events.Bounced.kind: _bounced,
    events.DoubleBounced.kind: _double_bounced,
    events.Held.kind: _held,
    events.Deleted.kind: _deleted,
}
