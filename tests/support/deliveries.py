"""Putting mail into the queue and working it off, for tests of delivery."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from seg_console.config import document, pending, running
from seg_console.delivery import queue
from seg_console.delivery.drain import Drain, run_to_the_end
from seg_console.delivery.kinds import Destination
from seg_console.delivery.models import Delivery, HostStatus
from seg_console.delivery.ordinary import specs_for
from seg_console.mail import events, ids
from seg_console.mail.models import Body, MailCounter, Message, Recipient
from seg_console.mail.record import record
from tdc.copies import copy_spec

CONTENT = (
    b"From: Alice <alice@example.net>\r\nTo: bob@corp.example\r\n"
    b"Subject: Hello\r\nMessage-ID: <1@example.net>\r\n\r\nHi.\r\n"
)
INTAKE = "id@intake.example"


def configure(**sections: Any) -> None:
    """Commit a configuration: the initial one with these sections in place of its own."""
    content = copy.deepcopy(document.initial())
    for key, value in sections.items():
        if isinstance(value, dict):
            content[key] |= value
        else:
            content[key] = value
    pending.commit_document(content, "for a test")
    running.look_again()


def route(domain: str, *ports: int, host: str = "127.0.0.1") -> dict[str, Any]:
    hosts = [{"host": host, "port": port, "priority": index} for index, port in enumerate(ports)]
    return {"domain": domain, "hosts": hosts}


def accept(
    recipients: Sequence[str] = ("bob@corp.example",),
    *,
    sender: str = "alice@example.net",
    content: bytes = CONTENT,
    intake: str | None = None,
    original: bool = True,
    now: datetime | None = None,
) -> int:
    """Store and queue one message, and its copy if an intake is given. Returns the MID."""
    now = now or timezone.now()
    with transaction.atomic():
        (mid,) = ids.take("MID", 1)
        specs = specs_for(mid=mid, recipients=recipients, size=len(content)) if original else []
        if intake:
            specs.append(copy_spec(mid=mid, intake_address=intake, size=len(content)))
        body = Body.objects.create(mid=mid, content=content)
        Message.objects.create(
            mid=mid,
            root_mid=mid,
            icid=1,
            direction="incoming",
            received_at=now,
            envelope_sender=sender,
            subject="Hello",
            message_id_header="<1@example.net>",
            size=len(content),
            outstanding=len(specs),
            body=body,
        )
        Recipient.objects.bulk_create(
            [Recipient(message_id=mid, rid=rid, address=address) for rid, address in enumerate(recipients)]
        )
        record(
            [events.Processed(mid=mid, at=now, policy="DEFAULT", message_id="<1@example.net>", intake_address=intake)]
        )
        queue.enqueue(specs, now=now)
    return mid


def drain(*destinations: Destination, name: str = "delivery") -> None:
    """Run one drain over these destinations (all that have work, by default) until it ends by itself."""
    chosen: Iterable[Destination] = destinations or queue.due(timezone.now())
    run_to_the_end(Drain(name), chosen)


def make_due(by: timedelta = timedelta(hours=1)) -> None:
    """As if the time of every next attempt and probe had come; ages stay as they are."""
    Delivery.objects.filter(state="queued").update(due_at=timezone.now() - timedelta(seconds=1))
    HostStatus.objects.filter(next_probe_at__isnull=False).update(next_probe_at=timezone.now() - by)


def log_texts() -> list[str]:
    """The mail log's lines without time and level, and without the head of the file."""
    if not settings.SEG_MAIL_LOG.exists():
        return []
    lines = settings.SEG_MAIL_LOG.read_text().splitlines()
    texts = [line[25:].partition(": ")[2] for line in lines]
    return [text for text in texts if not text.startswith(("Begin Logfile", "Version:", "Time offset"))]


def counters(destination: Destination) -> dict[str, int]:
    """A destination's counters that are not zero."""
    host = HostStatus.objects.get(kind=destination.kind, domain=destination.domain)
    names = (
        "delivered",
        "soft_bounced",
        "dns_hard_bounced",
        "reply_hard_bounced",
        "filter_hard_bounced",
        "expired_hard_bounced",
        "other_hard_bounced",
        "unconfirmed",
        "deleted",
    )
    return {name: getattr(host, name) for name in names if getattr(host, name)}


def copies() -> dict[str, int]:
    """The hourly counters of copies that are not zero, added up."""
    names = [field.name for field in MailCounter._meta.concrete_fields if field.name.startswith("copies_")]
    sums = MailCounter.objects.aggregate(**{name: Sum(name, default=0) for name in names})
    return {name: count for name, count in sums.items() if count}
