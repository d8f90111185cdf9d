"""Who may have a session: the one place that asks, at sign-in and again for every request."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

# Set in the environment of a request whose attempt came this far; a client's headers stand under names with HTTP_.
PASSPHRASE_WAS_READ = "seg.passphrase_was_read"


class AccountBackend(ModelBackend):
    """A locked account gets no session and keeps none: a running one ends at its next request.

    The passphrase is checked first, so that a locked account answers no faster than any other.
    """

    def authenticate(self, request: HttpRequest | None, *args: Any, **credentials: Any) -> Any:
        # Throttling stands before this backend: an attempt that it turns away never comes here.
        if request is not None:
            request.META[PASSPHRASE_WAS_READ] = True
        return super().authenticate(request, *args, **credentials)

    def user_can_authenticate(self, user: Any) -> bool:
        return super().user_can_authenticate(user) and user.locked_at is None
