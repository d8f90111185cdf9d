from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.config.checks import check_host
from seg_console.config.problems import in_words
from seg_console.gateway.document import MOST_ENTRIES, check_banner_text, check_comment, check_group_name
from seg_console.gateway.host_access import ALL, LONGEST_ENTRY, check_entry
from seg_console.gateway.models import LONGEST_COMMENT, LONGEST_GROUP_NAME, LONGEST_RESPONSE, ClientTls, HostAction
from seg_console.tables.entries import EntriesField

LIMITS = ("max_connections_per_client", "max_messages_per_connection", "max_recipients", "max_recipients_per_hour")


class SendersField(EntriesField):
    """Hosts, separated by comma or new line; cleans to a tuple of entries in their plain spelling."""

    most = MOST_ENTRIES

    def checked(self, text: str) -> str:
        return check_entry(text)


def _limit(label: Any, most: int, help_text: Any = "") -> forms.IntegerField:
    return forms.IntegerField(
        label=label, min_value=1, max_value=most, required=False, localize=False, help_text=help_text
    )


class LastRowForm(forms.Form):
    """What is done with a host: all that can be set for the last row of the table, ALL."""

    action = forms.ChoiceField(
        label=_("Action"), choices=HostAction, initial=HostAction.ACCEPT, widget=forms.RadioSelect
    )
    response = forms.CharField(
        label=_("Rejection Text"),
        required=False,
        max_length=LONGEST_RESPONSE,
        widget=forms.TextInput(attrs={"class": "long"}),
        help_text=_("With Reject: what the host is told behind the code 554. Empty: the usual text."),
    )
    max_connections_per_client = _limit(
        _("Max. Concurrent Connections From a Single IP"), 10_000, _("Empty: as many as the listener allows.")
    )
    max_messages_per_connection = _limit(_("Max. Messages Per Connection"), 10_000, _("Empty: no limit."))
    max_recipients = _limit(_("Max. Recipients Per Message"), 50_000, _("Empty: as many as the listener allows."))
    max_recipients_per_hour = _limit(
        _("Max. Recipients Per Hour From a Single IP"), 1_000_000, _("Empty: no limit. Further ones are asked to wait.")
    )
    tls = forms.ChoiceField(label=_("TLS"), choices=ClientTls, initial=ClientTls.PREFERRED, widget=forms.RadioSelect)

    def clean_response(self) -> str:
        text = str(self.cleaned_data["response"])
        if not text:
            return ""
        try:
            return check_banner_text(text)
        except ValueError as error:
            raise forms.ValidationError(in_words(error)) from error

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if cleaned.get("response") and cleaned.get("action") != HostAction.REJECT:
            self.add_error("response", _("A text goes with Reject only."))
        return cleaned

    def values(self) -> dict[str, Any]:
        """The values of a row, by field of its model. Call it on a valid form."""
        return {name: self.cleaned_data[name] for name in ("action", "response", *LIMITS, "tls")}


class SenderGroupForm(LastRowForm):
    """One sender group (seg-webui 8.4). `others`: names of the other groups, in order."""

    name = forms.CharField(label=_("Name"), max_length=LONGEST_GROUP_NAME, widget=forms.TextInput(attrs={"size": 34}))
    order = forms.IntegerField(label=_("Order"))
    comment = forms.CharField(
        label=_("Comment"),
        max_length=LONGEST_COMMENT,
        required=False,
        widget=forms.TextInput(attrs={"class": "long"}),
    )
    entries = SendersField(
        label=_("Senders"),
        required=False,
        help_text=_(
            "192.0.2.1, 192.0.2.0/24, 192.0.2.10-20, 2001:db8::/32, mail.example.com or .example.com for every host "
            "of the domain; separated by comma or new line, up to 10,000."
        ),
    )
    field_order = ("name", "order", "comment", "entries")

    def __init__(self, *args: Any, others: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        places = len(others) + 1
        self._taken = {name.casefold() for name in others}
        self.fields["order"] = forms.IntegerField(label=_("Order"), min_value=1, max_value=places, initial=places)
        self.fields["entries"].widget.attrs["rows"] = 8
        self.order_fields(self.field_order)

    def clean_name(self) -> str:
        try:
            name = check_group_name(self.cleaned_data["name"])
        except ValueError as error:
            raise forms.ValidationError(in_words(error)) from error
        if name == ALL:
            raise forms.ValidationError(_("ALL is the last row of the table; give another name."))
        if name.casefold() in self._taken:
            raise forms.ValidationError(_("A sender group of this name exists already."))
        return name

    def clean_comment(self) -> str:
        try:
            return check_comment(self.cleaned_data["comment"])
        except ValueError as error:
            raise forms.ValidationError(_("Write one line of text without control characters.")) from error

    def values(self) -> dict[str, Any]:
        own = {"name": self.cleaned_data["name"], "comment": self.cleaned_data["comment"]}
        return super().values() | own | {"entries": list(self.cleaned_data["entries"])}


class FindSendersForm(forms.Form):
    find = forms.CharField(
        label=_("IP Address or Host Name"),
        max_length=LONGEST_ENTRY,
        error_messages={"required": _("Enter an IP address or a host name.")},
        widget=forms.TextInput(attrs={"size": 30, "autocapitalize": "off", "spellcheck": "false"}),
    )

    def clean_find(self) -> str:
        try:
            return check_host(self.cleaned_data["find"])
        except ValueError as error:
            raise forms.ValidationError(_("Enter an IP address or a host name.")) from error
