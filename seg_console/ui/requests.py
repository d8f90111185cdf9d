"""Requests with what our middleware and backends put on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

if TYPE_CHECKING:
    from seg_console.accounts.models import User


class ConsoleRequest(HttpRequest):
    """As our views see it: signed in (the middleware lets no other through) and told of htmx."""

    user: User
    htmx: HtmxDetails
    # The state of the objects that the page's form changes, now and when it was opened; set by who knows them.
    edited_state: str
    opened_on: str


def is_own(request: HttpRequest, url: str) -> bool:
    """Whether an address that the browser names is one of this console's, under whatever host a proxy asked for it."""
    hosts = {request.get_host(), *([settings.SEG_PUBLIC_URL.host] if settings.SEG_PUBLIC_URL else [])}
    return url_has_allowed_host_and_scheme(url, allowed_hosts=hosts, require_https=request.is_secure())
