"""Options > Active Sessions. What is done here acts at once, and is open to everybody who is signed in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.accounts import sessions
from seg_console.accounts.models import ConsoleSession, User
from seg_console.privileges import Privilege
from seg_console.ui.requests import ConsoleRequest

SHOWN_SESSIONS = 200


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
