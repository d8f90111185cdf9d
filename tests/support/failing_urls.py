"""The console's URLs, and under /failing/ pages that end in each of its error pages."""

from __future__ import annotations

from typing import NoReturn

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.csrf import csrf_failure
from django.views.decorators.http import require_POST

from seg_console.urls import handler400, handler500
from seg_console.urls import urlpatterns as console

__all__ = ["ADDRESSES", "handler400", "handler500", "urlpatterns"]


@login_not_required
def bad_request(request: HttpRequest) -> NoReturn:
    raise SuspiciousOperation("for the test")


def forbidden(request: HttpRequest) -> NoReturn:
    raise PermissionDenied("for the test")


def out_of_date(request: HttpRequest) -> HttpResponse:
    return csrf_failure(request)


@require_POST
def not_allowed(request: HttpRequest) -> NoReturn:
    raise AssertionError("nobody posts here")


@login_not_required
def failing(request: HttpRequest) -> NoReturn:
    raise RuntimeError("for the test")


@login_not_required
def database_away(request: HttpRequest) -> NoReturn:
    raise OperationalError("for the test")


urlpatterns = [
    path("failing/400/", bad_request),
    path("failing/403/", forbidden),
    path("failing/csrf/", out_of_date),
    path("failing/405/", not_allowed),
    path("failing/500/", failing),
    path("failing/503/", database_away),
    *console,
]
# Each with the status it must be answered with.
ADDRESSES = {
    "/failing/400/": 400,
    "/failing/403/": 403,
    "/failing/404/": 404,
    "/failing/405/": 405,
    "/failing/500/": 500,
    "/failing/503/": 503,
    "/failing/csrf/": 403,
}
