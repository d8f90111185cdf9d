"""What signing in and out does to an account and to the audit log. The views call it; nothing else does.

Failures count in the database by conditional updates, so that attempts made at the same moment count each and the
account locks once. Throttling (accounts.throttle) comes before: what it turns away was no attempt.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_noop

from seg_console.accounts.backend import PASSPHRASE_WAS_READ
from seg_console.accounts.document import account_settings
from seg_console.accounts.models import User
from seg_console.accounts.passphrases import has_expired
from seg_console.accounts.roles import ADMIN_NAME
from seg_console.audit.models import Act
from seg_console.audit.record import record
from seg_console.config import running

# Sentences of the audit log, which shows them in its reader's language.
LOCKED_BY_FAILURES = gettext_noop("Too many failed attempts to log in.")
TURNED_AWAY = gettext_noop("Turned away unread: too many failed attempts from this address or with this username.")
IS_LOCKED = gettext_noop("The account is locked.")


def signed_in(user: User, *, now: datetime | None = None) -> None:
    """The right passphrase: failures before it are forgotten, and an expired passphrase is to be changed first."""
    now = now or timezone.now()
    after_days = account_settings(running.current().document).passphrase_expiry
    values = {"failed_attempts": 0}
    if has_expired(user.passphrase_changed_at or user.date_joined, after_days=after_days, now=now):
        values["must_change_passphrase"] = True
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(**values)
        record(Act.SIGN_IN, by=user, at=now)


def failed(username: str, *, throttled: bool = False, now: datetime | None = None) -> None:
    """An attempt with a name and a passphrase that did not let anybody in.

    `throttled`: it was turned away unread, and counts towards no lock. The account locks with the last failure that
    Account Settings allow, except `admin`: nobody could be sure to unlock it.
    """
    now = now or timezone.now()
    known = User.objects.filter(username=username)
    with transaction.atomic():
        record(Act.SIGN_IN_FAILED, username=username, detail=_reason(username, throttled=throttled), at=now)
        if throttled:
            return
        known.filter(locked_at=None).update(failed_attempts=F("failed_attempts") + 1)
        _lock_if_due(username, now)


def was_throttled(request: HttpRequest) -> bool:
    """Whether the attempt that this request made was turned away unread."""
    return PASSPHRASE_WAS_READ not in request.META


def signed_out(user: User, *, now: datetime | None = None) -> None:
    record(Act.SIGN_OUT, by=user, at=now)


def _lock_if_due(username: str, now: datetime) -> None:
    most = account_settings(running.current().document).lock_after
    if not most:
        return
    due = User.objects.filter(username=username, locked_at=None, failed_attempts__gte=most)
    if due.exclude(username=ADMIN_NAME).update(locked_at=now):
        record(Act.LOCKED, username=username, target=username, detail=LOCKED_BY_FAILURES, at=now)


def _reason(username: str, *, throttled: bool) -> str:
    """What the page never says: only the audit log tells these apart."""
    if throttled:
        return TURNED_AWAY
    locked = User.objects.filter(username=username).values_list("locked_at", flat=True).first()
    return IS_LOCKED if locked else ""
