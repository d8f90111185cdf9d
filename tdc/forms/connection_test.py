from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.ui.choices import choice_field


class ConnectionTestForm(forms.Form):
    """Which intake to try. `addresses`: those that the settings and the policies name, the default one first."""

    address = forms.ChoiceField(
        label=_("Message Intake Address"),
        error_messages={"invalid_choice": _("Choose one of the addresses that the settings or a policy name.")},
    )
    send_copy = forms.BooleanField(
        label=_("Send a Test Copy"),
        required=False,
        help_text=_("One message that says it is a test arrives at the intake. Without it nothing is sent after RCPT."),
    )

    def __init__(self, *args: Any, addresses: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.has_addresses = bool(addresses)
        choice_field(self, "address").choices = [(address, address) for address in addresses]
