"""The Audit Log page's questions, each answered in a bounded time whatever the number of entries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q, QuerySet

from seg_console.audit.models import Act, Entry

# No index answers "contains"; a page looks through so many entries and says how far back it has come.
LOOKED_THROUGH = 50_000


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Conditions join by AND, the acts among themselves by OR. `since` is inclusive, `until` exclusive. `text` stands
    anywhere in object, details or changes, whatever its letter case; a user and an address are given whole."""

    username: str = ""
    acts: tuple[Act, ...] = ()
    text: str = ""
    address: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of an entry in the newest-first order; the next page begins after it."""

    at: datetime
    pk: int


@dataclass(frozen=True, slots=True)
class AuditPage:
    """`following`: where the next page begins, None on the last. `reached`: how far back a search for text has looked
    where it stopped before the page was full, else None."""

    entries: list[Entry]
    following: Cursor | None
    reached: datetime | None = None


def search(query: AuditQuery, *, after: Cursor | None = None, limit: int = 20) -> AuditPage:
    """One page of entries, newest first, in one query, or two where text is searched for."""
    matching = _matching(query)
    if after is not None:
        # The first condition says nothing new, but an index understands it.
        matching = matching.filter(Q(at__lte=after.at), Q(at__lt=after.at) | Q(pk__lt=after.pk))
    reached = None
    if query.text:
        reached = _end_of_what_one_page_looks_through(matching)
        matching = matching.filter(searchable__contains=query.text.casefold())
        if reached is not None:
            matching = matching.filter(at__gte=reached)
    found = list(matching.order_by("-at", "-pk")[: limit + 1])
    if len(found) > limit:
        last = found[limit - 1]
        return AuditPage(found[:limit], Cursor(last.at, last.pk))
    return AuditPage(found, Cursor(reached, 0) if reached else None, reached)


def _matching(query: AuditQuery) -> QuerySet[Entry]:
    found = Entry.objects.all()
    if query.username:
        found = found.filter(username=query.username)
    if query.acts:
        found = found.filter(act__in=query.acts)
    if query.address:
        found = found.filter(address=query.address)
    if query.since is not None:
        found = found.filter(at__gte=query.since)
    if query.until is not None:
        found = found.filter(at__lt=query.until)
    return found


def _end_of_what_one_page_looks_through(matching: QuerySet[Entry]) -> datetime | None:
    """The time of the last entry that one page looks at; all entries of that very moment are looked at with it, so
    that the next page may begin before it. None where it looks at all."""
    window = matching.order_by("-at", "-pk").values("at")[:LOOKED_THROUGH]
    seen = window.aggregate(number=Count("*"), oldest=Min("at"))
    oldest: datetime | None = seen["oldest"]
    return oldest if seen["number"] == LOOKED_THROUGH else None
