"""Where somebody lands who asked for no page."""

from __future__ import annotations

from typing import cast

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render

from seg_console.ui.navigation import landing_page
from seg_console.ui.requests import ConsoleRequest


def home(request: HttpRequest) -> HttpResponseRedirect:
    return redirect(landing_page(cast(ConsoleRequest, request).user))


def no_pages(request: HttpRequest) -> HttpResponse:
    """Where an account lands whose role shows no page yet."""
    return render(request, "accounts/no_pages.html")
