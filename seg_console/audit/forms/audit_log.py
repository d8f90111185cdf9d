from __future__ import annotations

from datetime import datetime

from django import forms
from django.utils.translation import gettext_lazy as _

from seg_console.audit.models import LONGEST_ADDRESS, LONGEST_USERNAME, Act
from seg_console.audit.search import AuditQuery
from seg_console.ui.searches import (
    CUSTOM,
    LAST_DAY,
    LAST_MONTH,
    LAST_WEEK,
    LONGEST_TEXT,
    IPAddressField,
    SearchForm,
    range_field,
)


class AuditForm(SearchForm):
    """The search of the audit log."""

    range_name = "time"
    default_range = LAST_WEEK

    user = forms.CharField(
        label=_("User"),
        max_length=LONGEST_USERNAME,
        required=False,
        widget=forms.TextInput(attrs={"size": 30, "autocomplete": "off"}),
        help_text=_("The whole user name, in its letter case."),
    )
    text = forms.CharField(
        label=_("Text"),
        max_length=LONGEST_TEXT,
        required=False,
        widget=forms.TextInput(attrs={"size": 44}),
        help_text=_("Any part of an object, a comment or a value that was changed."),
    )
    address = IPAddressField(
        label=_("IP Address"),
        max_length=LONGEST_ADDRESS,
        required=False,
        widget=forms.TextInput(attrs={"size": 30}),
    )
    time = range_field(_("Time"), LAST_DAY, LAST_WEEK, LAST_MONTH, CUSTOM)
    act = forms.MultipleChoiceField(
        label=_("Action"), choices=Act.choices, required=False, widget=forms.CheckboxSelectMultiple
    )

    @property
    def chooses_acts(self) -> bool:
        return bool(self["act"].data)

    def query(self, now: datetime) -> AuditQuery:
        """What to search for. Call it on a valid form; `now` closes the ranges that end with the present."""
        cleaned = self.cleaned_data
        since, until = self.times(now)
        return AuditQuery(
            username=cleaned["user"],
            acts=tuple(Act(act) for act in cleaned["act"]),
            text=cleaned["text"],
            address=cleaned["address"],
            since=since,
            until=until,
        )
