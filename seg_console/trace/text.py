"""What Trace found as text, in the order of the original's `trace` (asyncos-cli 10). English, like the whole shell."""

from __future__ import annotations

from collections.abc import Iterator

from seg_console.delivery.kinds import Conversion
from seg_console.delivery.tls import TlsMode
from seg_console.gateway.arrival import Relayed
from seg_console.gateway.host_access import ALL
from seg_console.mail.lines import visible
from seg_console.trace.engine import Client, Hop, Traced, TracedDelivery, TracedMessage, TracedPart
from tdc.running import Reason

_REASONS = {
    Reason.OFF: "the service is not enabled",
    Reason.NO_SCAN: "No Scan",
    Reason.NO_ADDRESS: "there is no default message intake address",
    Reason.DEFAULT: "Default Message Intake Address",
    Reason.CUSTOM: "Custom Message Intake Address",
}
_TLS = {
    TlsMode.NONE: "None",
    TlsMode.PREFERRED: "Preferred",
    TlsMode.REQUIRED: "Required",
    TlsMode.REQUIRED_VERIFY: "Required - Verify",
}
_CONVERSION = {Conversion.AS_IS: "Send as it is", Conversion.BOUNCE: "Bounce"}


def screen(traced: Traced) -> str:
    """The whole answer; ends with a line end."""
    return "\n".join(_lines(traced)) + "\n"


def _lines(traced: Traced) -> Iterator[str]:
    yield "Host Access Table Processing"
    yield f"  Source IP: {traced.client.ip}"
    yield f"  Fully qualified domain name: {_name(traced.client)}"
    yield from _access(traced.client)
    if traced.dialogue is None:
        return
    yield ""
    yield "MAIL FROM Processing"
    yield from _relay(traced.relayed)
    yield f"  Envelope sender: <{visible(traced.dialogue.sender.about)}>"
    yield from _reply(traced.dialogue.sender.reply)
    yield ""
    yield "RCPT TO Processing"
    for recipient in traced.dialogue.recipients:
        yield f"  Envelope recipient: {visible(recipient.about)}"
        yield from _reply(recipient.reply)
    yield ""
    if traced.message is None:
        yield "Message Received: no"
    else:
        yield from _message(traced.message)
    yield f"  SMTP reply: {traced.answer or 'none, no recipient was taken'}"


def _relay(relayed: Relayed | None) -> Iterator[str]:
    if relayed is None:
        return
    client = relayed.client
    if client is None:
        yield f"  Incoming relay: {relayed.relay}, header {relayed.header} not found"
        return
    yield f"  Incoming relay: {relayed.relay}, header {relayed.header} found, sender IP {client.remote_ip}"
    yield f"  HAT matched on sendergroup: {client.sender_group or ALL}, by {client.matched} ({relayed.access})"


def _name(client: Client) -> str:
    if client.given:
        return f"{client.name.name} (as given)"
    if not client.name.name:
        return "none"
    return f"{client.name.name} ({'verified' if client.name.verified else 'not verified'})"


def _access(client: Client) -> Iterator[str]:
    by = "" if client.group.name == ALL else f", by {client.group.entry}"
    yield f"  HAT matched on sendergroup: {client.group.name}{by}"
    if client.is_let_in:
        yield "  Connection accepted"
    elif client.refusal:
        yield "  Connection rejected"
        yield f"    SMTP reply: {client.refusal}"
    else:
        yield "  Connection refused: closed without a word"


def _reply(lines: tuple[str, ...]) -> Iterator[str]:
    for line in lines or ("none, the connection was closed before",):
        yield f"    SMTP reply: {line}"


def _message(message: TracedMessage) -> Iterator[str]:
    yield "Message Received"
    yield f"  Split: {f'yes, {len(message.parts)} parts' if message.is_split else 'no'}"
    for part in message.parts:
        yield from _part(part)
    yield ""
    yield "Message Enqueued for Delivery"
    for part in message.parts:
        for delivery in part.deliveries:
            yield from _delivery(part.mid, delivery)
    yield ""
    yield "Final Result"
    yield "  Headers added:"
    for line in message.headers_added.splitlines():
        yield f"    {line}"
    yield f"  Message size: {len(message.content)} bytes"


def _part(part: TracedPart) -> Iterator[str]:
    yield f"  MID {part.mid}: Per recipient policy: {part.policy_name}"
    for rid, recipient in enumerate(part.recipients):
        yield f"    RID {rid}: {visible(recipient)}"
    why = _REASONS[part.reason] + (", from the Default Policy" if part.inherits and part.reason != Reason.OFF else "")
    if part.intake_address is None:
        yield f"    Threat Defense Connector: would not be forwarded ({why})"
    else:
        yield f"    Threat Defense Connector: would be forwarded to {part.intake_address} ({why})"


def _delivery(mid: int, delivery: TracedDelivery) -> Iterator[str]:
    name = f"{delivery.shown_as} ({delivery.spec.domain})" if delivery.is_copy else delivery.spec.domain
    yield f"  MID {mid} to {name}: {', '.join(visible(address) for _rid, address in delivery.spec.recipients)}"
    yield f"    Next hop: {_hop(delivery.hop)}"
    limits = delivery.terms.limits
    yield (
        f"    TLS: {_TLS[delivery.terms.tls.mode]}; connections: {limits.most}; "
        f"messages per connection: {limits.messages_per_connection}; "
        f"recipients per transaction: {delivery.terms.recipients_per_transaction}"
    )
    yield f"    Conversion: {_CONVERSION[delivery.terms.conversion]}"


def _hop(hop: Hop) -> str:
    way = "MX"
    if hop.hosts is not None:
        way = "SMTP route " + ", ".join(f"{host.host}:{host.port}" for host in hop.hosts)
    if not hop.looked_up:
        return f"{way}, not looked up"
    if hop.discard:
        return "/dev/null, the mail goes nowhere"
    if hop.failure:
        return f"{way}, {hop.failure}"
    return f"{way}, {', '.join(f'{found.ip}:{found.port}' for found in hop.addresses)}"
