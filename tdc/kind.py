"""The connector's copies as a kind of delivery: its own rules, TLS always, at least three connections, no bounces."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.conf import settings

from seg_console.config import running
from seg_console.delivery.connections import Limits
from seg_console.delivery.kinds import Claimed, Conversion, Terms, Timeouts
from seg_console.delivery.rules import RetryRules
from seg_console.delivery.running import client_certificate, controls
from seg_console.delivery.tls import TlsDemand, TlsMode
from seg_console.mail.headers import read_headers
from tdc.journal import JournalReport, journal_copy, outer_message_id
from tdc.rules import LEAST_CONNECTIONS, LIFE_S, RULES
from tdc.running import connector

NAME: Final = "tdc"
# How administrators know the queue, whatever the intake's domain is (TDC reference 7).
QUEUE_NAME: Final = "the.tdc.queue"


class ConnectorKind:
    """Copies on their way to a message intake address."""

    name = NAME
    connector = True
    queue = "tdc"
    bounces = False
    wants_envelope = True
    # Whatever is waited for, a copy waits as long as it has life left, and no longer (TDC reference 6).
    timeouts = Timeouts(
        connect_s=10.0,
        dial_s=LIFE_S,
        greeting_s=LIFE_S,
        command_s=LIFE_S,
        data_s=LIFE_S,
        block_s=LIFE_S,
        dot_s=LIFE_S,
        transaction_s=LIFE_S,
    )
    waits_end_with_life = True
    probe_wait_s = (10, 15)

    def shown_as(self, domain: str) -> str:
        return QUEUE_NAME

    def rules(self, domain: str = "") -> RetryRules:
        return RULES

    def terms(self, domain: str) -> Terms:
        """The connector demands TLS itself, waits for nobody and sends a copy as it is, to its one intake: Destination
        Controls only limit the connections, and say which addresses are tried and which certificate is shown."""
        configuration = running.current()
        connector_settings = configuration.value(connector)
        control = configuration.value(controls).for_domain(domain)
        limits = Limits(
            least=LEAST_CONNECTIONS,
            most=control.max_connections,
            messages_per_connection=connector_settings.messages_per_connection,
        )
        mode = TlsMode.REQUIRED_VERIFY if connector_settings.verify else TlsMode.REQUIRED
        tls = TlsDemand(mode, connector_settings.ca, shows=configuration.value(client_certificate))
        return Terms(
            limits=limits,
            tls=tls,
            ip=control.ip_preference,
            recipients_per_transaction=1,
            conversion=Conversion.AS_IS,
        )

    def sender(self, claimed: Claimed) -> str:
        return ""

    def content(self, claimed: Claimed, now: datetime) -> bytes:
        """The journal report around the stored body, built anew for each attempt under the same outer Message-ID."""
        original = claimed.content or b""
        headers = read_headers(original)
        report = JournalReport(
            envelope_sender=claimed.envelope_sender,
            subject=headers.subject or "",
            message_id=headers.message_id or "",
            recipients=claimed.envelope,
            from_header=headers.from_header,
            to_header=headers.to_header,
            subject_header=headers.raw_subject,
        )
        return journal_copy(
            report,
            original,
            outer_id=outer_message_id(mid=claimed.mid, serial=claimed.id, hostname=settings.SEG_HOSTNAME),
            date=now,
            intake=claimed.address,
            hostname=settings.SEG_HOSTNAME,
        )
