"""The sessions of the console: begun at sign-in, ended by inactivity, by somebody, or by logging out.

Django's session says who somebody is; the row of `ConsoleSession` beside it says whether that still holds. It is
looked at with every request, so that an end is in force at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop, override

from seg_console.accounts.document import network_access
from seg_console.accounts.models import LONGEST_AGENT, SHORTEST_TIMEOUT, ConsoleSession, End
from seg_console.audit import source
from seg_console.audit.models import Act
from seg_console.audit.record import Changed, record
from seg_console.config import running
from seg_console.mail.lines import printable

if TYPE_CHECKING:
    from seg_console.accounts.models import User

ROW_KEY = "console_session"
# Activity is written down no more often than this, so that a page costs no write.
WRITE_EVERY = timedelta(minutes=1)
# How long a row says why its session ended, for whoever comes back to it.
KEEP_ENDED = timedelta(days=7)
THING, LOGIN_TIME = gettext_noop("Session"), gettext_noop("Login Time")
REMOTE_HOST, REASON = gettext_noop("Remote Host"), gettext_noop("Reason")
# Rows ended in one go of the housekeeping.
BATCH = 500


def begin(store: SessionBase, user: User, *, agent: str, now: datetime) -> None:
    """Keep a row for the session of somebody who has just signed in. `agent`: the browser's name for itself."""
    row = ConsoleSession.objects.create(
        user=user,
        signed_in_at=now,
        last_seen_at=now,
        address=source.current().address,
        agent=printable(agent)[:LONGEST_AGENT],
    )
    store[ROW_KEY] = str(row.pk)


def is_over(store: SessionBase, user: User, *, is_activity: bool, now: datetime) -> End | None:
    """Why this session of `user` is over; None while it goes on, and then activity is noted. One query for a request,
    two once a minute. Call it for sessions that `begin` has seen."""
    row = ConsoleSession.objects.filter(pk=store[ROW_KEY], user=user).first()
    if row is None:
        # Removed long after its end, or with what the database held.
        return End.INACTIVITY
    if row.ended_at is not None:
        return End(row.end_reason)
    if user.locked_at is not None and row.signed_in_at >= user.locked_at:
        # Its login and the lock met; those that were there before are ended by whoever locks, or go on.
        _end(ConsoleSession.objects.filter(pk=row.pk), End.ENDED, now)
        return End.ENDED
    idle = now - row.last_seen_at
    # Below the shortest time-out there is, nobody needs to look up the one that is set.
    if idle > timedelta(minutes=SHORTEST_TIMEOUT) and idle > longest_idle():
        end_idle(now, only=row)
        return End.INACTIVITY
    if is_activity and idle >= WRITE_EVERY:
        ConsoleSession.objects.filter(pk=row.pk, ended_at=None).update(last_seen_at=now)
    return None


def has_row(store: SessionBase) -> bool:
    return ROW_KEY in store


def row_key(store: SessionBase) -> UUID | None:
    """Key of the row of this session, if it has one."""
    return UUID(store[ROW_KEY]) if ROW_KEY in store else None


def timeout_minutes() -> int:
    """The inactivity time-out of the committed configuration."""
    return running.current().value(network_access).web_ui_inactivity_timeout


def longest_idle() -> timedelta:
    """How long a session may rest. What is written is up to WRITE_EVERY old: nobody is sent away before the time."""
    return timedelta(minutes=timeout_minutes()) + WRITE_EVERY


def active(now: datetime) -> QuerySet[ConsoleSession]:
    """The sessions now logged in, the one last used first, with their users."""
    rows = ConsoleSession.objects.filter(
        ended_at=None,
        last_seen_at__gte=now - longest_idle(),
        signed_in_at__gte=now - timedelta(seconds=settings.SESSION_COOKIE_AGE),
    )
    return rows.select_related("user").order_by("-last_seen_at", "pk")


def end(row: ConsoleSession, *, by: User, now: datetime) -> bool:
    """End a session at once, and record it. Returns whether it was going on."""
    with transaction.atomic():
        if not _end(ConsoleSession.objects.filter(pk=row.pk), End.ENDED, now):
            return False
        record(Act.SESSION_ENDED, by=by, target=row.user.username, changes=_told(row, End.ENDED), at=now)
    return True


def end_all(user: User, *, but: SessionBase | None = None, now: datetime | None = None) -> int:
    """End every session of an account at once, but for one. Returns how many. The act that was the reason is what the
    audit log records, by whoever calls this."""
    rows = ConsoleSession.objects.filter(user=user)
    kept = row_key(but) if but is not None else None
    return _end(rows.exclude(pk=kept) if kept else rows, End.ENDED, now or timezone.now())


def close(key: UUID | None, now: datetime, reason: End = End.ENDED) -> None:
    """End the session of this row, if it has one, for a reason that is recorded elsewhere."""
    if key is not None:
        _end(ConsoleSession.objects.filter(pk=key), reason, now)


def sign_out(store: SessionBase, now: datetime) -> None:
    """Note that a session was left by logging out; its store is Django's to empty."""
    close(row_key(store), now, End.SIGNED_OUT)


def end_idle(now: datetime, *, only: ConsoleSession | None = None) -> int:
    """End and record the sessions whose time is over, or one that is known to be. Returns how many; bounded."""
    with transaction.atomic():
        idle = ConsoleSession.objects.filter(ended_at=None, last_seen_at__lt=now - longest_idle())
        rows = list((idle.filter(pk=only.pk) if only else idle).select_related("user").order_by("last_seen_at")[:BATCH])
        for row in rows:
            if _end(ConsoleSession.objects.filter(pk=row.pk), End.INACTIVITY, now):
                record(Act.SESSION_ENDED, target=row.user.username, changes=_told(row, End.INACTIVITY), at=now)
    return len(rows)


def tidy(now: datetime) -> None:
    """End what is idle; remove the rows of sessions that ended days ago, and Django's own that have expired."""
    end_idle(now)
    ConsoleSession.objects.filter(ended_at__lt=now - KEEP_ENDED).delete()
    Session.objects.filter(expire_date__lt=now).delete()


def _end(rows: QuerySet[ConsoleSession], reason: End, now: datetime) -> int:
    """Conditional, so that a session ends once, whoever else is ending it."""
    return rows.filter(ended_at=None).update(ended_at=now, end_reason=reason)


def _told(row: ConsoleSession, reason: End) -> list[Changed]:
    """What the audit log keeps of a session that is over; times in ISO 8601, for each reader's own zone."""
    with override("en"):
        why = str(reason.label)
    facts = [
        Changed(THING, LOGIN_TIME, row.signed_in_at.isoformat(), "", is_time=True),
        Changed(THING, REMOTE_HOST, row.address, ""),
        Changed(THING, REASON, "", why, is_worded=True),
    ]
    return [fact for fact in facts if fact.old or fact.new]
