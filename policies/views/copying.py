"""Copying a policy."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from policies.changes import member_rows, members_of, policy_rows
from policies.forms import PolicyForm
from policies.models import IncomingMailPolicy
from policies.services import services
from policies.table import in_order, member_of
from policies.views.shared import name_and_place, tell_unreached, uids_and_names, unreached
from seg_console.config import pending
from seg_console.config.views.submitting import submitted
from seg_console.privileges import Privilege
from seg_console.tables.rows import find
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(PolicyForm)
def copy(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    """A new policy with the users of another one and what it has of each service, before or after it or elsewhere."""
    shown = pending.shown_to(request.user)
    original, all_policies = find(IncomingMailPolicy, shown, uid), in_order(shown)
    named = uids_and_names(all_policies)
    if request.method != "POST":
        behind = name_and_place(original, all_policies)["before"]
        form = PolicyForm(others=named, initial={"name": _free_name(original, all_policies), "before": behind})
        return _copy_page(request, form, original)
    form = PolicyForm(request.POST, others=named)
    if form.is_valid():
        copied, before = uuid.uuid4(), unreached(shown)
        name, behind = form.cleaned_data["name"], form.cleaned_data["before"]
        rows = policy_rows(copied, all_policies, name=name, before=behind, old=None)
        members = member_rows(copied, [member_of(row) for row in members_of(shown, original)], [])
        chosen = [row for service in services() for row in service.copied(shown, source=uid, target=copied)]
        names = {"name": name, "original": original.name}
        success = _("Policy “%(name)s” was added as a copy of “%(original)s”.") % names
        if submitted(request, form, *rows, *members, *chosen, success=success):
            tell_unreached(request, before, also=copied)
            return redirect("policies:list")
    return _copy_page(request, form, original, status=422)


def _copy_page(
    request: ConsoleRequest, form: PolicyForm, original: IncomingMailPolicy, *, status: int = 200
) -> HttpResponse:
    context = {
        "title": _("Copy Policy “%(name)s”") % {"name": original.name},
        "box_title": _("New Policy"),
        "form": form,
        "cancel_url": reverse("policies:list"),
    }
    return render(request, "includes/simple_form.html", context, status=status)


def _free_name(original: IncomingMailPolicy, all_policies: Sequence[IncomingMailPolicy]) -> str:
    """A name that no policy has: the original's and a number."""
    taken = {policy.name.casefold() for policy in all_policies}
    stem = original.name[:58]
    return next(name for number in range(2, len(taken) + 3) if (name := f"{stem} {number}").casefold() not in taken)
