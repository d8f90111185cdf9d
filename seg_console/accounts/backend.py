"""Who may have a session: the one place that asks, at sign-in and again for every request."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from seg_console.accounts.models import User

# Set in the environment of a request whose attempt came this far; a client's headers stand under names with HTTP_.
PASSPHRASE_WAS_READ = "seg.passphrase_was_read"


class AccountBackend(ModelBackend):
    """A locked account gets no session. One that runs goes on: whoever locks an account by hand ends its sessions too
    (accounts.users), and with failures anybody could (docs/decisions.md#failures-end-no-session).

    The passphrase is checked first, so that a locked account answers no faster than any other.
    """

    def authenticate(self, request: HttpRequest | None, *args: Any, **credentials: Any) -> Any:
        # Throttling stands before this backend: an attempt that it turns away never comes here.
        if request is not None:
            request.META[PASSPHRASE_WAS_READ] = True
        user = super().authenticate(request, *args, **credentials)
        return None if isinstance(user, User) and user.locked_at else user
