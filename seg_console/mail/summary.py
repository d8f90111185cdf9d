"""Figures of incoming mail for the Overview page, added up from the hourly counters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from django.db.models import Sum

from seg_console.mail.models import MailCounter


@dataclass(frozen=True, slots=True)
class MailSummary:
    """Sums of MailCounter's columns of the same names."""

    received_messages: int
    received_recipients: int
    received_bytes: int
    refused_recipients: int
    delivered_recipients: int
    soft_bounced_events: int
    hard_bounced_recipients: int
    deleted_recipients: int
    copies_queued: int
    copies_delivered: int
    copies_delayed: int
    copies_failed: int
    copies_unconfirmed: int


def mail_summary(since: datetime) -> MailSummary:
    """What happened since the beginning of the hour of `since`, in one query."""
    names = [field.name for field in fields(MailSummary)]
    hour = since.replace(minute=0, second=0, microsecond=0)
    sums = MailCounter.objects.filter(hour__gte=hour).aggregate(**{name: Sum(name, default=0) for name in names})
    return MailSummary(**sums)
