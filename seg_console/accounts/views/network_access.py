"""System Administration > Network Access (seg-webui 2.4)."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.accounts.document import NETWORK_ACCESS
from seg_console.accounts.forms.network_access import NetworkAccessForm
from seg_console.accounts.models import NetworkAccess
from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.config.views.submitting import editing, submitted
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def summary(request: ConsoleRequest) -> HttpResponse:
    return render(request, "accounts/network_access.html", {"access": _shown(pending.shown_to(request.user))})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(NetworkAccessForm)
def edit(request: ConsoleRequest) -> HttpResponse:
    context = {
        "title": _("Edit Network Access"),
        "box_title": _("Network Access"),
        "cancel_url": reverse("accounts:network-access"),
    }
    present = _shown(pending.shown_to(request.user))
    editing(request, present)
    if request.method != "POST":
        form = NetworkAccessForm(initial={"web_ui_inactivity_timeout": present.web_ui_inactivity_timeout})
        return render(request, "includes/simple_form.html", context | {"form": form})
    form = NetworkAccessForm(request.POST)
    if form.is_valid():
        row = NetworkAccess(uid=NETWORK_ACCESS.fixed_uid, **form.cleaned_data)
        if submitted(request, form, row, success=_("The network access settings were changed.")):
            return redirect("accounts:network-access")
    return render(request, "includes/simple_form.html", context | {"form": form}, status=422)


def _shown(configuration: Configuration) -> NetworkAccess:
    found = NetworkAccess.objects.filter(configuration=configuration).first()
    return found or NetworkAccess(uid=NETWORK_ACCESS.fixed_uid)
