"""What the frame of every page needs. No query."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.http import HttpRequest

import seg_console
from seg_console.privileges import Privilege
from seg_console.ui.navigation import HELP_AND_SUPPORT, OPTIONS, ShownPage, ShownTab, links_of, menu_for

if TYPE_CHECKING:
    from seg_console.accounts.models import User


@dataclass(frozen=True)
class Frame:
    """Asked lazily, so that a partial pays only for what it shows."""

    user: User | None
    view_name: str
    host_name: str = settings.SEG_HOSTNAME
    version: str = seg_console.VERSION
    # Not on the page of an error that may have kept us from asking who this is.
    offers_sign_in: bool = True

    @cached_property
    def menu(self) -> tuple[ShownTab, ...]:
        return menu_for(self.user, self.view_name) if self.user else ()

    @property
    def options(self) -> tuple[ShownPage, ...]:
        return links_of(OPTIONS, self.view_name)

    @property
    def help(self) -> tuple[ShownPage, ...]:
        """What there is beside the help page of the screen shown."""
        return links_of(HELP_AND_SUPPORT, self.view_name)

    @property
    def may_change(self) -> bool:
        return self.user is not None and self.user.may(Privilege.CHANGE_CONFIGURATION)

    @property
    def may_retry(self) -> bool:
        return self.user is not None and self.user.may(Privilege.RETRY_DELIVERY)


def frame(request: HttpRequest) -> dict[str, Any]:
    user = cast("User | None", getattr(request, "user", None))
    match = request.resolver_match
    return {
        "frame": Frame(
            user=user if user is not None and user.is_authenticated else None,
            view_name=match.view_name if match else "",
        ),
    }
