"""Deleting a policy, after a question."""

from __future__ import annotations

from uuid import UUID

from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from policies.views.shared import policy_or_404
from seg_console.config import pending
from seg_console.config.views.submitting import submitted
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.requests import ConsoleRequest


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def delete(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    policy = policy_or_404(pending.shown_to(request.user), uid)
    form = Form(request.POST)
    if request.method == "POST":
        success = _("Policy “%(name)s” was deleted.") % {"name": policy.name}
        if submitted(request, form, remove=[policy], success=success):
            return redirect("policies:list")
    context = {
        "title": _("Delete Policy"),
        "question": _("Delete policy “%(name)s”?") % {"name": policy.name},
        "notes": [_("Its mail falls to the next policy that matches, or to the Default Policy, when you commit.")],
        "action": _("Delete"),
        "cancel_url": reverse("policies:list"),
    }
    return render(request, "includes/confirm.html", context)
