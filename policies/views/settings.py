"""Mail Policies > Mail Policy Settings: which headers say who a message is from, and in which priority."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from policies.document import MAIL_POLICY_SETTINGS
from policies.forms import MailPolicySettingsForm
from policies.models import MailPolicySettings, SenderHeader
from policies.table import mail_policy_settings
from seg_console.config import pending
from seg_console.config.views.submitting import editing, submitted
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.requests import ConsoleRequest


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def settings_page(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    began = shown.based_on if shown.number is None else None
    priorities = mail_policy_settings(shown).sender_headers
    used = {header for headers in priorities for header in headers}
    context = {
        "priorities": [[SenderHeader(header).label for header in headers] for headers in priorities],
        "unused": [header.label for header in SenderHeader if header.value not in used],
        "is_pending": began is not None and mail_policy_settings(began).sender_headers != priorities,
    }
    return render(request, "policies/settings.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def edit_settings(request: ConsoleRequest) -> HttpResponse:
    present = mail_policy_settings(pending.shown_to(request.user))
    editing(request, present)
    if request.method != "POST":
        form = MailPolicySettingsForm(initial=MailPolicySettingsForm.initial_of(present.sender_headers))
        return _edit_page(request, form)
    form = MailPolicySettingsForm(request.POST)
    if form.is_valid():
        row = MailPolicySettings(uid=MAIL_POLICY_SETTINGS.fixed_uid, sender_headers=form.priorities())
        if submitted(request, form, row, success=_("The Mail Policy Settings were changed.")):
            return redirect("mail-policy-settings:view")
    return _edit_page(request, form, status=422)


def _edit_page(request: ConsoleRequest, form: MailPolicySettingsForm, *, status: int = 200) -> HttpResponse:
    context = {
        "title": _("Edit Mail Policy Settings"),
        "box_title": _("Header Priority for Sender Matching"),
        "form": form,
        "cancel_url": reverse("mail-policy-settings:view"),
    }
    return render(request, "includes/simple_form.html", context, status=status)
