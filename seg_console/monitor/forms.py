from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.mail.tracking import Match, Operator, TrackingQuery

OPERATORS = [("begins_with", _("Begins With")), ("is", _("Is")), ("contains", _("Contains"))]
SUBJECT_OPERATORS = [*OPERATORS, ("is_empty", _("Is Empty"))]
LAST_DAY, LAST_WEEK, CUSTOM = "day", "week", "custom"
RANGES = [(LAST_DAY, _("Last Day")), (LAST_WEEK, _("Last 7 Days")), (CUSTOM, _("Custom Range"))]
EVENTS = [("delivered", _("Delivered")), ("hard_bounced", _("Hard Bounced")), ("soft_bounced", _("Soft Bounced"))]
PAGE_SIZES = [(str(size), str(size)) for size in (10, 20, 50, 100)]
DEFAULT_PAGE_SIZE = 20


def _minutes() -> forms.DateTimeInput:
    return forms.DateTimeInput(attrs={"type": "datetime-local", "step": "60"}, format="%Y-%m-%dT%H:%M")


class TrackingForm(forms.Form):
    """The search of seg-webui 6.2. Every field may be left empty; times are whole minutes of the reader's."""

    sender_operator = forms.ChoiceField(label=_("Envelope Sender: how to compare"), choices=OPERATORS, required=False)
    sender = forms.CharField(
        label=_("Envelope Sender"), max_length=320, required=False, widget=forms.TextInput(attrs={"size": 44})
    )
    recipient_operator = forms.ChoiceField(
        label=_("Envelope Recipient: how to compare"), choices=OPERATORS, required=False
    )
    recipient = forms.CharField(
        label=_("Envelope Recipient"), max_length=320, required=False, widget=forms.TextInput(attrs={"size": 44})
    )
    subject_operator = forms.ChoiceField(label=_("Subject: how to compare"), choices=SUBJECT_OPERATORS, required=False)
    subject = forms.CharField(
        label=_("Subject"), max_length=998, required=False, widget=forms.TextInput(attrs={"size": 44})
    )
    received = forms.ChoiceField(label=_("Message Received"), choices=RANGES, required=False, widget=forms.RadioSelect)
    start = forms.DateTimeField(label=_("Start"), required=False, widget=_minutes())
    end = forms.DateTimeField(label=_("End"), required=False, widget=_minutes())
    message_id = forms.CharField(label=_("Message ID Header"), max_length=998, required=False)
    mid = forms.CharField(label=_("MID"), max_length=19, required=False)
    sender_ip = forms.CharField(label=_("Sender IP Address"), max_length=45, required=False)
    event = forms.MultipleChoiceField(
        label=_("Message Event"), choices=EVENTS, required=False, widget=forms.CheckboxSelectMultiple
    )
    items = forms.ChoiceField(label=_("Results: items per page"), choices=PAGE_SIZES, required=False)

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

    def clean_sender_ip(self) -> str:
        text = self.cleaned_data["sender_ip"].strip()
        if not text:
            return ""
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            raise forms.ValidationError(_("Enter an IPv4 or IPv6 address, for example 192.0.2.10.")) from None

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if cleaned.get("received") != CUSTOM:
            return cleaned
        start, end = cleaned.get("start"), cleaned.get("end")
        if start is None and "start" not in self.errors:
            self.add_error("start", _("A custom range needs a start."))
        if start and end and end < start:
            self.add_error("end", _("The end lies before the start."))
        return cleaned

    def query(self, now: datetime) -> TrackingQuery:
        """What to search for. Call it on a valid form; `now` closes the ranges that end with the present."""
        cleaned = self.cleaned_data
        since, until = self._times(now)
        return TrackingQuery(
            sender=self._match("sender"),
            recipient=self._match("recipient"),
            subject=self._match("subject"),
            message_id=cleaned["message_id"].strip(),
            mid=cleaned["mid"],
            remote_ip=cleaned["sender_ip"],
            since=since,
            until=until,
            **{name: name in cleaned["event"] for name, _label in EVENTS},
        )

    @property
    def page_size(self) -> int:
        return int(self.cleaned_data["items"] or DEFAULT_PAGE_SIZE)

    def _match(self, name: str) -> Match | None:
        operator = cast(Operator, self.cleaned_data[f"{name}_operator"] or "begins_with")
        value = self.cleaned_data[name]
        return Match(operator, value) if value or operator == "is_empty" else None

    def _times(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        chosen = self.cleaned_data["received"] or LAST_DAY
        if chosen == LAST_DAY:
            return now - timedelta(days=1), None
        if chosen == LAST_WEEK:
            return now - timedelta(days=7), None
        end = self.cleaned_data["end"]
        # The form gives minutes: a message of 16:40:31 lies within a range that ends at 16:40.
        return self.cleaned_data["start"], end + timedelta(minutes=1) if end else None
