"""Security Services > Threat Defense Connector Settings (seg-webui 4)."""

from __future__ import annotations

from collections import Counter

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from policies.table import policy_names
from seg_console.certificates.pem import outlined
from seg_console.config import pending
from seg_console.config.views.submitting import editing, submitted
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest
from tdc.choices import Choices, connector_settings
from tdc.document import CONNECTOR
from tdc.forms import SettingsForm
from tdc.models import ConnectorSettings
from tdc.queue_line import queue_line

FIELDS = (
    "enabled",
    "message_intake_address",
    "verify_certificate",
    "ca_certificates",
    "messages_per_connection",
    "add_sender_ip_header",
)


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def settings_page(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    choices = Choices.of(shown)
    usage = [choices.use(uid, name) for uid, name in policy_names(shown).items()]
    now = timezone.now()
    context = {
        "connector": choices.settings,
        "authorities": [(one, one.is_valid(now)) for one in outlined(choices.settings.ca_certificates)],
        "usage": usage,
        "counts": Counter(use.goes for use in usage),
        "queue": queue_line(),
    }
    return render(request, "tdc/settings.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(SettingsForm)
def edit_settings(request: ConsoleRequest) -> HttpResponse:
    present = connector_settings(pending.shown_to(request.user))
    editing(request, present)
    if request.method != "POST":
        initial = {name: getattr(present, name) for name in FIELDS}
        # Whoever comes by “Enable…” means to enable it.
        initial["enabled"] = present.enabled or "enable" in request.GET
        return render(request, "tdc/edit_settings.html", {"form": SettingsForm(initial=initial)})
    form = SettingsForm(request.POST, request.FILES)
    if form.is_valid():
        row = ConnectorSettings(uid=CONNECTOR.fixed_uid, **{name: form.cleaned_data[name] for name in FIELDS})
        if submitted(request, form, row, success=_("The Threat Defense Connector settings were changed.")):
            return redirect("tdc:settings")
    return render(request, "tdc/edit_settings.html", {"form": form}, status=422)
