from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext_lazy as _

from seg_console.accounts.models import User

# Longer than any that may be chosen: one that is too long is told so, and no longer text is ever hashed.
LONGEST_TYPED = 1000
PASSPHRASE, AGAIN = _("Passphrase"), _("Retype Passphrase")


def passphrase_field(label: Any, *, purpose: str, **options: Any) -> forms.CharField:
    """`purpose`: what browsers and passphrase keepers call it (HTML autocomplete)."""
    widget = forms.PasswordInput(attrs={"autocomplete": purpose, "class": "long"})
    return forms.CharField(label=label, strip=False, max_length=LONGEST_TYPED, widget=widget, **options)


class NewPassphraseForm(forms.Form):
    """A passphrase typed twice; put by a subclass under its own fields, which says in its `clean` whose it is to be.

    `generated`: one to start from, which the fields then hold.
    """

    passphrase = passphrase_field(PASSPHRASE, purpose="new-password")
    again = passphrase_field(AGAIN, purpose="new-password")

    def __init__(self, *args: Any, generated: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        if generated:
            self.initial = {**self.initial, "passphrase": generated, "again": generated}
            for name in ("passphrase", "again"):
                self.fields[name].widget.render_value = True

    def judged_for(self, owner: User) -> dict[str, Any]:
        """The cleaned values, with an error beside a passphrase that was typed in two ways or that is too easily
        guessed. `owner`: whose it is to be, as far as the form knows."""
        cleaned = self.cleaned_data
        chosen, again = cleaned.get("passphrase"), cleaned.get("again")
        if chosen is not None and again is not None and chosen != again:
            self.add_error("again", _("The two passphrases are not the same."))
        elif chosen:
            self._judge(chosen, owner)
        return cleaned

    def _judge(self, chosen: str, owner: User) -> None:
        try:
            validate_password(chosen, owner)
        except forms.ValidationError as error:
            self.add_error("passphrase", error)
