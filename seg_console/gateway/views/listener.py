"""Network > Listeners (seg-webui 8.3): there is one; its address is the environment's, its limits are configuration."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.accounts.roles import Privilege
from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.gateway.document import LISTENER
from seg_console.gateway.forms import ListenerForm
from seg_console.gateway.listener import INTERFACE
from seg_console.gateway.models import Certificate, ListenerSettings
from seg_console.ui.access import requires
from seg_console.ui.requests import ConsoleRequest
from seg_console.ui.submitting import submitted


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def show(request: ConsoleRequest) -> HttpResponse:
    context = {
        "listener": _settings(pending.shown_to(request.user)),
        "interface": INTERFACE,
        "host": settings.SEG_SMTP_HOST,
        "port": settings.SEG_SMTP_PORT,
        "hostname": settings.SEG_HOSTNAME,
    }
    return render(request, "gateway/listener.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def edit(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    names = sorted(Certificate.objects.filter(configuration=shown).values_list("name", flat=True), key=str.casefold)
    if request.method == "POST":
        form = ListenerForm(request.POST, certificates=names)
        if form.is_valid():
            row = ListenerSettings(uid=LISTENER.fixed_uid, **form.cleaned_data)
            if submitted(request, form, row, success=_("The listener was changed.")):
                return redirect("listeners:show")
    else:
        present = _settings(shown)
        initial = {name: getattr(present, name) for name in ListenerSettings.value_fields()}
        form = ListenerForm(certificates=names, initial=initial)
    context = {
        "title": _("Edit Listener"),
        "box_title": _("Listener: %(name)s") % {"name": INTERFACE},
        "form": form,
        "cancel_url": reverse("listeners:show"),
    }
    return render(request, "includes/simple_form.html", context, status=422 if form.errors else 200)


def _settings(configuration: Configuration) -> ListenerSettings:
    found = ListenerSettings.objects.filter(configuration=configuration).first()
    return found or ListenerSettings(uid=LISTENER.fixed_uid)
