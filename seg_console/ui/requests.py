"""Requests as our views see them: signed in (the middleware lets no other through) and told of htmx."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from seg_console.accounts.models import User


class ConsoleRequest(HttpRequest):
    user: User
    htmx: HtmxDetails
