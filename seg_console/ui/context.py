"""What the frame of every page needs. One query, and only where somebody is signed in who may change things."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

import seg_console
from seg_console.accounts.models import User
from seg_console.accounts.roles import Privilege
from seg_console.config.pending import pending_of
from seg_console.help.topics import slug_for
from seg_console.ui.navigation import ShownTab, menu_for


@dataclass(frozen=True)
class Frame:
    """Asked lazily, so that a partial pays only for what it shows."""

    user: User | None
    view_name: str
    host_name: str = settings.SEG_HOSTNAME
    version: str = seg_console.VERSION

    @cached_property
    def menu(self) -> tuple[ShownTab, ...]:
        return menu_for(self.user, self.view_name) if self.user else ()

    @property
    def help_url(self) -> str:
        """The help page of the screen that is shown, else the contents."""
        slug = slug_for(self.view_name)
        return reverse("help:page", args=[slug]) if slug else reverse("help:contents")

    @property
    def may_change(self) -> bool:
        return self.user is not None and self.user.may(Privilege.CHANGE_CONFIGURATION)

    @property
    def may_retry(self) -> bool:
        return self.user is not None and self.user.may(Privilege.RETRY_DELIVERY)

    @cached_property
    def has_pending(self) -> bool:
        return self.user is not None and self.may_change and pending_of(self.user) is not None


def frame(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    match = request.resolver_match
    return {
        "frame": Frame(
            user=user if isinstance(user, User) or getattr(user, "is_authenticated", False) else None,
            view_name=match.view_name if match else "",
        )
    }
