"""Options > Preferences. They act at once, and are open to everybody who is signed in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.accounts.forms.preferences import FIELDS, PreferencesForm
from seg_console.accounts.models import User
from seg_console.accounts.preferences import remember_language
from seg_console.audit.models import Act
from seg_console.audit.record import Changed, record
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest


def shown_preferences(user: User) -> list[tuple[str | Promise, str]]:
    """Label and value of each preference, in the language in force."""
    form = PreferencesForm(user=user)
    return [(form.fields[name].label or "", _label(form, name)) for name in FIELDS]


@require_safe
def preferences(request: ConsoleRequest) -> HttpResponse:
    return render(request, "accounts/preferences.html", {"preferences": shown_preferences(request.user)})


@require_http_methods(["GET", "HEAD", "POST"])
@labelled_by(PreferencesForm)
def edit_preferences(request: ConsoleRequest) -> HttpResponse:
    user = request.user
    context: dict[str, Any] = {
        "title": _("Edit Preferences"),
        "cancel_url": reverse("accounts:preferences"),
        "at_once": True,
    }
    if request.method != "POST":
        return render(request, "includes/simple_form.html", context | {"form": PreferencesForm(user=user)})
    before = _in_english(user)
    form = PreferencesForm(request.POST, user=user)
    if not form.is_valid():
        return render(request, "includes/simple_form.html", context | {"form": form}, status=422)
    for name in FIELDS:
        setattr(user, name, form.cleaned_data[name])
    with transaction.atomic():
        user.save(update_fields=FIELDS)
        after = _in_english(user)
        changes = [
            Changed("Preferences", field, old, new, is_worded=True)
            for (field, old), (_field, new) in zip(before, after, strict=True)
            if old != new
        ]
        if changes:
            record(Act.PREFERENCES_CHANGED, by=user, target=user.username, changes=changes)
    if user.language:
        translation.activate(user.language)
    messages.success(request, _("Your preferences were changed. They are in force."))
    response = redirect("accounts:preferences")
    if user.language:
        remember_language(response, user.language)
    else:
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME, samesite="Lax")
    return response


def _in_english(user: User) -> list[tuple[str, str]]:
    with translation.override("en"):
        return [(str(label), value) for label, value in shown_preferences(user)]


def _label(form: PreferencesForm, name: str) -> str:
    """What the value of a field is called; the empty choice where its value is not to be had."""
    flat: dict[str, str] = {}
    for value, label in form.fields[name].choices:  # type: ignore[attr-defined]
        flat |= {str(v): str(t) for v, t in label} if isinstance(label, list) else {str(value): str(label)}
    return flat.get(str(form[name].initial), flat.get("", ""))
