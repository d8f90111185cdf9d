"""System Administration > Account Settings: configuration, submitted and committed like any."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.accounts.document import ACCOUNT_SETTINGS
from seg_console.accounts.forms.account_settings import AccountSettingsForm
from seg_console.accounts.models import AccountSettings
from seg_console.config import pending
from seg_console.config.views.submitting import editing, submitted
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest

FIELDS = ("lock_after", "minimum_length", "passphrase_expiry")


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def settings_page(request: ConsoleRequest) -> HttpResponse:
    return render(request, "accounts/account_settings.html", {"accounts": _present(request)})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(AccountSettingsForm)
def edit_settings(request: ConsoleRequest) -> HttpResponse:
    present = _present(request)
    editing(request, present)
    if request.method != "POST":
        return _edit_page(request, AccountSettingsForm(initial={name: getattr(present, name) for name in FIELDS}))
    form = AccountSettingsForm(request.POST)
    if form.is_valid():
        row = AccountSettings(uid=ACCOUNT_SETTINGS.fixed_uid, **{name: form.cleaned_data[name] for name in FIELDS})
        if submitted(request, form, row, success=_("The account settings were changed.")):
            return redirect("accounts:account-settings")
    return _edit_page(request, form, status=422)


def _present(request: ConsoleRequest) -> AccountSettings:
    found = AccountSettings.objects.filter(configuration=pending.shown_to(request.user)).first()
    return found or AccountSettings(uid=ACCOUNT_SETTINGS.fixed_uid)


def _edit_page(request: ConsoleRequest, form: AccountSettingsForm, *, status: int = 200) -> HttpResponse:
    context = {
        "title": _("Edit Account Settings"),
        "box_title": _("Account Settings"),
        "form": form,
        "cancel_url": reverse("accounts:account-settings"),
    }
    return render(request, "includes/simple_form.html", context, status=status)
