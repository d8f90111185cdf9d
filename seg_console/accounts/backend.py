"""Who may have a session: the one place that asks, at sign-in and again for every request."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend


class AccountBackend(ModelBackend):
    """A locked account gets no session and keeps none: a running one ends at its next request.

    The passphrase is checked first, so that a locked account answers no faster than any other.
    """

    def user_can_authenticate(self, user: Any) -> bool:
        return super().user_can_authenticate(user) and user.locked_at is None
