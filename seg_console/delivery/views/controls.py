"""Mail Policies > Destination Controls (seg-webui 8.1)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.certificates.models import names_in
from seg_console.config import pending
from seg_console.config.forms import TextFileForm
from seg_console.config.models import Configuration
from seg_console.config.views.submitting import editing, submitted
from seg_console.delivery.document import DESTINATION_CONTROL_SETTINGS
from seg_console.delivery.document import Control as ControlShape
from seg_console.delivery.forms.controls import (
    ControlForm,
    GlobalSettingsForm,
    initial_of,
    initial_of_default,
    profile_in_words,
    recipients_in_words,
    use_default,
)
from seg_console.delivery.forms.problems import checked
from seg_console.delivery.models import (
    ALL,
    ConversionSupport,
    DestinationControl,
    DestinationControlSettings,
    IpSupport,
    NamedBounceProfile,
    TlsSupport,
)
from seg_console.delivery.running import Control, default_control
from seg_console.delivery.views import control_files
from seg_console.privileges import Privilege
from seg_console.tables.deleting import delete_page
from seg_console.tables.files import export_file, import_file
from seg_console.tables.paging import page_of
from seg_console.tables.rows import changed, find
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest


@dataclass(frozen=True, slots=True)
class ShownControl:
    """One row in words. `uid`: None for the default row that nobody has made yet."""

    uid: UUID | None
    name: str
    ip_preference: str
    connections: str
    messages: str
    per_transaction: str
    recipients: str
    tls: str
    conversion: str
    bounce_profile: str
    is_pending: bool


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def show(request: ConsoleRequest) -> HttpResponse:
    """Sorted by domain and paged by it, the default row last on each page."""
    shown = pending.shown_to(request.user)
    page = page_of(
        request,
        DestinationControl.objects.filter(configuration=shown).exclude(domain=ALL),
        label=_("Destination begins with"),
        lookup="domain__istartswith",
        by="domain",
    )
    default_row = _default_row(shown)
    pending_uids = changed(shown, [*page.rows, *([default_row] if default_row else [])])
    default, global_settings = default_control(default_row), _global_settings(shown)
    context = {
        "rows": [_shown(row, default, is_pending=row.uid in pending_uids) for row in page.rows],
        "default": _shown_default(default_row, default, pending_uids),
        "certificate": global_settings.certificate,
        "is_pending": bool(changed(shown, [global_settings])),
        **page.context(),
    }
    return render(request, "delivery/destination_controls.html", context, status=page.form.status)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(ControlForm)
def add(request: ConsoleRequest) -> HttpResponse:
    return _edit(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(ControlForm)
def edit(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    row = find(DestinationControl, pending.shown_to(request.user), uid)
    return redirect("destination-controls:edit-default") if row.domain == ALL else _edit(request, row)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(ControlForm)
def edit_default(request: ConsoleRequest) -> HttpResponse:
    """The row for all other destinations; it is made when it is first changed."""
    shown = pending.shown_to(request.user)
    row = _default_row(shown)
    data = request.POST if request.method == "POST" else None
    initial = initial_of_default(default_control(row))
    form = ControlForm(data, initial=initial, default=Control(), profiles=_profiles(shown), is_default=True)
    return _answer(request, form, row, title=_("Edit Default Destination Controls"))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(GlobalSettingsForm)
def edit_global_settings(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    names = names_in(shown)
    present = _global_settings(shown)
    editing(request, present)
    chosen = present.certificate.casefold()
    # A loaded document may have named it in another spelling.
    initial = {"certificate": next((name for name in names if name.casefold() == chosen), "")}
    form = GlobalSettingsForm(request.POST if request.method == "POST" else None, initial=initial, certificates=names)
    if form.is_bound and form.is_valid():
        row = DestinationControlSettings(uid=DESTINATION_CONTROL_SETTINGS.fixed_uid, **form.cleaned_data)
        if submitted(request, form, row, success=_("The global settings of Destination Controls were changed.")):
            return redirect("destination-controls:list")
    context = {
        "title": _("Edit Destination Controls Global Settings"),
        "box_title": _("Global Settings"),
        "form": form,
        "cancel_url": reverse("destination-controls:list"),
    }
    return render(request, "includes/simple_form.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def delete(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    row = find(DestinationControl, pending.shown_to(request.user), uid)
    if row.domain == ALL:
        raise Http404
    return delete_page(
        request,
        row,
        title=_("Delete Destination"),
        question=_("Delete “%(name)s” from Destination Controls?") % {"name": row.domain},
        note=_("Its mail follows a wider row or the default one when you commit."),
        success=_("The destination “%(name)s” was deleted.") % {"name": row.domain},
        list_view="destination-controls:list",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(TextFileForm)
def import_table(request: ConsoleRequest) -> HttpResponse:
    return import_file(request, control_files.FILE)


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def export_table(request: ConsoleRequest) -> HttpResponse:
    return export_file(request, control_files.FILE)


def _edit(request: ConsoleRequest, row: DestinationControl | None) -> HttpResponse:
    shown = pending.shown_to(request.user)
    default = default_control(_default_row(shown))
    data = request.POST if request.method == "POST" else None
    form = ControlForm(data, initial=initial_of(row), default=default, profiles=_profiles(shown))
    return _answer(request, form, row, title=_("Edit Destination") if row else _("Add Destination"))


def _answer(request: ConsoleRequest, form: ControlForm, row: DestinationControl | None, *, title: str) -> HttpResponse:
    editing(request, row)
    control = checked(form, ControlShape, form.plain()) if form.is_bound and form.is_valid() else None
    if control and submitted(request, form, _row(control, row), success=_words(control, row)):
        return redirect("destination-controls:list")
    context: dict[str, Any] = {"title": title, "form": form}
    return render(request, "delivery/edit_control.html", context, status=422 if form.errors else 200)


def _row(control: ControlShape, old: DestinationControl | None) -> DestinationControl:
    return DestinationControl(uid=old.uid if old else uuid.uuid4(), **control.model_dump(mode="json"))


def _words(control: ControlShape, old: DestinationControl | None) -> str:
    if control.domain == ALL:
        return _("The default destination controls were changed.")
    words = _("The destination “%(name)s” was changed.") if old else _("The destination “%(name)s” was added.")
    return words % {"name": control.domain}


def _default_row(shown: Configuration) -> DestinationControl | None:
    return DestinationControl.objects.filter(configuration=shown, domain=ALL).first()


def _global_settings(shown: Configuration) -> DestinationControlSettings:
    """The initial values in a set that is older than the model."""
    found = DestinationControlSettings.objects.filter(configuration=shown).first()
    return found or DestinationControlSettings(uid=DESTINATION_CONTROL_SETTINGS.fixed_uid)


def _profiles(shown: Configuration) -> list[str]:
    profiles = NamedBounceProfile.objects.filter(configuration=shown).order_by("name")
    return list(profiles.values_list("name", flat=True))


def _shown(row: DestinationControl, default: Control, *, is_pending: bool) -> ShownControl:
    recipients = recipients_in_words(default.max_recipients, default.recipients_minutes)
    ip, tls = IpSupport(default.ip_preference).label, TlsSupport(default.tls).label
    conversion = ConversionSupport(default.conversion).label
    return ShownControl(
        uid=row.uid,
        name=row.domain,
        ip_preference=use_default(ip) if row.ip_preference == IpSupport.DEFAULT else row.get_ip_preference_display(),
        connections=_number(row.max_connections, default.max_connections),
        messages=_number(row.max_messages_per_connection, default.max_messages_per_connection),
        per_transaction=_number(row.max_recipients_per_transaction, default.max_recipients_per_transaction),
        recipients=use_default(recipients)
        if row.max_recipients is None
        else recipients_in_words(row.max_recipients, row.recipients_minutes),
        tls=use_default(tls) if row.tls == TlsSupport.DEFAULT else row.get_tls_display(),
        conversion=use_default(conversion)
        if row.conversion == ConversionSupport.DEFAULT
        else row.get_conversion_display(),
        bounce_profile=profile_in_words(row.bounce_profile)
        if row.bounce_profile
        else use_default(profile_in_words(default.bounce_profile)),
        is_pending=is_pending,
    )


def _shown_default(row: DestinationControl | None, default: Control, pending_uids: set[UUID]) -> ShownControl:
    return ShownControl(
        uid=row.uid if row else None,
        name=_("Default"),
        ip_preference=str(IpSupport(default.ip_preference).label),
        connections=str(default.max_connections),
        messages=str(default.max_messages_per_connection),
        per_transaction=str(default.max_recipients_per_transaction),
        recipients=recipients_in_words(default.max_recipients, default.recipients_minutes),
        tls=str(TlsSupport(default.tls).label),
        conversion=str(ConversionSupport(default.conversion).label),
        bounce_profile=profile_in_words(default.bounce_profile),
        is_pending=row is not None and row.uid in pending_uids,
    )


def _number(value: int | None, default: int) -> str:
    return use_default(default) if value is None else str(value)
