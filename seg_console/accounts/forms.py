from __future__ import annotations

from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import gettext_lazy as _


class SignInForm(AuthenticationForm):
    """Username and passphrase (seg-webui 2.4). One message for every failure: it must not tell which names exist."""

    error_messages = {
        "invalid_login": _("Invalid username or passphrase."),
        "inactive": _("Invalid username or passphrase."),
    }

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["username"].label = _("Username")
        self.fields["password"].label = _("Passphrase")
