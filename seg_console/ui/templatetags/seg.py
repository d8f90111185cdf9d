"""What templates need beyond Django's own tags."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from seg_console.config import excerpts
from seg_console.config.blocks import Block, blocks
from seg_console.config.changes import Action, Change, FieldChange
from seg_console.config.collisions import CollidingField
from seg_console.mail import addresses
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
    if not change.within:
        return _title(change.label, change.name)
    return _now("%(part)s of “%(whole)s”") % {"part": part_title(change), "whole": change.within}


@register.filter
def part_title(change: Change) -> str:
    """`User 2`: what a part is called under the title of its whole."""
    kind = _capitalised(change.label)
    return f"{kind} {change.name}" if change.name and change.name.casefold() != change.label.casefold() else kind


@register.filter
def block_title(block: Block) -> str:
    """`Incoming Mail Policy “Finance”`; the kind alone where there is one of it in every set."""
    return _title(block.label, block.name)


def _title(label: str, name: str) -> str:
    kind = _capitalised(label)
    if not name or name.casefold() == label.casefold():
        return kind
    return _now("%(kind)s “%(name)s”") % {"kind": kind, "name": name}


def _capitalised(label: str) -> str:
    return label[:1].upper() + label[1:]


@register.filter
def in_blocks(changes: Iterable[Change]) -> list[Block]:
    """What belongs to one object, together."""
    return blocks(changes)


@register.filter
def change_act(change: Change | Block) -> str:
    words = {Action.ADDED: _now("added"), Action.CHANGED: _now("changed"), Action.REMOVED: _now("removed")}
    return words[change.action]


@register.filter
def minutes(span: timedelta | None) -> int:
    """Whole minutes of a time span, rounded up."""
    return -(-int(span.total_seconds()) // 60) if span else 0
