"""The one way a view says who may use it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _

from seg_console.privileges import Privilege
from seg_console.ui.requests import ConsoleRequest

P = ParamSpec("P")
ConsoleView = Callable[Concatenate[ConsoleRequest, P], HttpResponseBase]
DjangoView = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def requires(privilege: Privilege, *, to_change: Privilege | None = None) -> Callable[[ConsoleView[P]], DjangoView[P]]:
    """Refuse (403) before the view runs unless the signed-in user's role has `privilege`; for anything but GET and
    HEAD, unless it has `to_change`, where that is given."""

    def decorate(view: ConsoleView[P]) -> DjangoView[P]:
        @wraps(view)
        def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            console_request = cast(ConsoleRequest, request)
            needed = privilege if to_change is None or request.method in {"GET", "HEAD"} else to_change
            if not console_request.user.may(needed):
                raise PermissionDenied(_("Your role may not use this page."))
            return view(console_request, *args, **kwargs)

        # A test walks every view and fails on one that names no privilege.
        checked.privilege = privilege  # type: ignore[attr-defined]
        return checked

    return decorate
