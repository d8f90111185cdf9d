from __future__ import annotations

from collections.abc import Callable

from axes.helpers import get_client_ip_address
from django.http import HttpRequest, HttpResponse

from seg_console.audit.models import Through
from seg_console.audit.source import came_from


class SourceMiddleware:
    """Says of every request where it comes from, by the address that throttling counts too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with came_from(address=get_client_ip_address(request) or "", through=Through.WEB):
            return self.get_response(request)
