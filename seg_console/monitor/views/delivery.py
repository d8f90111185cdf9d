"""Monitor > Delivery Status (seg-webui 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from seg_console.accounts.models import ROWS
from seg_console.audit.models import Act
from seg_console.audit.record import record
from seg_console.config import running
from seg_console.config.pending import ensure_initial
from seg_console.delivery import queue, status
from seg_console.delivery.delete import delete
from seg_console.delivery.kinds import Destination
from seg_console.delivery.models import HostStatus
from seg_console.delivery.nexthop import RouteHost
from seg_console.delivery.running import routes
from seg_console.delivery.status import DestinationDetails, DestinationStatus
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.partials import page_or_partial
from seg_console.ui.requests import ConsoleRequest
from seg_console.ui.spreadsheet import csv_download

PAGE_SIZES = ROWS
# Seconds; 0: by hand.
INTERVALS = (
    (0, gettext_lazy("None")),
    (10, gettext_lazy("10 s")),
    (30, gettext_lazy("30 s")),
    (60, gettext_lazy("1 min")),
)
STATES = {
    HostStatus.Status.UP: ("good", gettext_lazy("Up")),
    HostStatus.Status.DOWN: ("bad", gettext_lazy("Down")),
    HostStatus.Status.UNKNOWN: ("idle", gettext_lazy("Unknown")),
}
# Each adds a term to a condition, of which SQLite takes a thousand.
DELETED_AT_ONCE = 500
ASCENDING, DESCENDING = "ascending", "descending"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table: `key` is its name in links, `value` what it sorts by."""

    key: str
    title: str | Promise
    value: Callable[[DestinationStatus], Any]
    is_number: bool = True


COLUMNS = (
    Column("destination", gettext_lazy("Destination Domain"), lambda row: row.destination, is_number=False),
    Column("status", gettext_lazy("Latest Host Status"), lambda row: row.status, is_number=False),
    Column("active", gettext_lazy("Active Recipients"), lambda row: row.active_recipients),
    Column("connections", gettext_lazy("Connections Out"), lambda row: row.connections_out),
    Column("delivered", gettext_lazy("Delivered Recipients"), lambda row: row.delivered_recipients),
    Column("soft", gettext_lazy("Soft Bounced Events"), lambda row: row.soft_bounced_events),
    Column("hard", gettext_lazy("Hard Bounced Recipients"), lambda row: row.hard_bounced_recipients),
)
INITIAL = next(column for column in COLUMNS if column.key == "active")


@dataclass(frozen=True, slots=True)
class Asked:
    """How the table was asked for; anything unknown in the address falls back to the usual."""

    column: Column
    direction: str
    items: int
    refresh: int

    @classmethod
    def of(cls, request: ConsoleRequest) -> Asked:
        given = request.GET
        column = next((column for column in COLUMNS if column.key == given.get("sort")), INITIAL)
        direction = given.get("direction")
        items, refresh = given.get("items"), given.get("refresh")
        return cls(
            column=column,
            direction=direction if direction in {ASCENDING, DESCENDING} else _first_direction(column),
            items=next((size for size in PAGE_SIZES if str(size) == items), request.user.rows),
            refresh=next((seconds for seconds, _label in INTERVALS if str(seconds) == refresh), 0),
        )

    def url(self, **changes: object) -> str:
        values = {"sort": self.column.key, "direction": self.direction, "items": self.items, "refresh": self.refresh}
        return f"?{urlencode(values | changes)}"

    def sort_url(self, column: Column) -> str:
        """A click on the heading in force reverses it."""
        direction = _first_direction(column)
        if column == self.column:
            direction = ASCENDING if self.direction == DESCENDING else DESCENDING
        return self.url(sort=column.key, direction=direction)

    def sorted(self, rows: Sequence[DestinationStatus]) -> list[DestinationStatus]:
        """Ties by name, whichever way the column runs."""
        by_name = sorted(rows, key=lambda row: row.destination)
        return sorted(by_name, key=self.column.value, reverse=self.direction == DESCENDING)


def _first_direction(column: Column) -> str:
    """Numbers begin with the highest, names with the first."""
    return DESCENDING if column.is_number else ASCENDING


@require_safe
@requires(Privilege.VIEW_STATUS)
def destinations(request: ConsoleRequest) -> HttpResponse:
    asked, now = Asked.of(request), timezone.now()
    rows = asked.sorted(status.destinations(now))
    context = {
        "as_of": now,
        "rows": [ShownDestination(row) for row in rows[: asked.items]],
        "hidden_rows": len(rows) > asked.items,
        "columns": [
            {
                "key": column.key,
                "title": column.title,
                "is_number": column.is_number,
                "direction": asked.direction if column == asked.column else "",
                "url": asked.sort_url(column),
            }
            for column in COLUMNS
        ],
        # Nobody asks for a page that asks for itself: it keeps no session alive.
        "refresh_url": asked.url(unattended=1),
        "export_url": f"{reverse('monitor:delivery-status-export')}{asked.url()}",
        "sort": asked.column.key,
        "direction": asked.direction,
        "sizes": PAGE_SIZES,
        "items": asked.items,
        "intervals": INTERVALS,
        "refresh_seconds": asked.refresh,
    }
    return page_or_partial(request, "monitor/delivery_status.html", "destinations", context)


class ShownDestination:
    """A row with its state as a word and the class that gives the dot before it."""

    def __init__(self, row: DestinationStatus) -> None:
        self.row = row
        self.state_class, self.state_word = STATES[row.status]


@require_safe
@requires(Privilege.VIEW_STATUS)
def export(request: ConsoleRequest) -> HttpResponse:
    rows = Asked.of(request).sorted(status.destinations(timezone.now()))
    heading = [column.title for column in COLUMNS]
    cells = (
        [STATES[row.status][1] if column.key == "status" else column.value(row) for column in COLUMNS] for row in rows
    )
    return csv_download("delivery_status.csv", heading, cells)


@require_safe
@requires(Privilege.VIEW_STATUS)
def search(request: ConsoleRequest) -> HttpResponse:
    """Opens the details of the domain that was typed."""
    domain = request.GET.get("domain", "").strip().lower()
    if domain and "/" not in domain and status.details(domain):
        return redirect("monitor:delivery-status-details", domain)
    messages.error(request, _("No record of host: “%(domain)s”.") % {"domain": domain})
    return redirect("monitor:delivery-status")


@require_safe
@requires(Privilege.VIEW_STATUS)
def details(request: ConsoleRequest, destination: str) -> HttpResponse:
    found = _found(destination)
    state_class, state_word = STATES[found.row.status]
    context = {
        "details": found,
        "row": found.row,
        "state_class": state_class,
        "state_word": state_word,
        "as_of": timezone.now(),
        "counters": _counters(found),
        "gauges": _gauges(found),
        "hosts": _shown_hosts(found.hosts),
    }
    return render(request, "monitor/delivery_status_details.html", context)


class ShownHost:
    """One domain that is looked up under a destination, with its state and the route in force for it."""

    def __init__(self, host: HostStatus, route: tuple[RouteHost, ...]) -> None:
        self.host = host
        self.route = route
        self.state_class, self.state_word = STATES[HostStatus.Status(host.status)]


def _shown_hosts(hosts: Sequence[HostStatus]) -> list[ShownHost]:
    ensure_initial()
    in_force = running.current().value(routes)
    return [ShownHost(host, in_force.lookup(host.domain) or ()) for host in hosts]


@require_POST
@requires(Privilege.RETRY_DELIVERY)
def retry_all(request: ConsoleRequest) -> HttpResponse:
    _retry(request, None)
    return redirect("monitor:delivery-status")


@require_POST
@requires(Privilege.RETRY_DELIVERY)
def retry_one(request: ConsoleRequest, destination: str) -> HttpResponse:
    found = _found(destination)
    _retry(request, found.pairs, target=found.row.destination)
    return redirect("monitor:delivery-status-details", destination)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.RETRY_DELIVERY)
def delete_held(request: ConsoleRequest, destination: str) -> HttpResponse:
    found = _found(destination)
    url = reverse("monitor:delivery-status-details", args=[destination])
    count = found.row.held_messages
    if not count:
        return redirect(url)
    if request.method == "POST":
        _delete_held(request, destination)
        return redirect(url)
    question = ngettext(
        "Delete the held message for “%(destination)s”?", "Delete %(n)s held messages for “%(destination)s”?", count
    )
    context = {
        "title": _("Delete Held Messages"),
        "question": question % {"n": count, "destination": destination},
        "notes": [_("They are not sent again, and their senders are not told.")],
        "action": _("Delete"),
        "cancel_url": url,
    }
    return render(request, "includes/confirm.html", context)


def _delete_held(request: ConsoleRequest, destination: str) -> None:
    with transaction.atomic():
        ids, now = status.held_ids(destination), timezone.now()
        count = sum(delete(ids[at : at + DELETED_AT_ONCE], now=now) for at in range(0, len(ids), DELETED_AT_ONCE))
        record(Act.DELETE_MESSAGES, by=request.user, target=destination, size=count)
    words = ngettext("%(n)s held message was deleted.", "%(n)s held messages were deleted.", count)
    messages.success(request, words % {"n": count})


def _retry(request: ConsoleRequest, pairs: Iterable[Destination] | None, *, target: str = "") -> None:
    """None: every destination; the audit log has no target for it."""
    with transaction.atomic():
        count = queue.retry(pairs, now=timezone.now())
        record(Act.RETRY_DELIVERY, by=request.user, target=target, size=count)
    words = ngettext(
        "%(count)d delivery that was scheduled for later is up for delivery now.",
        "%(count)d deliveries that were scheduled for later are up for delivery now.",
        count,
    )
    messages.success(request, words % {"count": count})


def _found(destination: str) -> DestinationDetails:
    found = status.details(destination)
    if found is None:
        raise Http404
    return found


def _counters(found: DestinationDetails) -> list[tuple[str, int, int]]:
    """Label, depth under the line above it, number; the identities of asyncos-cli 4.2 hold."""
    row = found.row
    deleted = found.total("deleted")
    unconfirmed = [(_("Of These Unconfirmed (May Have Arrived)"), 2, row.unconfirmed_recipients)]
    return [
        (_("Soft Bounced Events"), 0, row.soft_bounced_events),
        (_("Completed Recipients"), 0, row.hard_bounced_recipients + row.delivered_recipients + deleted),
        (_("Hard Bounced Recipients"), 1, row.hard_bounced_recipients),
        (_("DNS Hard Bounces"), 2, found.total("dns_hard_bounced")),
        (_("5XX Hard Bounces"), 2, found.total("reply_hard_bounced")),
        (_("Filter Hard Bounces"), 2, found.total("filter_hard_bounced")),
        (_("Expired Hard Bounces"), 2, found.total("expired_hard_bounced")),
        (_("Other Hard Bounces"), 2, found.total("other_hard_bounced")),
        *(unconfirmed if row.unconfirmed_recipients else ()),
        (_("Delivered Recipients"), 1, row.delivered_recipients),
        (_("Deleted Recipients"), 1, deleted),
    ]


def _gauges(found: DestinationDetails) -> list[tuple[str, int, int]]:
    return [
        (_("Active Recipients"), 0, found.row.active_recipients),
        (_("Unattempted Recipients"), 1, found.unattempted_recipients),
        (_("Attempted Recipients"), 1, found.attempted_recipients),
        (_("Current Outbound Connections"), 0, found.row.connections_out),
    ]
