"""What every page needs to know of configuration. One query, and only where somebody is signed in who may change it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from django.http import HttpRequest

from seg_console.config.standing import Standing, standing_of
from seg_console.privileges import Privilege

if TYPE_CHECKING:
    from seg_console.accounts.models import User

CONFIGURATION_PRIVILEGES = frozenset(
    {
        Privilege.VIEW_CONFIGURATION,
        Privilege.CHANGE_CONFIGURATION,
        Privilege.VIEW_CONFIGURATION_FILE,
        Privilege.SAVE_CONFIGURATION,
        Privilege.RESET_CONFIGURATION,
    }
)


@dataclass(frozen=True)
class ShownStanding:
    """Asked lazily, so that a partial pays only for what it shows. `user`: None for whoever has no pending changes
    because their role may not. `privilege`: what the view asks for; None where it is open to everybody."""

    user: User | None
    privilege: Privilege | None

    @cached_property
    def all(self) -> Standing | None:
        """The user's pending changes among the others'."""
        return standing_of(self.user) if self.user is not None else None

    @property
    def has_pending(self) -> bool:
        return self.all is not None and self.all.own is not None

    @property
    def is_told(self) -> bool:
        """Whether the page is one of configuration: what others are changing is news there."""
        return self.privilege in CONFIGURATION_PRIVILEGES and self.all is not None


def configuration(request: HttpRequest) -> dict[str, Any]:
    user = cast("User | None", getattr(request, "user", None))
    may_change = user is not None and user.is_authenticated and user.may(Privilege.CHANGE_CONFIGURATION)
    match = request.resolver_match
    return {
        "opened_on": getattr(request, "opened_on", ""),
        "standing": ShownStanding(
            user=user if may_change else None,
            privilege=getattr(match.func, "privilege", None) if match else None,
        ),
    }
