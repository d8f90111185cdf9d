"""Preferences of an account (seg-webui 2.7): what may be chosen, and what holds where nothing was.

They act at once, without commit: they concern nobody else (docs/decisions.md#preferences-act-once).
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.http.response import HttpResponseBase
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from seg_console.accounts.models import User

DAY = "day"
TIME_RANGES: dict[str, tuple[str | Promise, timedelta]] = {
    "hour": (_("Hour"), timedelta(hours=1)),
    DAY: (_("Day"), timedelta(days=1)),
    "week": (_("Week"), timedelta(days=7)),
}


def language_of(user: User) -> str:
    """Code of the language that the account is shown; "" for the browser's choice."""
    return user.language if user.language in dict(settings.LANGUAGES) else ""


def remember_language(response: HttpResponseBase, language: str) -> None:
    """For the sign-in page and error pages, which have no account to ask: they follow the cookie."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite="Lax",
    )


def time_range_of(user: User) -> str:
    """Key of `TIME_RANGES`."""
    return user.time_range if user.time_range in TIME_RANGES else DAY


def zone_of(user: User) -> ZoneInfo | None:
    """The account's time zone; None for the gateway's, also where this machine no longer knows the one chosen."""
    return ZoneInfo(user.time_zone) if user.time_zone in zones() else None


@cache
def zones() -> tuple[str, ...]:
    """Names of all time zones that this machine knows (IANA), sorted."""
    return tuple(sorted(available_timezones()))
