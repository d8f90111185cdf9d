"""Requests with what our middleware and backends put on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest
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
