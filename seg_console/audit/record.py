"""The one way into the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from django.utils import timezone
from django.utils.translation import gettext_noop

from seg_console.audit import source
from seg_console.audit.models import LONGEST_ADDRESS, LONGEST_TARGET, LONGEST_USERNAME, Act, Entry
from seg_console.mail.lines import printable

if TYPE_CHECKING:
    from seg_console.accounts.models import User

MOST_CHANGES = 200
LONGEST_VALUE = 1000
LONGEST_DETAIL = 2000
LONGEST_SEARCHABLE = 4000
CUT = "…"

# Whoever guesses passphrases does not get to fill the disk, nor to bury what others do.
MOST_FAILURES_OF_ONE_ADDRESS = 100
MOST_FAILURES = 1000
FAILURES_COUNTED_OVER = timedelta(hours=1)
LAST_FAILURE = gettext_noop("Too many failed logins: further ones of this hour are not recorded.")


class Changed(NamedTuple):
    """One field before and after. `thing` and `field` are English msgids, shown through gettext.

    `name`: which thing of its kind. `within`: the name of what it is a part of. `is_worded`: `old` and `new` are
    msgids too ("Yes", a role), not what somebody typed. `is_time`: they are times in ISO 8601 with their offset.
    """

    thing: str
    field: str
    old: str
    new: str
    name: str = ""
    within: str = ""
    is_worded: bool = False
    is_time: bool = False


def record(
    act: Act,
    *,
    by: User | None = None,
    username: str = "",
    target: str = "",
    changes: Iterable[Changed] = (),
    more_changes: int = 0,
    size: int = 0,
    detail: str = "",
    at: datetime | None = None,
) -> None:
    """Keep that `by` did this, in the caller's transaction: one INSERT.

    `username` is for those who are not signed in (a failed sign-in), else the account's name is taken, else that of
    the source in force. Of `changes` the first MOST_CHANGES are kept and the rest counted; whoever has left some out
    before says how many by `more_changes`. `size`: how many objects of the configuration differ. Long texts are cut,
    control characters escaped. Of failed sign-ins no more than MOST_FAILURES are kept in an hour, and of one address
    no more than MOST_FAILURES_OF_ONE_ADDRESS; the last one says so.
    """
    at, came = at or timezone.now(), source.current()
    if act == Act.SIGN_IN_FAILED:
        left = _failures_left(came.address, at)
        if left <= 0:
            return
        detail = LAST_FAILURE if left == 1 else detail
    given = iter(changes)
    kept = [_bounded(change) for change in islice(given, MOST_CHANGES)]
    target, detail = _short(printable(target), LONGEST_TARGET), _short(detail, LONGEST_DETAIL)
    Entry.objects.create(
        at=at,
        username=_short(printable(by.get_username() if by else username or came.username), LONGEST_USERNAME),
        user=by,
        act=act,
        target=target,
        detail=detail,
        changes=[_stored(change) for change in kept],
        more_changes=more_changes + sum(1 for _change in given),
        size=size,
        address=came.address[:LONGEST_ADDRESS],
        through=came.through,
        searchable=_searchable(target, detail, kept),
    )


def _failures_left(address: str, now: datetime) -> int:
    """How many failed sign-ins of this address are still recorded in this hour."""
    recent = Entry.objects.filter(act=Act.SIGN_IN_FAILED, at__gt=now - FAILURES_COUNTED_OVER)
    of_all = recent[:MOST_FAILURES].count()
    of_this = recent.filter(address=address)[:MOST_FAILURES_OF_ONE_ADDRESS].count()
    return min(MOST_FAILURES - of_all, MOST_FAILURES_OF_ONE_ADDRESS - of_this)


def _stored(change: Changed) -> list[str | bool]:
    """Without what is last and rare, as entries had it before there was such a thing."""
    stored: list[str | bool] = [*change]
    return stored if change.is_time else stored[:-1]


def _bounded(change: Changed) -> Changed:
    return change._replace(
        old=_storable(_short(change.old, LONGEST_VALUE)),
        new=_storable(_short(change.new, LONGEST_VALUE)),
        name=_short(printable(change.name), LONGEST_TARGET),
        within=_short(printable(change.within), LONGEST_TARGET),
    )


def _searchable(target: str, detail: str, changes: Iterable[Changed]) -> str:
    words = dict.fromkeys([target, detail])
    for change in changes:
        words |= dict.fromkeys([change.thing, change.name, change.within, change.old, change.new])
    return "\n".join(word for word in words if word).casefold()[:LONGEST_SEARCHABLE]


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - len(CUT)] + CUT


def _storable(text: str) -> str:
    """Line ends stay, other control characters do not: PostgreSQL stores no NUL, and a page shows none."""
    return "\n".join(printable(line) for line in text.splitlines())
