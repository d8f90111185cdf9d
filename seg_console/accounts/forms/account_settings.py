from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.accounts.models import (
    LONGEST_EXPIRY_DAYS,
    LONGEST_MINIMUM,
    MOST_FAILED_ATTEMPTS,
    SHORTEST_MINIMUM,
)


class AccountSettingsForm(forms.Form):
    """System Administration > Account Settings."""

    lock_after = forms.IntegerField(
        label=_("Lock Account After Failed Logins"),
        min_value=0,
        max_value=MOST_FAILED_ATTEMPTS,
        help_text=_("Failed attempts in a row, from anywhere; 0: never. The user admin is never locked."),
    )
    minimum_length = forms.IntegerField(
        label=_("Minimum Passphrase Length"),
        min_value=SHORTEST_MINIMUM,
        max_value=LONGEST_MINIMUM,
        help_text=_("Holds for passphrases that are chosen from now on."),
    )
    passphrase_expiry = forms.IntegerField(
        label=_("Passphrases Expire After (Days)"),
        min_value=0,
        max_value=LONGEST_EXPIRY_DAYS,
        localize=False,
        help_text=_("An older passphrase must be changed at the next login; 0: never."),
    )
