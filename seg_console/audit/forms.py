from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.audit.models import LONGEST_ADDRESS, LONGEST_USERNAME, Act
from seg_console.audit.search import AuditQuery

LAST_DAY, LAST_WEEK, LAST_MONTH, CUSTOM = "day", "week", "month", "custom"
RANGES = [
    (LAST_DAY, _("Last Day")),
    (LAST_WEEK, _("Last 7 Days")),
    (LAST_MONTH, _("Last 30 Days")),
    (CUSTOM, _("Custom Range")),
]
SPANS = {LAST_DAY: timedelta(days=1), LAST_WEEK: timedelta(days=7), LAST_MONTH: timedelta(days=30)}
PAGE_SIZES = [(str(size), str(size)) for size in (10, 20, 50, 100)]
DEFAULT_PAGE_SIZE = 20


def _minutes() -> forms.DateTimeInput:
    return forms.DateTimeInput(attrs={"type": "datetime-local", "step": "60"}, format="%Y-%m-%dT%H:%M")


class AuditForm(forms.Form):
    """The search of the audit log. Every field may be left empty; times are whole minutes in the reader's zone."""

    user = forms.CharField(
        label=_("User"),
        max_length=LONGEST_USERNAME,
        required=False,
        widget=forms.TextInput(attrs={"size": 30, "autocomplete": "off"}),
        help_text=_("The whole user name, in its letter case."),
    )
    text = forms.CharField(
        label=_("Text"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"size": 44}),
        help_text=_("Any part of an object, a comment or a value that was changed."),
    )
    address = forms.CharField(
        label=_("IP Address"),
        max_length=LONGEST_ADDRESS,
        required=False,
        widget=forms.TextInput(attrs={"size": 30}),
    )
    time = forms.ChoiceField(label=_("Time"), choices=RANGES, required=False, widget=forms.RadioSelect)
    start = forms.DateTimeField(label=_("Start"), required=False, widget=_minutes())
    end = forms.DateTimeField(label=_("End"), required=False, widget=_minutes())
    act = forms.MultipleChoiceField(
        label=_("Action"), choices=Act.choices, required=False, widget=forms.CheckboxSelectMultiple
    )
    items = forms.ChoiceField(label=_("Results: items per page"), choices=PAGE_SIZES, required=False)

    @property
    def chooses_acts(self) -> bool:
        return bool(self["act"].data)

    def clean_address(self) -> str:
        text = str(self.cleaned_data["address"]).strip()
        if not text:
            return ""
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            raise forms.ValidationError(_("Enter an IPv4 or IPv6 address, for example 192.0.2.10.")) from None

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if cleaned.get("time") != CUSTOM:
            return cleaned
        start, end = cleaned.get("start"), cleaned.get("end")
        if start is None and "start" not in self.errors:
            self.add_error("start", _("A custom range needs a start."))
        if start and end and end < start:
            self.add_error("end", _("The end lies before the start."))
        return cleaned

    def query(self, now: datetime) -> AuditQuery:
        """What to search for. Call it on a valid form; `now` closes the ranges that end with the present."""
        cleaned = self.cleaned_data
        since, until = self._times(now)
        return AuditQuery(
            username=cleaned["user"],
            acts=tuple(Act(act) for act in cleaned["act"]),
            text=cleaned["text"],
            address=cleaned["address"],
            since=since,
            until=until,
        )

    @property
    def page_size(self) -> int:
        return int(self.cleaned_data["items"] or DEFAULT_PAGE_SIZE)

    def _times(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        chosen = self.cleaned_data["time"] or LAST_WEEK
        if chosen != CUSTOM:
            return now - SPANS[chosen], None
        end = self.cleaned_data["end"]
        # The form gives minutes: an entry of 16:40:31 lies within a range that ends at 16:40.
        return self.cleaned_data["start"], end + timedelta(minutes=1) if end else None
