"""What Trace found, in the words of the page and in the language in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from policies import sentences
from policies.matching import DEFAULT_POLICY_UID, Explanation, MemberMiss
from seg_console.delivery.models import ConversionSupport, TlsSupport
from seg_console.gateway.host_access import ALL
from seg_console.mail.lines import visible
from seg_console.trace.engine import Client, Hop, TracedDelivery, TracedPart
from tdc.running import Reason

# As much of a message as a page shows of it.
SHOWN_CHARACTERS = 6_000


@dataclass(frozen=True, slots=True)
class ShownRecipient:
    """`number` is the RID in its part."""

    number: int
    address: str
    why: str
    passed_by: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ShownDelivery:
    name: str
    recipients: str
    route: str
    addresses: tuple[str, ...]
    trouble: str
    tls: str
    limits: str
    conversion: str
    is_copy: bool


@dataclass(frozen=True, slots=True)
class ShownCopy:
    """`key` names the download; `beginning` is the copy as far as a page shows it."""

    key: str
    mid: int
    intake_address: str
    sender: str
    size: int
    beginning: str


@dataclass(frozen=True, slots=True)
class ShownPart:
    """`mid` is what the part's would be."""

    mid: int
    policy_name: str
    policy_uid: str
    is_default: bool
    recipients: tuple[ShownRecipient, ...]
    is_copied: bool
    intake_address: str
    reason: str
    deliveries: tuple[ShownDelivery, ...]
    copy: ShownCopy | None


def shown_part(part: TracedPart) -> ShownPart:
    is_default = part.policy_uid == DEFAULT_POLICY_UID
    return ShownPart(
        mid=part.mid,
        policy_name=_("Default Policy") if is_default else part.policy_name,
        policy_uid=part.policy_uid,
        is_default=is_default,
        recipients=tuple(_recipient(rid, found) for rid, found in enumerate(part.explanations)),
        is_copied=part.intake_address is not None,
        intake_address=part.intake_address or "",
        reason=reason_words(part.reason, inherits=part.inherits and not is_default),
        deliveries=tuple(map(_delivery, part.deliveries)),
        copy=_copy(part),
    )


def reason_words(reason: Reason, *, inherits: bool) -> str:
    """Why the copy of a part goes where it goes, or why there is none."""
    own = {
        Reason.OFF: _("The Threat Defense Connector is not enabled."),
        Reason.NO_SCAN: _("The policy says No Scan."),
        Reason.NO_ADDRESS: _("The policy asks for the default message intake address, and there is none."),
        Reason.DEFAULT: _("The policy says Default Message Intake Address."),
        Reason.CUSTOM: _("The policy says Custom Message Intake Address."),
    }
    inherited = {
        Reason.OFF: own[Reason.OFF],
        Reason.NO_SCAN: _("The policy uses the Default Policy's settings, which say No Scan."),
        Reason.NO_ADDRESS: _(
            "The policy uses the Default Policy's settings, which ask for the default message intake address, and "
            "there is none."
        ),
        Reason.DEFAULT: _("The policy uses the Default Policy's settings, which say Default Message Intake Address."),
        Reason.CUSTOM: _("The policy uses the Default Policy's settings, which say Custom Message Intake Address."),
    }
    return (inherited if inherits else own)[reason]


def client_words(client: Client) -> str:
    """How the name of the connecting host is known."""
    if client.given:
        return _("as given")
    if not client.name.name:
        return _("The DNS gives no name for this address.")
    return _("looked up, leads back to the address") if client.name.verified else _("looked up, not verified")


def group_words(client: Client) -> str:
    """Which sender group a host falls to, and by what."""
    if client.group.name == ALL:
        return _("No sender group matches: row ALL.")
    return _("Sender group %(name)s, by its entry %(entry)s.") % {
        "name": client.group.name,
        "entry": client.group.entry,
    }


def _recipient(rid: int, found: Explanation) -> ShownRecipient:
    passed = tuple((each.policy.name, _reasons(each.misses)) for each in found.passed_by)
    return ShownRecipient(rid, visible(found.recipient), sentences.winner(found), passed)


def _reasons(misses: Sequence[MemberMiss]) -> str:
    return " ".join(dict.fromkeys(sentences.reason(miss) for miss in misses))


def _delivery(delivery: TracedDelivery) -> ShownDelivery:
    limits = delivery.terms.limits
    connections = ngettext("%(n)d connection at most", "%(n)d connections at most", limits.most) % {"n": limits.most}
    messages = ngettext(
        "%(n)d message per connection", "%(n)d messages per connection", limits.messages_per_connection
    ) % {"n": limits.messages_per_connection}
    most = delivery.terms.recipients_per_transaction
    recipients = ngettext("%(n)d recipient per transaction", "%(n)d recipients per transaction", most) % {"n": most}
    return ShownDelivery(
        name=f"{delivery.shown_as} ({delivery.spec.domain})" if delivery.is_copy else delivery.spec.domain,
        recipients=get_text_list([visible(address) for _rid, address in delivery.spec.recipients], _("and")),
        route=_route(delivery.hop),
        addresses=tuple(
            f"{found.ip}:{found.port}" + (f" ({found.name})" if found.name else "") for found in delivery.hop.addresses
        ),
        trouble=_trouble(delivery.hop),
        tls=str(TlsSupport(delivery.terms.tls.mode.value).label),
        limits=_("%(connections)s; %(messages)s; %(recipients)s")
        % {"connections": connections, "messages": messages, "recipients": recipients},
        conversion=str(ConversionSupport(delivery.terms.conversion).label),
        is_copy=delivery.is_copy,
    )


def _route(hop: Hop) -> str:
    if hop.hosts is None:
        return _("No SMTP Route: by MX record")
    hosts = ", ".join(f"{host.host}:{host.port}" if host.host[:1] not in "/U" else host.host for host in hop.hosts)
    return _("SMTP Route: %(hosts)s") % {"hosts": hosts}


def _trouble(hop: Hop) -> str:
    if not hop.looked_up:
        return _("Not looked up: there are too many destinations.")
    if hop.discard:
        return _("The mail is taken and thrown away (/dev/null).")
    return hop.failure


def _copy(part: TracedPart) -> ShownCopy | None:
    copy = part.copy
    if copy is None:
        return None
    return ShownCopy(
        key=f"copy-{part.mid}",
        mid=part.mid,
        intake_address=copy.spec.address,
        sender=f"<{copy.sender}>",
        size=len(copy.content),
        beginning=beginning(copy.content),
    )


def beginning(content: bytes) -> str:
    """As much of a message as a page shows, its marks and control characters written out."""
    text = content[:SHOWN_CHARACTERS].decode("utf-8", "replace")
    shown = "\n".join(visible(line) for line in text.replace("\r\n", "\n").split("\n"))
    return shown if len(content) <= SHOWN_CHARACTERS else f"{shown}…"
