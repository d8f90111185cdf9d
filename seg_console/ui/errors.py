"""Error pages inside the console's frame. 400, 500 and 503 are rendered without the request, so that they ask the
database nothing: it may be the cause."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import REASON_BAD_ORIGIN
from django.shortcuts import render
from django.template.loader import render_to_string

from seg_console.mail.lines import visible
from seg_console.proxies import SCHEMES
from seg_console.ui.context import Frame
from seg_console.ui.outage import RETRY_S, is_outage

# A host name and its port are shorter.
LONGEST_ORIGIN: Final = 300


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return HttpResponse(_without_database("errors/400.html"), status=400)


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 to a form without its token, or one that the browser says it filled in under another address: then with both
    addresses, because behind a proxy a setting is the cause."""
    origin = request.META.get("HTTP_ORIGIN", "")
    is_of_origin = reason == REASON_BAD_ORIGIN % origin and urlsplit(origin).scheme in SCHEMES
    context = {
        "origin": visible(origin)[:LONGEST_ORIGIN] if is_of_origin else "",
        "taken_for": f"{request.scheme}://{request.get_host()}",
        "connected": request.META.get("REMOTE_ADDR", ""),
    }
    return render(request, "403_csrf.html", context, status=403)


def unknown_proxy(request: HttpRequest) -> HttpResponse:
    """400 to what comes through a proxy that nobody has named, where TLS is required and it alone could tell."""
    page = _without_database("errors/unknown_proxy.html", connected=request.META.get("REMOTE_ADDR", ""))
    return HttpResponse(page, status=400)


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


# Tab and line ends may come with what was pasted into a field of a search.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ESCAPED_CONTROL = re.compile("%(?:0[0-8BCEF]|1[0-9A-F]|7F)", re.IGNORECASE)


class NoControlsInAddress:
    """No name here holds a NUL or another control character, no database looks for the one and no page shows the
    others: such an address is a bad request, whatever page it asks for and wherever in it the character stands, as a
    search or the end of the page before."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if _CONTROL.search(request.path) or _ESCAPED_CONTROL.search(request.META.get("QUERY_STRING", "")):
            raise BadRequest("control character in the address")
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
