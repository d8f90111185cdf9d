"""Network > DNS."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.config.views.submitting import editing, submitted
from seg_console.delivery.document import DNS
from seg_console.delivery.forms.dns import DnsForm, server_lines
from seg_console.delivery.models import DnsSettings
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def show(request: ConsoleRequest) -> HttpResponse:
    settings = _settings(pending.shown_to(request.user))
    context = {"servers": server_lines(settings.servers), "timeout": settings.timeout}
    return render(request, "delivery/dns.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(DnsForm)
def edit(request: ConsoleRequest) -> HttpResponse:
    settings = _settings(pending.shown_to(request.user))
    editing(request, settings)
    initial = {"servers": "\n".join(server_lines(settings.servers)), "timeout": settings.timeout}
    form = DnsForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_bound and form.is_valid():
        row = DnsSettings(uid=DNS.fixed_uid, **form.cleaned_data)
        if submitted(request, form, row, success=_("The DNS settings were changed.")):
            return redirect("dns:settings")
    context = {
        "title": _("Edit DNS Settings"),
        "box_title": _("DNS Server Settings"),
        "form": form,
        "cancel_url": reverse("dns:settings"),
    }
    return render(request, "includes/simple_form.html", context, status=422 if form.errors else 200)


def _settings(shown: Configuration) -> DnsSettings:
    """The initial values in a set that is older than the model."""
    found = DnsSettings.objects.filter(configuration=shown).first()
    return found or DnsSettings(uid=DNS.fixed_uid)
