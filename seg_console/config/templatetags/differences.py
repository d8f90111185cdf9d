"""What differs between two configurations, as pages write it."""

from __future__ import annotations

from collections.abc import Iterable

from django import template
from django.utils.translation import gettext as _

from seg_console.config import excerpts
from seg_console.config.blocks import Block, blocks
from seg_console.config.changes import Action, Change, FieldChange
from seg_console.config.collisions import CollidingField

register = template.Library()


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
    return _("%(part)s of “%(whole)s”") % {"part": part_title(change), "whole": change.within}


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
    return _("%(kind)s “%(name)s”") % {"kind": kind, "name": name}


def _capitalised(label: str) -> str:
    return label[:1].upper() + label[1:]


@register.filter
def in_blocks(changes: Iterable[Change]) -> list[Block]:
    """What belongs to one object, together."""
    return blocks(changes)


@register.filter
def change_act(change: Change | Block) -> str:
    words = {Action.ADDED: _("added"), Action.CHANGED: _("changed"), Action.REMOVED: _("removed")}
    return words[change.action]
