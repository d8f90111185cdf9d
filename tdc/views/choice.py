"""The choice of one policy: as a page, or for htmx in the cell of the policies table."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from policies.table import DEFAULT_UID, policy_name
from seg_console.config import pending
from seg_console.config.views.submitting import editing, submitted
from seg_console.mail.addresses import readable
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.partials import wants_partial
from seg_console.ui.requests import ConsoleRequest
from tdc.choices import Choices, Said, warning
from tdc.forms import ChoiceForm
from tdc.service import CONNECTOR_SERVICE


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(ChoiceForm)
def policy_choice(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    shown = pending.shown_to(request.user)
    name = policy_name(shown, uid)
    if name is None:
        raise Http404
    choices = Choices.of(shown)
    if wants_partial(request) and "cancel" in request.GET:
        return _cell(request, uid, name, "policies/service_cell.html")
    editing(request, choices.said(uid).row(uid))
    form = _form(request, uid, choices)
    if request.method != "POST":
        return _page(request, form, uid=uid, name=name, choices=choices)
    if not form.is_valid():
        return _page(request, form, uid=uid, name=name, choices=choices, status=422)
    new = Said(form.cleaned_data["mode"], form.cleaned_data["address"])
    success = _("The Threat Defense Connector of policy “%(name)s” was changed.") % {"name": name}
    if not submitted(request, form, new.row(uid), success=success):
        return _page(request, form, uid=uid, name=name, choices=choices, status=422)
    if warned := warning(shown, {uid: name}, new):
        messages.warning(request, warned)
    given_up = choices.said(uid).address
    if given_up and not new.address:
        sentence = _("The custom address %(address)s went with the choice that it belonged to.")
        messages.info(request, sentence % {"address": readable(given_up)})
    if wants_partial(request):
        return _cell(request, uid, name, "policies/service_cell_saved.html")
    return redirect("policies:list")


def _form(request: ConsoleRequest, uid: UUID, choices: Choices) -> ChoiceForm:
    # Several cells may be open at once: their controls need ids of their own.
    auto_id = f"id_{uid}_%s"
    data = request.POST if request.method == "POST" else None
    present = choices.said(uid)._asdict()
    return ChoiceForm(data, initial=present, auto_id=auto_id, is_default_policy=uid == DEFAULT_UID)


def _page(
    request: ConsoleRequest, form: ChoiceForm, *, uid: UUID, name: str, choices: Choices, status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "service": CONNECTOR_SERVICE.name,
        "uid": uid,
        "policy_name": name,
        "form_url": CONNECTOR_SERVICE.page_for(uid),
        "copies_to": choices.use(uid, name).address,
        **choices.of_service(),
    }
    template = "tdc/policy_choice.html"
    response = render(request, f"{template}#cell-form" if wants_partial(request) else template, context, status=status)
    response["Vary"] = "HX-Request"
    return response


def _cell(request: ConsoleRequest, uid: UUID, name: str, template: str) -> HttpResponse:
    shown = pending.shown_to(request.user)
    began = shown.based_on if shown.number is None else None
    cell = CONNECTOR_SERVICE.cells({uid: name}, shown, began, may_change=True)[uid]
    return render(request, template, {"cell": cell, "take_focus": True})
