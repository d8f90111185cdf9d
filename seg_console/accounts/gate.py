"""Who must change the passphrase reaches nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from seg_console.ui.requests import ConsoleRequest

CHANGE_PAGE = "accounts:change-passphrase"
STILL_OPEN = frozenset({CHANGE_PAGE, "accounts:sign-out"})


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
