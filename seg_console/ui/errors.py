"""Error pages inside the console's frame. 400, 500 and 503 are rendered without the request, so that they ask the
database nothing: it may be the cause."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string

from seg_console.ui.context import Frame
from seg_console.ui.outage import RETRY_S, is_outage


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return HttpResponse(_without_database("errors/400.html"), status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    # Django calls this while it handles the error, wherever that came from: a view, a middleware, a template.
    if is_outage(sys.exception()):
        return database_away(request)
    return HttpResponse(_without_database("errors/500.html"), status=500)


def database_away(request: HttpRequest) -> HttpResponse:
    """503. Reading is tried again by the page itself; htmx gets the words alone and says them where messages stand."""
    headers = {"Retry-After": str(RETRY_S), "Cache-Control": "no-store"}
    if request.headers.get("HX-Request"):
        return HttpResponse(render_to_string("includes/database_away.html"), status=503, headers=headers)
    reloads = request.method in {"GET", "HEAD"}
    page = _without_database("errors/503.html", reloads=reloads, retry_seconds=RETRY_S)
    return HttpResponse(page, status=503, headers=headers)


def _without_database(template: str, **context: Any) -> str:
    return render_to_string(template, {"frame": Frame(user=None, view_name="", offers_sign_in=False), **context})


class NoNulInAddress:
    """No name here holds a NUL, and no database looks for one: such an address is a bad request, whatever page it asks
    for and wherever in it the NUL stands, as a search or the end of the page before."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("NUL in the address")
        return self.get_response(request)


class PageForWrongMethod:
    """An address that only takes POST answers a browser that merely opens it with a page instead of an empty 405."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code != 405 or not request.accepts("text/html"):
            return response
        page = render(request, "errors/405.html", status=405)
        page["Allow"] = response["Allow"]
        return page
