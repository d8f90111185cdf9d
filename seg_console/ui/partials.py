"""Page or partial: one view answers a browser with the whole page and htmx with the region that changes."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from seg_console.ui.requests import ConsoleRequest


def wants_partial(request: ConsoleRequest) -> bool:
    """htmx asks for a region, unless it stands in for the browser: a boosted link or a restored page wants it all."""
    return bool(request.htmx) and not request.htmx.boosted and not request.htmx.history_restore_request


def page_or_partial(
    request: ConsoleRequest, template: str, partial: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """Render `template`, or only its partial named `partial` where htmx asked for it."""
    name = f"{template}#{partial}" if wants_partial(request) else template
    response = render(request, name, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response
