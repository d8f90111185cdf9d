"""Error pages inside the console's frame. 400 and 500 are rendered without the request, so that they ask the database
nothing: it may be the cause."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string

from seg_console.ui.context import Frame


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return HttpResponse(_without_database("errors/400.html"), status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_without_database("errors/500.html"), status=500)


def _without_database(template: str) -> str:
    return render_to_string(template, {"frame": Frame(user=None, view_name="", offers_sign_in=False)})


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
