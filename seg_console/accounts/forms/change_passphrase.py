from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.utils.translation import gettext_lazy as _

from seg_console.accounts.forms.new_passphrase import NewPassphraseForm, passphrase_field
from seg_console.ui.requests import ConsoleRequest


class ChangePassphraseForm(NewPassphraseForm):
    """Options > Change Passphrase, for the user who is signed in."""

    old = passphrase_field(_("Old Passphrase"), purpose="current-password")
    passphrase = passphrase_field(_("New Passphrase"), purpose="new-password")
    again = passphrase_field(_("Retype New Passphrase"), purpose="new-password")
    field_order = ("old", "passphrase", "again")

    def __init__(self, *args: Any, request: ConsoleRequest, **options: Any) -> None:
        self.request = request
        super().__init__(*args, **options)

    @property
    def old_is_wrong(self) -> bool:
        return self.has_error("old", code="wrong")

    def clean_old(self) -> str:
        old: str = self.cleaned_data["old"]
        # As at sign-in, so that whoever finds an open session cannot guess on without being throttled.
        if authenticate(self.request, username=self.request.user.username, password=old) is None:
            raise forms.ValidationError(_("This is not your present passphrase."), code="wrong")
        return old

    def clean(self) -> dict[str, Any]:
        cleaned = self.judged_for(self.request.user)
        chosen = cleaned.get("passphrase")
        if chosen and chosen == cleaned.get("old"):
            self.add_error("passphrase", _("Choose another passphrase than the present one."))
        return cleaned
