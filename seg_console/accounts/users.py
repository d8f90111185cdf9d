"""What administrators do with accounts (seg-webui 8.6). Each act is at once, and in the audit log.

What is forbidden even to them is said here once; pages ask before they offer it, and the acts refuse it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from axes.utils import reset as forget_attempts
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, override

from seg_console.accounts import sessions
from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.audit.models import Act
from seg_console.audit.record import Changed, record
from seg_console.config import pending
from seg_console.privileges import Privilege

THING = gettext_noop("User")
FULL_NAME, ROLE = gettext_noop("Full Name"), gettext_noop("User Role")


class Refused(Exception):
    """Not even an administrator may do this; the text is a sentence in the language in force."""


def why_not_delete(user: User, *, by: User) -> str:
    """The sentence that says why `by` may not delete `user`; "" where nothing is against it."""
    if user.is_admin:
        return _("The user admin cannot be deleted.")
    return _("You cannot delete your own account.") if user.pk == by.pk else ""


def why_not_lock(user: User, *, by: User) -> str:
    if user.is_admin:
        return _("The user admin cannot be locked.")
    return _("You cannot lock your own account.") if user.pk == by.pk else ""


def why_not_change_role(user: User, *, by: User) -> str:
    if user.is_admin:
        return _("The user admin always is an Administrator.")
    return _("You cannot change your own role.") if user.pk == by.pk else ""


def why_not_set_passphrase(user: User, *, by: User) -> str:
    """Whoever could set the passphrase of `admin` could do what only `admin` may."""
    if user.pk == by.pk:
        return _("Change your own passphrase under Options > Change Passphrase.")
    return _("Only admin changes the passphrase of admin.") if user.is_admin else ""


def add(username: str, *, full_name: str, role: Role, passphrase: str, by: User) -> User:
    """A new account, whose passphrase must be changed at the first sign-in. Raises IntegrityError if it is there."""
    user = User(username=username, full_name=full_name, role=role, must_change_passphrase=True)
    user.set_password(passphrase)
    user.passphrase_changed_at = timezone.now()
    with transaction.atomic():
        user.save()
        changes = [
            Changed(THING, FULL_NAME, "", full_name, name=username),
            Changed(THING, ROLE, "", _english(role), name=username, is_worded=True),
        ]
        record(Act.USER_ADDED, by=by, target=username, changes=changes)
    return user


def change(user: User, *, full_name: str, role: Role, passphrase: str = "", by: User) -> None:
    """Another name, role or passphrase ("": as it is). A passphrase that somebody else has set must be changed at
    the next sign-in, and ends the user's sessions. A role that may not change the configuration loses what is pending:
    nobody could commit or abandon it. Raises Refused."""
    if role != user.role:
        _refuse_if(why_not_change_role(user, by=by))
    if passphrase:
        _refuse_if(why_not_set_passphrase(user, by=by))
    changes = list(_changes(user, full_name=full_name, role=role))
    with transaction.atomic():
        if changes:
            user.full_name, user.role = full_name, role
            user.save(update_fields=["full_name", "role"])
            record(Act.USER_CHANGED, by=by, target=user.username, changes=changes)
            if not user.may(Privilege.CHANGE_CONFIGURATION):
                pending.abandon(user, by=by)
        if passphrase:
            set_passphrase(user, passphrase, must_change=True, by=by)


def set_passphrase(
    user: User, passphrase: str, *, must_change: bool, by: User | None, keep: SessionBase | None = None
) -> None:
    """Ends the user's sessions, but for `keep`. `by` None: the command line."""
    user.set_password(passphrase)
    user.must_change_passphrase = must_change
    user.passphrase_changed_at = timezone.now()
    user.failed_attempts = 0
    with transaction.atomic():
        user.save(update_fields=["password", "must_change_passphrase", "passphrase_changed_at", "failed_attempts"])
        sessions.end_all(user, but=keep)
        record(Act.PASSPHRASE_CHANGED, by=by, target=user.username)


def lock(user: User, *, by: User, now: datetime | None = None) -> bool:
    """Keep the user out from now on and end what sessions there are. False if the account was locked already.

    Raises Refused.
    """
    _refuse_if(why_not_lock(user, by=by))
    now = now or timezone.now()
    with transaction.atomic():
        if not User.objects.filter(pk=user.pk, locked_at=None).update(locked_at=now):
            return False
        sessions.end_all(user, now=now)
        record(Act.LOCKED, by=by, target=user.username, at=now)
    return True


def unlock(user: User, *, by: User | None) -> bool:
    """Let the user try again, from every address at once; False if the account was not locked. `by` None: the
    command line."""
    with transaction.atomic():
        forget_attempts(username=user.username)
        locked = User.objects.filter(pk=user.pk).exclude(locked_at=None)
        was_locked = bool(locked.update(locked_at=None, failed_attempts=0))
        if was_locked:
            record(Act.UNLOCKED, by=by, target=user.username)
    return was_locked


def enforce_passphrase_change(users: Iterable[User], *, by: User) -> None:
    """From their next request on these users can do nothing before they have changed their passphrase."""
    with transaction.atomic():
        for user in users:
            if User.objects.filter(pk=user.pk, must_change_passphrase=False).update(must_change_passphrase=True):
                record(
                    Act.USER_CHANGED, by=by, target=user.username, detail=gettext_noop("Passphrase change enforced.")
                )


def delete(user: User, *, by: User) -> None:
    """The account, its sessions and its pending changes; what it committed and did stays. Raises Refused."""
    _refuse_if(why_not_delete(user, by=by))
    with transaction.atomic():
        changes = [
            Changed(THING, FULL_NAME, user.full_name, "", name=user.username),
            Changed(THING, ROLE, _english(Role(user.role)), "", name=user.username, is_worded=True),
        ]
        record(Act.USER_DELETED, by=by, target=user.username, changes=changes)
        forget_attempts(username=user.username)
        user.delete()


def _changes(user: User, *, full_name: str, role: Role) -> Iterable[Changed]:
    if full_name != user.full_name:
        yield Changed(THING, FULL_NAME, user.full_name, full_name, name=user.username)
    if role != user.role:
        old, new = _english(Role(user.role)), _english(role)
        yield Changed(THING, ROLE, old, new, name=user.username, is_worded=True)


def _refuse_if(sentence: str) -> None:
    if sentence:
        raise Refused(sentence)


def _english(role: Role) -> str:
    with override("en"):
        return str(role.label)
