"""What templates need beyond Django's own tags."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from seg_console.config import excerpts
from seg_console.config.changes import Action, Change, FieldChange
from seg_console.config.collisions import CollidingField
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


@register.inclusion_tag("includes/field.html")
def field(bound_field: Any) -> dict[str, Any]:
    """A form field as a row: label, control, help, errors, tied together for assistive programs."""
    return {"field": bound_field}


@register.filter
def two_sides(field: FieldChange) -> tuple[str, str]:
    """Old and new of a changed field as far as a person reads them: of long values, what differs."""
    return excerpts.two_sides(field)


@register.filter
def beside(old: str, new: str) -> tuple[str, ...]:
    """Two texts as far as a person reads them beside each other."""
    return excerpts.excerpts(old, new)


@register.filter
def three_sides(field: CollidingField) -> tuple[str, ...]:
    """Before, mine and theirs, likewise."""
    return excerpts.excerpts(field.base, field.mine, field.theirs)


@register.filter
def change_title(change: Change | None) -> str:
    """`Policy member 2 of “Finance”`: the kind of object, its name, and what it is a part of."""
    if change is None:
        return ""
    title = change.label[:1].upper() + change.label[1:]
    if change.name and change.name.casefold() != change.label.casefold():
        quoted = _now("%(kind)s “%(name)s”") % {"kind": title, "name": change.name}
        title = f"{title} {change.name}" if change.within else quoted
    return _now("%(part)s of “%(whole)s”") % {"part": title, "whole": change.within} if change.within else title


@register.filter
def telling_fields(change: Change) -> list[FieldChange]:
    """Fields of a change that say something: an added object's empty ones do not."""
    return [field for field in change.fields if field.old or field.new]


@register.filter
def change_act(change: Change) -> str:
    words = {Action.ADDED: _now("added"), Action.CHANGED: _now("changed"), Action.REMOVED: _now("removed")}
    return words[change.action]


@register.filter
def minutes(span: timedelta | None) -> int:
    """Whole minutes of a time span, rounded up."""
    return -(-int(span.total_seconds()) // 60) if span else 0
