"""Network > Incoming Relays: whose headers say who sent a message."""

from __future__ import annotations

import uuid
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.config.views.submitting import editing, submitted
from seg_console.gateway.document import INCOMING_RELAY_SETTINGS, MOST_RELAYS
from seg_console.gateway.forms import IncomingRelayForm, IncomingRelaySettingsForm
from seg_console.gateway.models import ClientIn, IncomingRelay, IncomingRelaySettings
from seg_console.privileges import Privilege
from seg_console.tables.deleting import delete_page
from seg_console.tables.paging import page_of
from seg_console.tables.rows import changed, find
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def relay_list(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    page = page_of(
        request,
        IncomingRelay.objects.filter(configuration=shown),
        label=_("Relay Name begins with"),
        lookup="name__istartswith",
        by="name",
    )
    settings = _settings(shown)
    pending_uids = changed(shown, page.rows)
    context = {
        "rows": [_shown(row, pending_uids) for row in page.rows],
        "is_enabled": settings.enabled,
        "is_pending": bool(changed(shown, [settings])),
        **page.context(),
    }
    return render(request, "gateway/incoming_relays.html", context, status=page.form.status)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(IncomingRelayForm)
def add(request: ConsoleRequest) -> HttpResponse:
    return _edit(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(IncomingRelayForm)
def edit(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    return _edit(request, find(IncomingRelay, pending.shown_to(request.user), uid))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def delete(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    relay = find(IncomingRelay, pending.shown_to(request.user), uid)
    return delete_page(
        request,
        relay,
        title=_("Delete Incoming Relay"),
        question=_("Delete incoming relay “%(name)s”?") % {"name": relay.name},
        note=_(
            "It is taken for the sender of its messages itself when you commit, unless a wider row has its address."
        ),
        success=_("Incoming relay “%(name)s” was deleted.") % {"name": relay.name},
        list_view="incoming-relays:list",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(IncomingRelaySettingsForm)
def edit_global_settings(request: ConsoleRequest) -> HttpResponse:
    present = _settings(pending.shown_to(request.user))
    editing(request, present)
    data = request.POST if request.method == "POST" else None
    form = IncomingRelaySettingsForm(data, initial={"enabled": present.enabled})
    if form.is_bound and form.is_valid():
        row = IncomingRelaySettings(uid=INCOMING_RELAY_SETTINGS.fixed_uid, **form.cleaned_data)
        if submitted(request, form, row, success=_("The global settings of Incoming Relays were changed.")):
            return redirect("incoming-relays:list")
    context = {
        "title": _("Edit Incoming Relays Global Settings"),
        "box_title": _("Global Settings"),
        "form": form,
        "cancel_url": reverse("incoming-relays:list"),
    }
    return render(request, "includes/simple_form.html", context, status=422 if form.errors else 200)


def _edit(request: ConsoleRequest, relay: IncomingRelay | None) -> HttpResponse:
    editing(request, relay)
    if request.method != "POST":
        initial = {name: getattr(relay, name) for name in IncomingRelay.value_fields()} if relay else {}
        return _edit_page(request, relay, IncomingRelayForm(initial=initial))
    form = IncomingRelayForm(request.POST)
    if form.is_valid() and not relay and _is_full(request):
        form.add_error(None, _("The table is full: it holds %(most)s relays.") % {"most": MOST_RELAYS})
    if form.is_valid():
        row = IncomingRelay(uid=relay.uid if relay else uuid.uuid4(), **form.cleaned_data)
        words = _("Incoming relay “%(name)s” was changed.") if relay else _("Incoming relay “%(name)s” was added.")
        if submitted(request, form, row, success=words % {"name": row.name}):
            return redirect("incoming-relays:list")
    return _edit_page(request, relay, form, status=422)


def _edit_page(
    request: ConsoleRequest, relay: IncomingRelay | None, form: IncomingRelayForm, *, status: int = 200
) -> HttpResponse:
    context = {
        "title": _("Edit Incoming Relay") if relay else _("Add Incoming Relay"),
        "form": form,
        "cancel_url": reverse("incoming-relays:list"),
    }
    return render(request, "includes/simple_form.html", context, status=status)


def _shown(row: IncomingRelay, pending_uids: set[UUID]) -> dict[str, Any]:
    in_received = _("Received header, hop %(hop)s") % {"hop": row.hop}
    return {
        "uid": row.uid,
        "name": row.name,
        "address": row.address,
        "client_in": in_received if row.client_in == ClientIn.RECEIVED else row.header,
        "is_pending": row.uid in pending_uids,
    }


def _settings(configuration: Configuration) -> IncomingRelaySettings:
    """The initial values in a set that is older than the model."""
    found = IncomingRelaySettings.objects.filter(configuration=configuration).first()
    return found or IncomingRelaySettings(uid=INCOMING_RELAY_SETTINGS.fixed_uid)


def _is_full(request: ConsoleRequest) -> bool:
    return IncomingRelay.objects.filter(configuration=pending.shown_to(request.user)).count() >= MOST_RELAYS
