from __future__ import annotations

from typing import cast
from urllib.parse import urlencode, urlsplit

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django_htmx.http import HttpResponseClientRedirect

from seg_console.accounts.forms import SignInForm
from seg_console.accounts.models import User
from seg_console.ui.navigation import landing_page
from seg_console.ui.requests import ConsoleRequest


@method_decorator(login_not_required, name="dispatch")
class SignInView(LoginView):
    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        # A region asked for after the session ended must not be filled with this form: the whole page goes to sign-in
        # and comes back to where the person was.
        htmx = cast(ConsoleRequest, request).htmx
        if htmx and request.method == "GET":
            asked = urlsplit(htmx.current_url or "")
            back = urlencode({self.redirect_field_name: asked.path + (f"?{asked.query}" if asked.query else "")})
            return HttpResponseClientRedirect(f"{reverse('accounts:sign-in')}?{back}")
        return super().dispatch(request, *args, **kwargs)

    def get_default_redirect_url(self) -> str:
        return landing_page(cast(User, self.request.user))


class SignOutView(LogoutView):
    """Ends the session; POST only."""


def home(request: HttpRequest) -> HttpResponseRedirect:
    return redirect(landing_page(cast(ConsoleRequest, request).user))


def no_pages(request: HttpRequest) -> HttpResponse:
    """Where an account lands whose role shows no page yet."""
    return render(request, "accounts/no_pages.html")
