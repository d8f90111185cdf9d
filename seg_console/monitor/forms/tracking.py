from __future__ import annotations

from datetime import datetime
from typing import cast

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.mail.tracking import Match, Operator, TrackingQuery
from seg_console.ui.searches import (
    CUSTOM,
    LAST_DAY,
    LAST_WEEK,
    LONGEST_ADDRESS,
    LONGEST_TEXT,
    IPAddressField,
    SearchForm,
    range_field,
)

OPERATORS = [("begins_with", _("Begins With")), ("is", _("Is")), ("contains", _("Contains"))]
SUBJECT_OPERATORS = [*OPERATORS, ("is_empty", _("Is Empty"))]
EVENTS = [("delivered", _("Delivered")), ("hard_bounced", _("Hard Bounced")), ("soft_bounced", _("Soft Bounced"))]


class TrackingForm(SearchForm):
    """The search of seg-webui 6.2."""

    range_name = "received"
    default_range = LAST_DAY

    sender_operator = forms.ChoiceField(label=_("Envelope Sender: how to compare"), choices=OPERATORS, required=False)
    sender = forms.CharField(
        label=_("Envelope Sender"),
        max_length=LONGEST_ADDRESS,
        required=False,
        widget=forms.TextInput(attrs={"size": 44}),
    )
    recipient_operator = forms.ChoiceField(
        label=_("Envelope Recipient: how to compare"), choices=OPERATORS, required=False
    )
    recipient = forms.CharField(
        label=_("Envelope Recipient"),
        max_length=LONGEST_ADDRESS,
        required=False,
        widget=forms.TextInput(attrs={"size": 44}),
    )
    subject_operator = forms.ChoiceField(label=_("Subject: how to compare"), choices=SUBJECT_OPERATORS, required=False)
    subject = forms.CharField(
        label=_("Subject"), max_length=LONGEST_TEXT, required=False, widget=forms.TextInput(attrs={"size": 44})
    )
    received = range_field(_("Message Received"), LAST_DAY, LAST_WEEK, CUSTOM)
    message_id = forms.CharField(label=_("Message ID Header"), max_length=LONGEST_TEXT, required=False)
    mid = forms.CharField(label=_("MID"), max_length=19, required=False)
    sender_ip = IPAddressField(label=_("Sender IP Address"), max_length=45, required=False)
    event = forms.MultipleChoiceField(
        label=_("Message Event"), choices=EVENTS, required=False, widget=forms.CheckboxSelectMultiple
    )

    @property
    def uses_advanced(self) -> bool:
        return any(self[name].data for name in ("message_id", "mid", "sender_ip", "event"))

    def clean_mid(self) -> int | None:
        text = self.cleaned_data["mid"].strip()
        if not text:
            return None
        if not (text.isascii() and text.isdigit()) or int(text) >= 2**63:
            raise forms.ValidationError(_("A MID is a whole number, for example 101."))
        return int(text)

    def query(self, now: datetime) -> TrackingQuery:
        """What to search for. Call it on a valid form; `now` closes the ranges that end with the present."""
        cleaned = self.cleaned_data
        since, until = self.times(now)
        return TrackingQuery(
            sender=self._match("sender"),
            recipient=self._match("recipient"),
            subject=self._match("subject"),
            message_id=cleaned["message_id"].strip(),
            # A longer one could not be typed in whole.
            message_id_goes_on=len(cleaned["message_id"]) == LONGEST_TEXT,
            mid=cleaned["mid"],
            remote_ip=cleaned["sender_ip"],
            since=since,
            until=until,
            **{name: name in cleaned["event"] for name, _label in EVENTS},
        )

    def _match(self, name: str) -> Match | None:
        operator = cast(Operator, self.cleaned_data[f"{name}_operator"] or "begins_with")
        value = self.cleaned_data[name]
        return Match(operator, value) if value or operator == "is_empty" else None
