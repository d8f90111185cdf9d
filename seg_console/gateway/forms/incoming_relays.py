from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.delivery.forms.problems import checked
from seg_console.gateway.document import IncomingRelay
from seg_console.gateway.models import LONGEST_GROUP_NAME, LONGEST_HEADER_NAME, MOST_HOPS, ClientIn


class IncomingRelayForm(forms.Form):
    """One incoming relay, held to the rules of the document, in its words."""

    name = forms.CharField(
        label=_("Relay Name"), max_length=LONGEST_GROUP_NAME, widget=forms.TextInput(attrs={"size": 34})
    )
    address = forms.CharField(
        label=_("IP Address"),
        widget=forms.TextInput(attrs={"size": 34, "autocapitalize": "off", "spellcheck": "false"}),
        help_text=_("192.0.2.1, 192.0.2.0/24, 192.0.2.10-20, 2001:db8::1 or 2001:db8::/32."),
    )
    client_in = forms.ChoiceField(
        label=_("Sender's IP Address In"), choices=ClientIn, initial=ClientIn.RECEIVED, widget=forms.RadioSelect
    )
    hop = forms.IntegerField(
        label=_("Hop"),
        min_value=1,
        max_value=MOST_HOPS,
        initial=1,
        help_text=_("Which of the Received headers, counted from the top: 1 is the relay's own."),
    )
    header = forms.CharField(
        label=_("Custom Header"),
        required=False,
        max_length=LONGEST_HEADER_NAME,
        widget=forms.TextInput(attrs={"size": 34, "autocapitalize": "off", "spellcheck": "false"}),
        help_text=_("Its name, for example X-Client-IP. The relay must take it out of what strangers send."),
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if self.errors:
            return values
        if values["client_in"] == ClientIn.RECEIVED:
            values["header"] = ""
        found = checked(self, IncomingRelay, values)
        return found.model_dump(mode="json") if found else values


class IncomingRelaySettingsForm(forms.Form):
    enabled = forms.BooleanField(
        label=_("Enable Incoming Relays"),
        required=False,
        help_text=_("Off: the relay itself is taken for the sender of its messages."),
    )
