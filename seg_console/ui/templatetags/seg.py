"""What templates need beyond Django's own tags."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from seg_console.mail import addresses, lines
from seg_console.ui import times

register = template.Library()

# seg-webui 2.8: the lead word says the kind, the colour only repeats it.
LEAD_WORDS: dict[int, str | Promise] = {
    constants.DEBUG: _("Info —"),
    constants.INFO: _("Info —"),
    constants.SUCCESS: _("Success —"),
    constants.WARNING: _("Attention —"),
    constants.ERROR: _("Error —"),
}


@register.filter
def lead_word(message: Message) -> str | Promise:
    return LEAD_WORDS[message.level]


@register.filter
def tracking_time(at: datetime | None) -> str:
    return times.tracking_time(at) if at else ""


@register.filter
def status_time(at: datetime | None) -> str:
    return times.status_time(at) if at else ""


@register.filter
def certificate_time(at: datetime | None) -> str:
    """The beginning or end of a certificate's validity, on whatever page: one form, so that two can be compared."""
    return times.tracking_time(at) if at else ""


@register.inclusion_tag("includes/field.html")
def field(bound_field: Any) -> dict[str, Any]:
    """A form field as a row: label, control, help, errors, tied together for assistive programs."""
    return {"field": bound_field}


@register.filter
def readable(text: str) -> str:
    """An address, an entry or a domain, with the letters of an internationalized domain name after it."""
    return addresses.readable(text)


@register.filter
def printable(text: str) -> str:
    """What strangers wrote, its control characters written out."""
    return lines.printable(text)


@register.filter
def minutes(span: timedelta | None) -> int:
    """Whole minutes of a time span, rounded up."""
    return -(-int(span.total_seconds()) // 60) if span else 0
