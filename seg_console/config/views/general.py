"""System Administration > General Settings."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.config import pending
from seg_console.config.forms import GeneralSettingsForm
from seg_console.config.general import GENERAL_SETTINGS, general_settings
from seg_console.config.models import GeneralSettings
from seg_console.config.views.submitting import editing, submitted
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def show(request: ConsoleRequest) -> HttpResponse:
    shown = general_settings(pending.shown_to(request.user))
    return render(request, "config/general_settings.html", {"general": shown})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(GeneralSettingsForm)
def edit(request: ConsoleRequest) -> HttpResponse:
    present = general_settings(pending.shown_to(request.user))
    editing(request, present)
    initial = {"comment_required": present.comment_required}
    form = GeneralSettingsForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_bound and form.is_valid():
        row = GeneralSettings(uid=GENERAL_SETTINGS.fixed_uid, **form.cleaned_data)
        if submitted(request, form, row, success=_("The general settings were changed.")):
            return redirect("configuration:general-settings")
    context = {
        "title": _("Edit General Settings"),
        "box_title": _("General Settings"),
        "form": form,
        "cancel_url": reverse("configuration:general-settings"),
    }
    return render(request, "includes/simple_form.html", context, status=422 if form.errors else 200)
