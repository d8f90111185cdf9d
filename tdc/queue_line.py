"""The copies' queue in one line, as the connector's settings and Services Overview show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from seg_console.delivery.models import HostStatus
from seg_console.delivery.status import details
from tdc.kind import QUEUE_NAME


@dataclass(frozen=True, slots=True)
class QueueLine:
    """The copies' queue as Delivery Status has it: its state as the last attempt found it, and how much waits and
    went. `unconfirmed` copies were given up and may have arrived; `dropped` are the others."""

    name: str
    state_class: str
    state_word: str
    last_attempt_at: datetime | None
    waiting: int
    delivered: int
    dropped: int
    unconfirmed: int


def queue_line() -> QueueLine:
    """Two queries."""
    found = details(QUEUE_NAME)
    assert found is not None, "the connector's queue is always listed"
    words = {
        HostStatus.Status.UP: ("good", _("Up")),
        HostStatus.Status.DOWN: ("bad", _("Down")),
        HostStatus.Status.UNKNOWN: ("idle", _("Unknown")),
    }
    state_class, word = words[found.row.status]
    return QueueLine(
        name=QUEUE_NAME,
        state_class=state_class,
        state_word=word,
        last_attempt_at=max((host.last_attempt_at for host in found.hosts if host.last_attempt_at), default=None),
        waiting=found.row.active_recipients,
        delivered=found.row.delivered_recipients,
        dropped=found.row.hard_bounced_recipients - found.row.unconfirmed_recipients,
        unconfirmed=found.row.unconfirmed_recipients,
    )
