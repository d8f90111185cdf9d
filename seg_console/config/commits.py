"""Numbers for sets: the one place where a set becomes the committed one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.utils import timezone

from seg_console.config import document
from seg_console.config.models import CommittedSection, Configuration, State
from seg_console.config.problems import InvalidConfiguration

if TYPE_CHECKING:
    from seg_console.accounts.models import User


def ensure_initial() -> Configuration:
    """The newest committed set. The first time in a system's life it is made, with the number 1; the database lets
    only one of several processes do so."""
    newest = Configuration.objects.committed().first()
    if newest:
        return newest
    try:
        with transaction.atomic():
            first = new_pending(None, based_on=None)
            document.load(document.initial(), first)
            number(first, 1, comment="", author=None)
    except IntegrityError:
        pass  # another process was first; its set is there now
    return Configuration.objects.committed()[0]


def new_pending(owner: User | None, *, based_on: Configuration | None) -> Configuration:
    """An empty pending set."""
    now = timezone.now()
    return Configuration.objects.create(owner=owner, based_on=based_on, created_at=now, changed_at=now)


def lock() -> Configuration:
    """Let no other commit pass until this transaction ends, and return the newest set as it is then.

    The oldest set serves as the lock; SQLite needs none because its writing transactions queue from BEGIN.
    """
    ensure_initial()
    Configuration.objects.filter(state=State.COMMITTED).order_by("number").select_for_update().first()
    return Configuration.objects.committed()[0]


def number(pending: Configuration, value: int, *, comment: str, author: User | None) -> None:
    """Check the whole set, print its sections and give it its number. Raises InvalidConfiguration."""
    texts, uids = document.texts_of(pending)
    problems = document.validate({"format": document.FORMAT} | {key: json.loads(text) for key, text in texts.items()})
    if problems:
        raise InvalidConfiguration(problems)
    CommittedSection.objects.bulk_create(
        CommittedSection(configuration=pending, key=key, text=text, uids=uids.get(key, []))
        for key, text in texts.items()
    )
    now = timezone.now()
    pending.state, pending.number, pending.owner = State.COMMITTED, value, None
    pending.committed_at = pending.changed_at = now
    pending.committed_by, pending.author, pending.comment = author, author.get_username() if author else "", comment
    pending.save()
