"""Security Services > Services Overview (seg-webui 2.2): what is on by the running configuration, and its state.

Only what is recorded is shown; nothing is dialled, and Redis is the only one that is asked whether it answers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from seg_console.certificates.own import own_chain, own_name
from seg_console.certificates.pem import Described, described
from seg_console.certificates.running import named
from seg_console.config import running
from seg_console.config.document import Document
from seg_console.delivery import heartbeat, status
from seg_console.delivery.ordinary import OrdinaryKind
from seg_console.gateway.document import LISTENER
from seg_console.gateway.listener import INTERFACE
from seg_console.gateway.running import listener_place
from seg_console.gateway.views.listening import listening_now
from seg_console.mail import tracking
from seg_console.mail.summary import mail_summary
from seg_console.privileges import Privilege
from seg_console.ui import times
from seg_console.ui.access import requires
from seg_console.ui.requests import ConsoleRequest
from tdc.kind import QUEUE_NAME, ConnectorKind
from tdc.queue_line import queue_line
from tdc.running import Reason, connector

HOUR = timedelta(hours=1)
# A sign is asked for every 5 seconds; where every worker is busy it waits for the end of a drain, 20 seconds and more.
LATE_AFTER = timedelta(seconds=60)
MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class State:
    """A state in a word, its colour as a CSS class, and what else is known of it."""

    css_class: str
    word: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ListenerCertificate:
    """What the listener proves its name with; `described` is None where nobody has made it yet."""

    name: str
    described: Described | None
    is_over: bool
    ends_soon: bool


@dataclass(frozen=True, slots=True)
class Destinations:
    """Destinations that Delivery Status lists, the connector's queue left out. `down`: the first names of those."""

    number: int
    active_recipients: int
    down_number: int
    down: tuple[str, ...]

    @property
    def more(self) -> int:
        return self.down_number - len(self.down)


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def overview(request: ConsoleRequest) -> HttpResponse:
    now = timezone.now()
    current = running.current()
    redis, workers, connector_worker, stand_in_worker = redis_and_workers(now)
    context: dict[str, Any] = {
        "now": now,
        "running_number": current.number,
        "connector": current.value(connector),
        "policies": current.value(policies_by_copying),
        "queue": queue_line(),
        "summary": mail_summary(now - HOUR),
        "interface": INTERFACE,
        "place": current.value(listener_place),
        "listening": listening_now(now),
        "last_message_at": tracking.newest_incoming(),
        "certificate": listener_certificate(current.document, now),
        "destinations": _destinations(now),
        "database": f"{connection.display_name} {'.'.join(map(str, connection.get_database_version()))}",
        "redis": redis,
        "workers": workers,
        "connector_worker": connector_worker,
        "stand_in_worker": stand_in_worker,
    }
    return render(request, "monitor/services_overview.html", context)


def policies_by_copying(document: Document) -> Counter[str]:
    """How many policies, the Default Policy among them, copy to the default address, to a custom one, or not at all:
    `default`, `custom`, `none`. Build with `Running.value`."""
    found = connector(document)
    kinds = {Reason.DEFAULT: "default", Reason.CUSTOM: "custom"}
    uids = (*document.uids("incoming_mail_policies"), *document.uids("default_policy"))
    return Counter(kinds.get(found.reason_for(uid), "none") for uid in uids)


def listener_certificate(document: Document, now: datetime) -> ListenerCertificate:
    """The certificate of the listener by a configuration; where that names none, the gateway's own."""
    chosen = named(document, document[LISTENER].certificate)
    chain = chosen.chain if chosen else own_chain()
    found = described(chain)[0] if chain else None
    is_over, ends_soon = (found.is_over(now), found.ends_soon(now)) if found else (False, False)
    return ListenerCertificate(chosen.name if chosen else own_name(), found, is_over, ends_soon)


def redis_and_workers(now: datetime) -> tuple[State, State, State, State]:
    """Whether Redis answers, and when a delivery worker, one of the connector and the stand-in were last seen."""
    try:
        ordinary, copies, stand_in = heartbeat.last_seen((OrdinaryKind.queue, ConnectorKind.queue, heartbeat.STAND_IN))
    except heartbeat.Unanswered:
        silent = State(
            "bad", _("Does not answer"), _("Mail goes on, more slowly: the stand-in worker delivers from the database.")
        )
        unknown = State("idle", _("Unknown"), _("Redis holds the workers' sign of life."))
        return silent, unknown, unknown, unknown
    return State("good", _("Answers")), _worker(ordinary, now), _worker(copies, now), _worker(stand_in, now)


def _worker(seen_at: datetime | None, now: datetime) -> State:
    if seen_at is None:
        return State("idle", _("Unknown"), _("Not seen since Redis started."))
    if now - seen_at > LATE_AFTER:
        return State("bad", _("Not seen lately"), _("Last seen: %(time)s") % {"time": times.status_time(seen_at)})
    seconds = max(0, int((now - seen_at).total_seconds()))
    words = ngettext("Last seen %(n)d second ago", "Last seen %(n)d seconds ago", seconds)
    return State("good", _("Running"), words % {"n": seconds})


def _destinations(now: datetime) -> Destinations:
    rows = [row for row in status.destinations(now) if row.destination != QUEUE_NAME]
    down = [row.destination for row in rows if row.is_down]
    return Destinations(
        number=len(rows),
        active_recipients=sum(row.active_recipients for row in rows),
        down_number=len(down),
        down=tuple(down[:MOST_NAMES]),
    )
