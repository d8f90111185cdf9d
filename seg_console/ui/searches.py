"""What the searches of the console have in common: a range of time, an address, so many hits to a page, an address line
that the web server takes."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

LAST_DAY, LAST_WEEK, LAST_MONTH, CUSTOM = "day", "week", "month", "custom"
SPANS = {LAST_DAY: timedelta(days=1), LAST_WEEK: timedelta(days=7), LAST_MONTH: timedelta(days=30)}
RANGE_NAMES = {
    LAST_DAY: _("Last Day"),
    LAST_WEEK: _("Last 7 Days"),
    LAST_MONTH: _("Last 30 Days"),
    CUSTOM: _("Custom Range"),
}
PAGE_SIZES = [(str(size), str(size)) for size in (10, 20, 50, 100)]
DEFAULT_PAGE_SIZE = 20
LONGEST_ADDRESS = 254
LONGEST_TEXT = 150
"""Characters of an address and of a text that is searched for: two of each in Chinese fit the web server's longest
request line."""


def _minutes() -> forms.DateTimeInput:
    return forms.DateTimeInput(attrs={"type": "datetime-local", "step": "60"}, format="%Y-%m-%dT%H:%M")


def range_field(label: Any, *names: str) -> forms.ChoiceField:
    """The choice among some of `RANGE_NAMES`."""
    choices = [(name, RANGE_NAMES[name]) for name in names]
    return forms.ChoiceField(label=label, choices=choices, required=False, widget=forms.RadioSelect)


def with_trail(path: str, query: QueryDict, trail: Sequence[str]) -> str:
    """The search `query` of the page at `path` as a link, with the cursors of the pages turned so far as `after`.

    Of many cursors the last ones, as many as the web server's request line has room for: whoever turned more pages goes
    back by the first page. Cursors hold nothing that has to be encoded.
    """
    room = settings.LONGEST_REQUEST_LINE - len(f"GET {path}? HTTP/1.1\r\n") - len(query.urlencode())
    each = [len(f"&after={cursor}") for cursor in trail]
    kept = next((at for at in range(len(each)) if sum(each[at:]) <= room), len(each))
    query = query.copy()
    query.setlist("after", trail[kept:])
    return f"?{query.urlencode()}"


class IPAddressField(forms.CharField):
    """An IPv4 or IPv6 address in its shortest spelling, or the empty string."""

    def clean(self, value: Any) -> str:
        text = str(super().clean(value)).strip()
        if not text:
            return ""
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            raise forms.ValidationError(_("Enter an IPv4 or IPv6 address, for example 192.0.2.10.")) from None


class SearchForm(forms.Form):
    """Every field may be left empty; times are whole minutes in the reader's zone.

    A subclass names the field that chooses the range, one of `range_field`, and the range that holds without a choice.
    """

    range_name: ClassVar[str]
    default_range: ClassVar[str]

    start = forms.DateTimeField(label=_("Start"), required=False, widget=_minutes())
    end = forms.DateTimeField(label=_("End"), required=False, widget=_minutes())
    items = forms.ChoiceField(label=_("Results: items per page"), choices=PAGE_SIZES, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if cleaned.get(self.range_name) != CUSTOM:
            return cleaned
        start, end = cleaned.get("start"), cleaned.get("end")
        if start is None and "start" not in self.errors:
            self.add_error("start", _("A custom range needs a start."))
        if start and end and end < start:
            self.add_error("end", _("The end lies before the start."))
        return cleaned

    @property
    def page_size(self) -> int:
        return int(self.cleaned_data["items"] or DEFAULT_PAGE_SIZE)

    def times(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """Start and end of the range, None where it is open. Call it on a valid form; `now` is when the ranges end that
        end with the present."""
        chosen = self.cleaned_data[self.range_name] or self.default_range
        if chosen != CUSTOM:
            return now - SPANS[chosen], None
        end = self.cleaned_data["end"]
        # The form gives minutes: what happened at 16:40:31 lies within a range that ends at 16:40.
        return self.cleaned_data["start"], end + timedelta(minutes=1) if end else None
