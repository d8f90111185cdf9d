"""Deleting a policy, after a question."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from policies.models import IncomingMailPolicy
from seg_console.config import pending
from seg_console.privileges import Privilege
from seg_console.tables.deleting import delete_page
from seg_console.tables.rows import find
from seg_console.ui.access import requires
from seg_console.ui.requests import ConsoleRequest


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def delete(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    policy = find(IncomingMailPolicy, pending.shown_to(request.user), uid)
    return delete_page(
        request,
        policy,
        title=_("Delete Policy"),
        question=_("Delete policy “%(name)s”?") % {"name": policy.name},
        note=_("Its mail falls to the next policy that matches, or to the Default Policy, when you commit."),
        success=_("Policy “%(name)s” was deleted.") % {"name": policy.name},
        list_view="policies:list",
    )
