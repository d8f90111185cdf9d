"""The way from every page to the help page that explains it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from seg_console.help.topics import slug_for
from seg_console.ui.navigation import ShownPage


def online_help(request: HttpRequest) -> dict[str, Callable[[], ShownPage]]:
    """A template calls it, so that a partial does not pay for it."""
    match = request.resolver_match
    return {"online_help": partial(_link, match.view_name if match else "")}


def _link(view_name: str) -> ShownPage:
    """The help page of the screen that is shown, else the contents."""
    slug = slug_for(view_name)
    url = reverse("help:page", args=[slug]) if slug else reverse("help:contents")
    return ShownPage(_("Online Help"), url, False)
