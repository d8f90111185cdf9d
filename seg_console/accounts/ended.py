"""What is known of the session that a browser had: the reason of its end, and whose it was.

A signed cookie carries it, because the session itself is gone by then. It is there from sign-in on, and nothing removes
it: a session may also go without a word, and a form that somebody was filling in must still find its user.
"""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from seg_console.accounts import sessions
from seg_console.accounts.models import End

COOKIE = "ended_session"
SALT = "seg_console.accounts.ended"
# A day longer than any session.
KEPT_S = settings.SESSION_COOKIE_AGE + 24 * 3600
# Beside the values of `End`: the browser still names the session, and nobody here remembers it.
LOST = "lost"
# In the environment of a request; a client's headers stand under names with HTTP_.
KNOWN = "seg.ended_session"


class Ended(NamedTuple):
    """`reason`: a value of `End`, or LOST; "" where none is known, and while the session goes on. `user_pk`: "" where
    it is not known."""

    reason: str
    user_pk: str

    @property
    def notice(self) -> str:
        """What the sign-in page says unasked; "" to those who logged out or just open it."""
        return "" if self.reason in {"", End.SIGNED_OUT} else self.sentence

    @property
    def sentence(self) -> str:
        """What to tell the person who sent a form."""
        if self.reason == End.SIGNED_OUT:
            return _("You have logged out.")
        if self.reason == End.INACTIVITY:
            minutes = sessions.timeout_minutes()
            words = ngettext(
                "Your session ended after %(count)d minute without activity.",
                "Your session ended after %(count)d minutes without activity.",
                minutes,
            )
            return words % {"count": minutes}
        if self.reason == End.ENDED:
            return _("Your session was ended: by an administrator, by yourself, or because your account changed.")
        return _("Your session has ended.")


def ended_session(request: HttpRequest) -> Ended | None:
    """The session that this browser had and has no more; None if somebody is signed in, or never was."""
    found = request.META.get(KNOWN)
    return found if isinstance(found, Ended) else None


def know(request: HttpRequest, ended: Ended | None) -> None:
    """Say of this request what `ended_session` answers from now on."""
    request.META[KNOWN] = ended


def remember(response: HttpResponseBase, ended: Ended) -> None:
    response.set_signed_cookie(
        COOKIE,
        f"{ended.reason}:{ended.user_pk}",
        salt=SALT,
        max_age=KEPT_S,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def remembered(request: HttpRequest) -> Ended | None:
    """What the cookie says; None where there is none, or somebody has changed it."""
    value = request.get_signed_cookie(COOKIE, default="", salt=SALT, max_age=KEPT_S) or ""
    reason, colon, user_pk = value.partition(":")
    return Ended(reason, user_pk) if colon else None
