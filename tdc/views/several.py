"""One choice for several policies: tick them, choose, look at what changes, submit it all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from policies.table import DEFAULT_UID, policy_names
from seg_console.config import pending
from seg_console.config.views.submitting import submitted
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest
from tdc.choices import Choices, Said, changes, preview, warning
from tdc.forms import SeveralForm


@dataclass(frozen=True, slots=True)
class Tickable:
    """One policy on the page: what it has now, and whether it is ticked."""

    uid: UUID
    name: str
    text: str
    detail: str
    is_ticked: bool


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(SeveralForm)
def change_policies(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    names, choices = policy_names(shown), Choices.of(shown)
    ticked = [uid for uid in names if str(uid) in set(request.POST.getlist("policy"))]
    if request.method != "POST":
        return _tick_page(request, SeveralForm(), names, choices, ticked)
    if "choose" in request.POST:  # from the policies table, with ticks and nothing chosen yet
        form = SeveralForm()
        if ticked:
            return _tick_page(request, form, names, choices, ticked)
        return _tick_page(request, form, names, choices, ticked, refusal=_nothing_ticked(), status=422)
    form = SeveralForm(request.POST, has_default_policy=DEFAULT_UID in ticked)
    if not form.is_valid() or not ticked:
        refusal = "" if ticked else _nothing_ticked()
        return _tick_page(request, form, names, choices, ticked, refusal=refusal, status=422)
    if "change" in request.POST:
        return _tick_page(request, form, names, choices, ticked)
    new = Said(form.cleaned_data["mode"], form.cleaned_data["address"])
    if "submit" not in request.POST:
        return _preview_page(request, form, {uid: names[uid] for uid in ticked}, choices, new)
    rows = changes(choices, ticked, new)
    if not rows:
        messages.info(request, _("The ticked policies have this choice already; nothing was changed."))
        return redirect("policies:list")
    success = ngettext(
        "The Threat Defense Connector of %(n)d policy was changed.",
        "The Threat Defense Connector of %(n)d policies was changed.",
        len(rows),
    )
    if not submitted(request, form, *rows, success=success % {"n": len(rows)}):
        return _tick_page(request, form, names, choices, ticked, status=422)
    if warned := warning(shown, {row.policy_uid: names[row.policy_uid] for row in rows}, new):
        messages.warning(request, warned)
    return redirect("policies:list")


def _nothing_ticked() -> str:
    return _("No policy is ticked. Tick those to change, then go on.")


def _tick_page(
    request: ConsoleRequest,
    form: SeveralForm,
    names: Mapping[UUID, str],
    choices: Choices,
    ticked: Sequence[UUID],
    *,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    rows = []
    for uid, name in names.items():
        _state, text, detail = choices.said(uid).words()
        rows.append(Tickable(uid, name, text, detail, uid in ticked))
    context = choices.of_service() | {"form": form, "rows": rows, "refusal": refusal}
    return render(request, "tdc/change_policies.html", context, status=status)


def _preview_page(
    request: ConsoleRequest, form: SeveralForm, ticked: Mapping[UUID, str], choices: Choices, new: Said
) -> HttpResponse:
    rows = preview(choices, ticked, new)
    context = {"form": form, "rows": rows, "ticked": list(ticked), "count": sum(row.is_changed for row in rows)}
    return render(request, "tdc/change_policies_preview.html", context)
