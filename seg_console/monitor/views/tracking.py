"""Monitor > Message Tracking (seg-webui 6)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from seg_console.accounts.models import User
from seg_console.accounts.preferences import time_range_of
from seg_console.mail import tracking
from seg_console.mail.tracking import Cursor, Hit
from seg_console.monitor.forms.tracking import TrackingForm
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.partials import page_or_partial
from seg_console.ui.requests import ConsoleRequest
from seg_console.ui.searches import CUSTOM, LAST_DAY, LAST_WEEK, LONGEST_ADDRESS, LONGEST_TEXT, with_trail
from seg_console.ui.spreadsheet import csv_download
from seg_console.ui.times import tracking_time

MOST_EXPORTED = 1000
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNBOUND = {"sender_operator": "begins_with", "recipient_operator": "begins_with", "subject_operator": "begins_with"}
# What the search begins with where the account's time range is longer than the shortest that tracking has.
RECEIVED = {"week": LAST_WEEK}


def cursor_text(cursor: Cursor) -> str:
    """A cursor as it stands in a link: microseconds since 1970 and the MID."""
    return f"{(cursor.received_at - EPOCH) // timedelta(microseconds=1)}-{cursor.root_mid}"


def cursor_from(text: str) -> Cursor | None:
    """The cursor of a link; None where somebody has changed the link by hand."""
    moment, dash, mid = text.partition("-")
    if not (dash and moment.isdecimal() and mid.isdecimal() and len(moment) < 17 and len(mid) < 19):
        return None
    return Cursor(received_at=EPOCH + timedelta(microseconds=int(moment)), root_mid=int(mid))


@require_safe
@requires(Privilege.VIEW_TRACKING)
def search(request: ConsoleRequest) -> HttpResponse:
    if "search" not in request.GET:
        form = TrackingForm(initial=_defaults(request.user))
        return render(request, "monitor/message_tracking.html", {"form": form, "oldest": tracking.oldest()})
    form = TrackingForm(_with_defaults(request.GET, request.user))
    context: dict[str, Any] = {"form": form, "oldest": tracking.oldest()}
    if not form.is_valid():
        return render(request, "monitor/message_tracking.html", context, status=422)
    # Each page turned adds its cursor, so that Previous drops the last one: paging both ways by key, never by offset.
    trail = [text for text in request.GET.getlist("after") if cursor_from(text)]
    now = timezone.now()
    page = tracking.search(form.query(now), after=cursor_from(trail[-1]) if trail else None, limit=form.page_size)
    context |= {
        "page": page,
        "generated_at": now,
        "hits": [ShownHit(hit, request.GET) for hit in page.hits],
        "first_url": _with_trail(request, []) if trail else "",
        "previous_url": _with_trail(request, trail[:-1]) if trail else "",
        "next_url": _with_trail(request, [*trail, cursor_text(page.following)]) if page.following else "",
        "export_url": f"{reverse('monitor:message-tracking-export')}?{_bare(request.GET).urlencode()}",
    }
    return page_or_partial(request, "monitor/message_tracking.html", "results", context)


class ShownHit:
    """A hit with the links that narrow the search by its values."""

    def __init__(self, hit: Hit, asked: QueryDict) -> None:
        self.hit = hit
        self._asked = asked

    @property
    def sender_url(self) -> str:
        return self._narrowed("sender", self.hit.sender)

    @property
    def recipient_urls(self) -> list[tuple[str, str]]:
        return [(address, self._narrowed("recipient", address)) for address in self.hit.recipients]

    @property
    def subject_url(self) -> str:
        if not self.hit.subject:
            return self._narrowed("subject", "", operator="is_empty")
        return self._narrowed("subject", self.hit.subject)

    def _narrowed(self, name: str, value: str, *, operator: str = "is") -> str:
        """The search narrowed to this value; to its beginning where the whole does not fit the field, or holds control
        characters, which do not stand in one."""
        query = _bare(self._asked)
        longest = LONGEST_TEXT if name == "subject" else LONGEST_ADDRESS
        query[name] = _CONTROL.split(value, maxsplit=1)[0][:longest]
        query[f"{name}_operator"] = operator if query[name] == value else "begins_with"
        return f"?{query.urlencode()}"


@require_safe
@requires(Privilege.VIEW_TRACKING)
def export(request: ConsoleRequest) -> HttpResponse:
    form = TrackingForm(_with_defaults(request.GET, request.user))
    if not form.is_valid():
        raise Http404
    page = tracking.search(form.query(timezone.now()), limit=MOST_EXPORTED)
    heading = [
        _("Received"),
        _("MID"),
        _("ICID"),
        _("Envelope Sender"),
        _("Envelope Recipients"),
        _("Subject"),
        _("Message ID Header"),
        _("Sender IP Address"),
        _("Message Size"),
        _("Incoming Policy Match"),
        _("Last State"),
    ]
    return csv_download("message_tracking.csv", heading, _rows(page.hits))


@require_safe
@requires(Privilege.VIEW_TRACKING)
def details(request: ConsoleRequest, mid: int) -> HttpResponse:
    all_events = request.GET.get("events") == "all"
    found = tracking.details(mid, all_connector_events=all_events)
    if found is None:
        raise Http404
    context = {"details": found, "hit": found.hit, "all_events": all_events, "host_name": settings.SEG_HOSTNAME}
    return page_or_partial(request, "monitor/message_details.html", "processing", context)


def _rows(hits: list[Hit]) -> Iterator[list[object]]:
    for hit in hits:
        yield [
            tracking_time(hit.received_at),
            " ".join(str(mid) for mid in hit.mids),
            hit.icid,
            hit.sender,
            " ".join(hit.recipients),
            hit.subject or "",
            hit.message_id,
            hit.remote_ip,
            hit.size,
            ", ".join(hit.policies),
            hit.last_state,
        ]


def _defaults(user: User) -> dict[str, str]:
    """What holds for this account where the search does not say."""
    return UNBOUND | {"received": RECEIVED.get(time_range_of(user), LAST_DAY), "items": str(user.rows)}


def _with_defaults(asked: QueryDict, user: User) -> QueryDict:
    """A link may name only what it narrows; the form still shows what holds for the rest."""
    query = asked.copy()
    for name, value in _defaults(user).items():
        query.setdefault(name, value)
    return query


def _bare(asked: QueryDict) -> QueryDict:
    """The search without its place in the pages, and without a custom range's fields where another range is chosen."""
    query = asked.copy()
    query.pop("after", None)
    if query.get("received") != CUSTOM:
        query.pop("start", None)
        query.pop("end", None)
    return query


def _with_trail(request: ConsoleRequest, trail: list[str]) -> str:
    return with_trail(request.path, _bare(request.GET), trail)
