"""The sign-in page, and signing out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import get_language_info
from django.utils.translation import gettext as _
from django.views.i18n import set_language as remember_language
from django_htmx.http import HttpResponseClientRedirect

from seg_console.accounts import carried, known_browser, preferences, sessions, signing_in
from seg_console.accounts.carried import Carried
from seg_console.accounts.ended import Ended, ended_session, know
from seg_console.accounts.forms.sign_in import SignInForm
from seg_console.accounts.models import End, User
from seg_console.config.pending import pending_of
from seg_console.ui.navigation import landing_page
from seg_console.ui.requests import ConsoleRequest, is_own
from seg_console.ui.times import tracking_time

CARRIED = "carried"


@method_decorator(login_not_required, name="dispatch")
class SignInView(LoginView):
    """The sign-in page; also the second half of a form that came from an ended session and is carried along."""

    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        # A region asked for after the session ended must not be filled with this form: the whole page goes to sign-in
        # and comes back to where the person was.
        if cast(ConsoleRequest, request).htmx and request.method == "GET":
            return HttpResponseClientRedirect(_sign_in_url(page_of(request)))
        return super().dispatch(request, *args, **kwargs)

    def get_template_names(self) -> list[str]:
        return ["accounts/session_ended.html"] if self._carried() else super().get_template_names()

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        ended = ended_session(self.request)
        return super().get_context_data(
            ended=ended.notice if ended else "",
            languages=_languages(),
            carried=self.request.POST.get(CARRIED, "") if self._carried() else "",
            **more,
        )

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        name = cast(SignInForm, form).attempted_username
        if name:
            signing_in.failed(name, throttled=signing_in.was_throttled(self.request))
        return super().form_invalid(form)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user = form.get_user()
        with transaction.atomic():
            # Nothing of an earlier session goes on, not even one's own.
            self.request.session.flush()
            response = super().form_valid(form)
            signing_in.signed_in(user)
            agent = self.request.headers.get("User-Agent", "")
            sessions.begin(self.request.session, user, agent=agent, now=timezone.now())
        _tell_pending(self.request, user)
        kept = self._carried()
        if kept and kept.user_pk == str(user.pk):
            self.request.session[CARRIED] = self.request.POST[CARRIED]
            response = redirect("accounts:submit-again")
        elif kept:
            messages.warning(self.request, _("What was typed before belongs to another account, and has been dropped."))
        language = preferences.language_of(user)
        if language:
            preferences.remember_language(response, language)
        known_browser.remember(self.request, response, user)
        return response

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        """The page asked for, if it is one of ours; never this one, which would send for itself."""
        asked = super().get_redirect_url()
        return "" if urlsplit(asked).path == self.request.path else asked

    def get_default_redirect_url(self) -> str:
        return landing_page(cast(User, self.request.user))

    def _carried(self) -> Carried | None:
        text = self.request.POST.get(CARRIED, "")
        return carried.unseal(text) if text else None


class SignOutView(LogoutView):
    """Ends the session; POST only."""

    def post(self, request: HttpRequest, *args: str, **kwargs: Any) -> HttpResponse:
        user = cast(User, request.user)
        with transaction.atomic():
            signing_in.signed_out(user)
            sessions.sign_out(request.session, timezone.now())
        response = super().post(request, *args, **kwargs)
        # Another tab may hold a form that was begun before.
        know(request, Ended(End.SIGNED_OUT, str(user.pk)))
        return response


def turned_away(request: HttpRequest, _response: HttpResponseBase, _credentials: dict[str, Any] | None) -> HttpResponse:
    """In place of the answer to an attempt that throttling does not let through (AXES_LOCKOUT_CALLABLE)."""
    name = SignInView.redirect_field_name
    asked = request.POST.get(name) or request.GET.get(name, "")
    is_sign_in = request.path == reverse("accounts:sign-in")
    kept = request.POST.get(CARRIED, "") if is_sign_in else ""
    context = {
        "wait": settings.AXES_COOLOFF_TIME,
        "back": _sign_in_url(asked) if is_sign_in else request.get_full_path(),
        "next": asked,
        "carried": kept if kept and carried.unseal(kept) else "",
        "languages": _languages(),
    }
    return render(request, "accounts/too_many_attempts.html", context, status=HTTPStatus.TOO_MANY_REQUESTS)


@login_not_required
def set_language(request: HttpRequest) -> HttpResponseBase:
    """Keeps the language chosen on the sign-in page in a cookie, and goes back there."""
    return remember_language(request)


def _languages() -> list[dict[str, str]]:
    """Each under its own name, so that everybody finds theirs."""
    return [{"code": code, "name": get_language_info(code)["name_local"]} for code, _name in settings.LANGUAGES]


def _tell_pending(request: HttpRequest, user: User) -> None:
    pending = pending_of(user)
    if pending:
        messages.info(
            request,
            _("You have pending changes of %(time)s. They take effect when you commit.")
            % {"time": tracking_time(pending.changed_at)},
        )


def to_sign_in(request: HttpRequest, back: str) -> HttpResponseBase:
    url = _sign_in_url(back)
    return HttpResponseClientRedirect(url) if cast(ConsoleRequest, request).htmx else redirect(url)


def _sign_in_url(back: str) -> str:
    query = urlencode({SignInView.redirect_field_name: back}) if back else ""
    return f"{reverse('accounts:sign-in')}?{query}" if query else reverse("accounts:sign-in")


def page_of(request: HttpRequest) -> str:
    """Path and query of the page that somebody was on when they sent this; "" if that was none of ours."""
    asked = cast(ConsoleRequest, request).htmx.current_url or request.headers.get("Referer", "")
    parts = urlsplit(asked)
    if not is_own(request, asked) or parts.path == reverse("accounts:sign-in"):
        return ""
    return parts.path + (f"?{parts.query}" if parts.query else "")
