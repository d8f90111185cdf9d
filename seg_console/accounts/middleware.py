"""What every request goes through: does the session still hold, how does this account want its pages, and must its
passphrase be changed first."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone, translation
from django_htmx.http import HttpResponseClientRedirect

from seg_console.accounts import ended, preferences, sessions
from seg_console.accounts.ended import Ended
from seg_console.accounts.models import End, User
from seg_console.accounts.views.submit_again import session_ended
from seg_console.ui.requests import ConsoleRequest

# A page that fetches a part of itself without being told to says so in its address (templates that do set it).
UNATTENDED = "unattended"
# Who must change the passphrase reaches nothing else.
CHANGE_PAGE = "accounts:change-passphrase"
STILL_OPEN = frozenset({CHANGE_PAGE, "accounts:sign-out"})

Respond = Callable[[HttpRequest], HttpResponse]


class SessionEndMiddleware:
    """Ends what is over before anybody sees who the user was, and remembers it for the sign-in page."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        over = _over(request)
        if over:
            # The session's own data stays until the next sign-in: a form that comes at the same moment as another
            # request must still find whose it was.
            request.user = AnonymousUser()
        elif not request.user.is_authenticated:
            over = _before(request)
        ended.know(request, over)
        response = self.get_response(request)
        # Asked again: the view may have signed somebody in or out.
        user = request.user
        known = Ended("", str(user.pk)) if user.is_authenticated else ended.ended_session(request)
        if known and known != ended.remembered(request):
            ended.remember(response, known)
        return response


class SignInRequiredMiddleware(LoginRequiredMiddleware):
    """Sends visitors to sign-in; a form that comes from a session that has ended is carried there."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[Any, Any],
    ) -> HttpResponseBase | None:
        to_sign_in = super().process_view(request, view_func, view_args, view_kwargs)
        if to_sign_in is None or request.method != "POST":
            return to_sign_in
        if UNATTENDED in request.GET:
            # A region that follows what is typed. It stays as it is; what is to be kept is the form, when it is sent.
            return HttpResponse(status=204)
        return session_ended(request)


class PreferencesMiddleware:
    """Language and time zone of whoever is signed in. Others have what LocaleMiddleware found: the cookie of the
    sign-in page, else the browser's wish."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if not isinstance(user, User):
            return self.get_response(request)
        language = preferences.language_of(user)
        if language:
            # Not undone: LocaleMiddleware says afterwards in which language the answer is, and begins the next request.
            translation.activate(language)
            request.LANGUAGE_CODE = language
        zone = preferences.zone_of(user)
        with timezone.override(zone) if zone else nullcontext():
            return self.get_response(request)


class PassphraseGate:
    """Sends every other request of such a user to the change page, also one that htmx makes for a region. Pages that
    need no sign-in stay open."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponseBase], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        match = request.resolver_match
        if not getattr(view, "login_required", True) or (match and match.view_name in STILL_OPEN):
            return None
        console_request = cast(ConsoleRequest, request)
        if not console_request.user.is_authenticated or not console_request.user.must_change_passphrase:
            return None
        if console_request.htmx:
            return HttpResponseClientRedirect(reverse(CHANGE_PAGE))
        return redirect(CHANGE_PAGE)


def _over(request: HttpRequest) -> Ended | None:
    """The session that has ended by now, if this request still brings one."""
    store = request.session
    # Asked before the user is: a session whose passphrase was changed elsewhere is emptied by that.
    user_pk, key = store.get(SESSION_KEY, ""), sessions.row_key(store)
    user, now = request.user, timezone.now()
    if isinstance(user, User):
        if not sessions.has_row(store):
            if user.locked_at is not None:
                return Ended(End.ENDED, user_pk)
            sessions.begin(store, user, agent=request.headers.get("User-Agent", ""), now=now)
            return None
        reason = sessions.is_over(store, user, is_activity=_is_activity(request), now=now)
        return Ended(reason, user_pk) if reason else None
    if user_pk:
        # Deleted, or signed with a passphrase that is no longer the account's; for good.
        sessions.close(key, now)
        return Ended(End.ENDED, user_pk)
    return None


def _before(request: HttpRequest) -> Ended | None:
    """What is known of an earlier session of a browser that brings none."""
    known = ended.remembered(request)
    is_named = request.COOKIES.get(settings.SESSION_COOKIE_NAME) and request.session.is_empty()
    if is_named and not (known and known.reason):
        return Ended(ended.LOST, known.user_pk if known else "")
    return known


def _is_activity(request: HttpRequest) -> bool:
    return request.method not in {"GET", "HEAD"} or UNATTENDED not in request.GET
