"""Network > Listeners (seg-webui 8.3): there is one, with its address, its limits and its certificate."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.certificates.models import names_in
from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.config.views.submitting import editing, submitted
from seg_console.gateway.document import LISTENER
from seg_console.gateway.forms import ListenerForm
from seg_console.gateway.listener import INTERFACE
from seg_console.gateway.models import ListenerSettings
from seg_console.gateway.place import is_reachable, place_of
from seg_console.gateway.views.listening import listening_now
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest

ADDRESS_LISTS = ("proxies", "health_checks")


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def show(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    listener = _settings(shown)
    reachable = is_reachable(listener.address)
    context = {
        "listener": listener,
        "place": place_of(listener.address, listener.port),
        "reachable": reachable,
        # Only what is not live yet is worth a warning: afterwards it is as somebody wanted it.
        "opens": reachable and shown.number is None and listener.address != _settings(pending.committed()).address,
        "listening": listening_now(timezone.now()),
        "interface": INTERFACE,
        "hostname": settings.SEG_HOSTNAME,
    }
    return render(request, "gateway/listener.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(ListenerForm)
def edit(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    present = _settings(shown)
    editing(request, present)
    if request.method == "POST":
        form = ListenerForm(request.POST, certificates=names_in(shown))
        if form.is_valid():
            row = ListenerSettings(uid=LISTENER.fixed_uid, **form.cleaned_data)
            if submitted(request, form, row, success=_("The listener was changed.")):
                return redirect("listeners:show")
    else:
        initial = {name: getattr(present, name) for name in ListenerSettings.value_fields()}
        initial |= {name: "\n".join(initial[name]) for name in ADDRESS_LISTS}
        form = ListenerForm(certificates=names_in(shown), initial=initial)
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
