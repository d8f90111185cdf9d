"""Ordinary mail as a kind of delivery: bounce profile, Destination Controls, delivery reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from seg_console.config import running
from seg_console.delivery.connections import Limits
from seg_console.delivery.enqueue import DeliverySpec
from seg_console.delivery.kinds import Claimed, Terms, Timeouts
from seg_console.delivery.rules import RetryRules, ordinary_rules
from seg_console.delivery.running import bounce_profiles, client_certificate, controls
from seg_console.delivery.tls import TlsDemand
from seg_console.mail.addresses import domain_of

NAME: Final = "ordinary"


def specs_for(*, mid: int, recipients: Sequence[str], size: int) -> list[DeliverySpec]:
    """One delivery per recipient domain; the index in `recipients` is the RID."""
    by_domain: dict[str, list[tuple[int, str]]] = {}
    for rid, address in enumerate(recipients):
        by_domain.setdefault(domain_of(address), []).append((rid, address))
    return [
        DeliverySpec(mid=mid, kind=NAME, domain=domain, recipients=tuple(pairs), size=size)
        for domain, pairs in by_domain.items()
    ]


class OrdinaryKind:
    """Mail on its way to its recipients' own servers."""

    name = NAME
    connector = False
    queue = "delivery"
    bounces = True
    wants_envelope = False
    timeouts = Timeouts()
    waits_end_with_life = False
    probe_wait_s = (60, 900)

    def shown_as(self, domain: str) -> str:
        return domain

    def rules(self, domain: str = "") -> RetryRules:
        configuration = running.current()
        control = configuration.value(controls).for_domain(domain)
        profile = configuration.value(bounce_profiles).named(control.bounce_profile)
        return ordinary_rules(
            max_retries=profile.max_retries,
            initial_retry_s=profile.initial_retry,
            max_retry_s=profile.max_retry,
            max_queue_time_s=profile.max_queue_time,
        )

    def terms(self, domain: str) -> Terms:
        configuration = running.current()
        control = configuration.value(controls).for_domain(domain)
        limits = Limits(
            least=1,
            most=control.max_connections,
            messages_per_connection=control.max_messages_per_connection,
        )
        tls = TlsDemand(control.tls, shows=configuration.value(client_certificate))
        return Terms(
            limits=limits,
            tls=tls,
            ip=control.ip_preference,
            rate=control.rate,
            recipients_per_transaction=control.max_recipients_per_transaction,
            conversion=control.conversion,
        )

    def sender(self, claimed: Claimed) -> str:
        return claimed.envelope_sender

    def content(self, claimed: Claimed, now: datetime) -> bytes:
        return claimed.content or b""
