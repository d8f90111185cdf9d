from __future__ import annotations

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import gettext_lazy as _


class SignInForm(AuthenticationForm):
    """Username and passphrase (seg-webui 2.4). One message for every failure: it must not tell which names exist,
    nor which are locked; the authentication backend turns a locked account away like a wrong passphrase."""

    error_messages = {
        "invalid_login": _("Invalid username or passphrase."),
        "inactive": _("Invalid username or passphrase."),
    }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["username"].label = _("Username")
        self.fields["password"].label = _("Passphrase")

    @property
    def attempted_username(self) -> str:
        """The name that was tried with a passphrase; "" where one of the two was missing, which is no attempt."""
        typed: dict[str, Any] = getattr(self, "cleaned_data", {})
        return str(typed.get("username") or "") if typed.get("password") else ""
