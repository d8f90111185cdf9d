"""The Options menu: Active Sessions and Preferences. Both act at once, and are open to everybody who is signed in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.accounts import sessions
from seg_console.accounts.models import ROWS, ConsoleSession, User
from seg_console.accounts.preferences import TIME_RANGES, language_of, remember_language, time_range_of, zones
from seg_console.accounts.roles import Privilege
from seg_console.audit.models import Act
from seg_console.audit.record import Changed, record
from seg_console.ui.choices import choice_field
from seg_console.ui.labels import labelled_by
from seg_console.ui.navigation import pages_for
from seg_console.ui.requests import ConsoleRequest

SHOWN_SESSIONS = 200
FIELDS = ("language", "landing_page", "time_range", "rows", "time_zone")


class PreferencesForm(forms.Form):
    """Preferences of `user` (seg-webui 2.7). Empty values mean: nothing chosen."""

    language = forms.ChoiceField(label=gettext_lazy("Language Display"), required=False)
    landing_page = forms.ChoiceField(
        label=gettext_lazy("Landing Page"),
        required=False,
        help_text=gettext_lazy("What is shown after login, unless another page was asked for."),
    )
    time_range = forms.ChoiceField(
        label=gettext_lazy("Time Range Displayed"),
        choices=[(key, label) for key, (label, _span) in TIME_RANGES.items()],
        help_text=gettext_lazy("What Overview and Message Tracking begin with; for Message Tracking at least a day."),
    )
    rows = forms.TypedChoiceField(
        label=gettext_lazy("Number of Rows Displayed"), choices=[(rows, str(rows)) for rows in ROWS], coerce=int
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time Zone"),
        required=False,
        help_text=gettext_lazy("For the times that pages show and ask for. Logs keep the gateway's."),
    )

    def __init__(self, data: QueryDict | None = None, *, user: User) -> None:
        # What is no longer to be had (another role, another machine) reads as not chosen.
        kept = {"language": language_of(user), "time_range": time_range_of(user)}
        super().__init__(data, initial={name: getattr(user, name) for name in FIELDS} | kept)
        for name, choices in choices_for(user).items():
            choice_field(self, name).choices = choices


Choices = list[tuple[Any, Any]]


def choices_for(user: User) -> dict[str, Choices]:
    """Value and label of what `user` may choose, by field; pages are grouped by their tab."""
    by_tab: dict[str, tuple[str | Promise, list[tuple[str, str | Promise]]]] = {}
    for tab, page in pages_for(user):
        by_tab.setdefault(str(tab.title), (tab.title, []))[1].append((page.view, page.title))
    return {
        "language": [
            *((code, translation.get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES),
            ("", gettext_lazy("The browser's choice")),
        ],
        "landing_page": [("", gettext_lazy("The first page of the menus")), *by_tab.values()],
        "time_zone": [("", _("The gateway's (%(zone)s)") % {"zone": settings.TIME_ZONE}), *((z, z) for z in zones())],
    }


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


@require_safe
def active_sessions(request: ConsoleRequest) -> HttpResponse:
    now = timezone.now()
    rows = list(sessions.active(now)[: SHOWN_SESSIONS + 1])
    own = sessions.row_key(request.session)
    context = {
        "sessions": [
            {
                "row": row,
                "idle_minutes": max(0, int((now - row.last_seen_at).total_seconds()) // 60),
                "is_own": row.pk == own,
                "may_end": _may_end(request.user, row),
            }
            for row in rows[:SHOWN_SESSIONS]
        ],
        "most": SHOWN_SESSIONS if len(rows) > SHOWN_SESSIONS else 0,
        "timeout": sessions.timeout_minutes(),
    }
    return render(request, "accounts/active_sessions.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def end_session(request: ConsoleRequest, key: UUID) -> HttpResponseBase:
    now = timezone.now()
    row = get_object_or_404(sessions.active(now), pk=key)
    if not _may_end(request.user, row):
        raise PermissionDenied(_("Your role may end your own sessions only."))
    if request.method != "POST":
        return render(request, "includes/confirm.html", _end_question(request, row))
    sessions.end(row, by=request.user, now=now)
    if row.pk == sessions.row_key(request.session):
        logout(request)
        return redirect("accounts:sign-in")
    messages.success(request, _("A session of “%(name)s” was ended.") % {"name": row.user.username})
    return redirect("accounts:active-sessions")


def _end_question(request: HttpRequest, row: ConsoleSession) -> dict[str, Any]:
    is_own = row.pk == sessions.row_key(request.session)
    question = _("End the session of “%(name)s” from %(address)s?") % {
        "name": row.user.username,
        "address": row.address or _("an unknown address"),
    }
    note = _(
        "It ends at once. Changes that were submitted stay pending; what is being typed is kept until the next login."
    )
    return {
        "title": _("End Session"),
        "question": question,
        "notes": [
            note,
            *([_("This is the session you are using now: you will have to log in again.")] if is_own else []),
        ],
        "action": _("End Session"),
        "cancel_url": reverse("accounts:active-sessions"),
    }


def _may_end(user: User, row: ConsoleSession) -> bool:
    return row.user_id == user.pk or user.may(Privilege.CHANGE_USERS)


def _in_english(user: User) -> list[tuple[str, str]]:
    with translation.override("en"):
        return [(str(label), value) for label, value in shown_preferences(user)]


def _label(form: PreferencesForm, name: str) -> str:
    """What the value of a field is called; the empty choice where its value is not to be had."""
    flat: dict[str, str] = {}
    for value, label in form.fields[name].choices:  # type: ignore[attr-defined]
        flat |= {str(v): str(t) for v, t in label} if isinstance(label, list) else {str(value): str(label)}
    return flat.get(str(form[name].initial), flat.get("", ""))
