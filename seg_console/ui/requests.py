"""Requests with what our middleware and backends put on them."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from seg_console.accounts.models import User


class ConsoleRequest(HttpRequest):
    """As our views see it: signed in (the middleware lets no other through) and told of htmx."""

    user: User
    htmx: HtmxDetails
    # Where `submitting.editing` was called: the state of the page's objects now, and when its form was opened.
    edited_state: str
    opened_on: str
