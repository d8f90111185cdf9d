"""The browsers in which somebody has logged in before. Their attempts count for themselves, so that nobody else's
failures turn them away, not even those of a stranger who seems to have the same address
(docs/decisions.md#known-browser).

A signed cookie from the last login carries the user and a key of the browser; without that login nobody has one.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from seg_console.accounts.models import User

COOKIE = "known_browser"
SALT = "seg_console.accounts.known_browser"
KNOWN_FOR = timedelta(days=90)


def key_for(request: HttpRequest, username: str) -> str:
    """The key of this browser if this user has logged in with it lately, else ""."""
    user_pk, key = _carried(request)
    if not key:
        return ""
    own = User.objects.filter(username=username).values_list("pk", flat=True).first()
    return key if user_pk == str(own) else ""


def remember(request: HttpRequest, response: HttpResponseBase, user: User) -> None:
    """From now on this browser is known for `user`, who has just logged in with it."""
    user_pk, key = _carried(request)
    if user_pk != str(user.pk):
        key = secrets.token_urlsafe(16)
    response.set_signed_cookie(
        COOKIE,
        f"{user.pk}:{key}",
        salt=SALT,
        max_age=KNOWN_FOR,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def _carried(request: HttpRequest) -> tuple[str, str]:
    """Key of the user and of the browser; "" for both where there is no cookie, or somebody has changed it."""
    value = request.get_signed_cookie(COOKIE, default="", salt=SALT, max_age=KNOWN_FOR) or ""
    user_pk, _colon, key = value.partition(":")
    return (user_pk, key) if key else ("", "")
