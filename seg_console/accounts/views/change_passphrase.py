"""Options > Change Passphrase: at once, without commit (seg-webui 2.4)."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout, password_validation, update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from seg_console.accounts import sessions, signing_in, users
from seg_console.accounts.forms.change_passphrase import ChangePassphraseForm
from seg_console.ui.labels import labelled_by
from seg_console.ui.navigation import landing_page
from seg_console.ui.requests import ConsoleRequest


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@labelled_by(ChangePassphraseForm)
def change_passphrase(request: ConsoleRequest) -> HttpResponse:
    """For every role: signing in is enough. It is all that is open to somebody who must change the passphrase."""
    if request.method != "POST":
        return _page(request, ChangePassphraseForm(request=request))
    form = ChangePassphraseForm(request.POST, request=request)
    if form.is_valid():
        return _changed(request, form.cleaned_data["passphrase"])
    if form.old_is_wrong:
        signing_in.failed(request.user.username, throttled=signing_in.was_throttled(request))
    return _page(request, form, status=422)


def _changed(request: ConsoleRequest, passphrase: str) -> HttpResponse:
    user, was_forced = request.user, request.user.must_change_passphrase
    keep = request.session if was_forced else None
    users.set_passphrase(user, passphrase, must_change=False, by=user, keep=keep)
    if was_forced:
        # Has signed in just now, and goes on.
        update_session_auth_hash(request, user)
        messages.success(request, _("Your passphrase was changed."))
        return redirect(landing_page(user))
    sessions.sign_out(request.session, timezone.now())
    logout(request)
    messages.success(request, _("Your passphrase was changed. Log in with the new one."))
    return redirect("accounts:sign-in")


def _page(request: HttpRequest, form: ChangePassphraseForm, *, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "is_forced": form.request.user.must_change_passphrase,
        "rules": [text for text in password_validation.password_validators_help_texts() if text],
    }
    return render(request, "accounts/change_passphrase.html", context, status=status)
