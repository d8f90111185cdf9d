"""Messages, destinations and waiting deliveries as rows, for what is shown of them: nothing here was ever delivered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from seg_console.delivery.models import Delivery, HostStatus
from seg_console.mail.models import Message, Recipient


def message(
    mid: int, *, age: timedelta = timedelta(minutes=5), sender: str = "alice@partner.example", **values: Any
) -> Message:
    """A delivered message to bob@corp.example, received `age` ago; `values` of its row instead of the usual."""
    given: dict[str, Any] = {
        "subject": "Invoice",
        "message_id_header": f"<{mid}@partner.example>",
        "state": Message.State.DELIVERED,
    }
    row = Message.objects.create(
        mid=mid,
        root_mid=mid,
        icid=7,
        direction=Message.Direction.INCOMING,
        received_at=timezone.now() - age,
        interface="IncomingMail",
        interface_ip="127.0.0.1",
        remote_ip="192.0.2.10",
        reverse_dns="mx.partner.example",
        envelope_sender=sender,
        size=8313,
        policy_name="Finance",
        **given | values,
    )
    Recipient.objects.create(message=row, rid=0, address="bob@corp.example", state=Recipient.State.DELIVERED)
    return row


def host(
    domain: str, *, kind: str = "ordinary", destination: str = "", age: timedelta = timedelta(), **values: Any
) -> None:
    """What is known of a destination that was last tried `age` ago."""
    at = timezone.now() - age
    HostStatus.objects.create(
        kind=kind, domain=domain, destination=destination or domain, active_at=at, last_attempt_at=at, **values
    )


def waiting(row: Message, domain: str, *, recipients: int = 1, attempt: int = 0) -> Delivery:
    """Delivery of `row` to `domain` that is due in an hour."""
    now = timezone.now()
    return Delivery.objects.create(
        message=row,
        kind="ordinary",
        destination=domain,
        domain=domain,
        recipients=[[0, "bob@corp.example"]],
        recipient_count=recipients,
        size=1,
        attempt=attempt,
        enqueued_at=now,
        due_at=now + timedelta(hours=1),
        expires_at=now + timedelta(days=1),
    )
