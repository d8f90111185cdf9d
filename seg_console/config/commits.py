"""Numbers for sets: the one place where a set becomes the committed one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.utils import timezone, translation

from seg_console.audit import source
from seg_console.audit.models import Act
from seg_console.config import auditing, document, registry, rows
from seg_console.config.changes import NOTHING, Size, comparison_of
from seg_console.config.checks import check_comment
from seg_console.config.comparison import Differing
from seg_console.config.document import Print
from seg_console.config.general import general_settings
from seg_console.config.located import located
from seg_console.config.models import CommittedSection, Configuration, State
from seg_console.config.problems import InvalidConfiguration
from seg_console.config.rows import Model

if TYPE_CHECKING:
    from seg_console.accounts.models import User


class CommentRequired(Exception):
    """General Settings ask for a comment with every commit, and there was none. Nothing was committed."""


class CommentRefused(Exception):
    """The comment is none that can be kept; the message is a sentence that says why. Nothing was committed."""


def ensure_initial() -> Configuration:
    """The newest committed set. The first time in a system's life it is made, with the number 1; the database lets
    only one of several processes do so."""
    newest = Configuration.objects.committed().first()
    if newest:
        return newest
    try:
        with transaction.atomic():
            first = new_pending(None, based_on=None)
            found = document.load(document.initial(), first)
            number(first, 1, document.prints(found))
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


def follow(
    newest: Configuration,
    pending: Configuration,
    found: Mapping[str, Print],
    differing: Sequence[Differing],
    *,
    comment: str,
    author: User | None,
) -> int:
    """Make a set that has been checked the one committed after `newest`, and return its number.

    `differing` is what differs between the two; it is counted in the history and told to the audit log. Raises
    CommentRequired and CommentRefused.
    """
    try:
        comment = check_comment(comment)
    except ValueError as error:
        raise CommentRefused(str(error)) from error
    if not comment and general_settings(newest).comment_required:
        raise CommentRequired
    with translation.override("en"):
        compared = comparison_of(differing, before=newest, after=pending)
        value = (newest.number or 0) + 1
        pending.based_on = newest
        # As in the audit log: where no account commits, whoever runs the command.
        name = author.get_username() if author else source.current().username
        number(pending, value, found, comment=comment, author=author, author_name=name, size=compared.size)
        auditing.compared(Act.COMMIT, author, compared, target=str(value), detail=comment)
    return value


def number(
    pending: Configuration,
    value: int,
    found: Mapping[str, Print],
    *,
    comment: str = "",
    author: User | None = None,
    author_name: str = "",
    size: Size = NOTHING,
) -> None:
    """Give a set that has been checked its number, and keep the prints of its sections. `author_name`: what history
    keeps; "" for the system itself."""
    CommittedSection.objects.bulk_create(
        CommittedSection(configuration=pending, key=key, text=one.text, uids=list(one.uids))
        for key, one in found.items()
    )
    now = timezone.now()
    pending.state, pending.number, pending.owner = State.COMMITTED, value, None
    pending.committed_at = pending.changed_at = now
    pending.committed_by, pending.author, pending.comment = author, author_name, comment
    pending.objects_added, pending.objects_changed, pending.objects_removed = size.added, size.changed, size.removed
    pending.save()


def checked_prints(pending: Configuration, newest: Configuration, changed: set[Model]) -> dict[str, Print]:
    """The prints of a whole set that differs from the newest one in these models. Raises InvalidConfiguration.

    Sections that do not differ were checked when they were committed: their prints are taken over, so that a change
    to a policy costs nothing for the 40,000 routes beside it.
    """
    kept = {section.key: Print(section.text, tuple(section.uids)) for section in newest.sections.all()}
    fresh = [
        section
        for section in registry.sections()
        if section.key not in kept or not changed.isdisjoint(registry.models_of(section.key))
    ]
    keys = [section.key for section in fresh]
    needed = {model for key in keys for model in registry.models_of(key)}
    with rows.collector_paused():
        found = document.prints(rows.read(pending, needed), keys)
        problems = [problem for section in fresh for problem in document.problems_in(section, found[section.key].text)]
    whole = kept | found
    if not problems:
        problems = document.problems_between({key: one.text for key, one in whole.items()}, keys)
    if problems:
        raise InvalidConfiguration(located(problems, pending))
    return whole
