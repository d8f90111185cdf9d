"""The audit log: who did what, when and from where, before and after. Written once, never changed; age alone removes
it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

LONGEST_USERNAME = 150
LONGEST_TARGET = 255
LONGEST_ADDRESS = 45


class EntriesAreFinal(RuntimeError):
    """An entry of the audit log is never changed, and only its age removes it."""


class Through(models.TextChoices):
    """The way in."""

    WEB = "web", _("Web")
    COMMAND_LINE = "command_line", _("Command Line")
    API = "api", _("API")
    SYSTEM = "system", _("System")


class Act(models.TextChoices):
    SIGN_IN = "sign_in", _("Login")
    SIGN_IN_FAILED = "sign_in_failed", _("Failed login")
    SIGN_OUT = "sign_out", _("Logout")
    LOCKED = "locked", _("Account locked")
    UNLOCKED = "unlocked", _("Account unlocked")
    PASSPHRASE_CHANGED = "passphrase_changed", _("Passphrase changed")
    USER_ADDED = "user_added", _("User added")
    USER_CHANGED = "user_changed", _("User changed")
    USER_DELETED = "user_deleted", _("User deleted")
    PREFERENCES_CHANGED = "preferences_changed", _("Preferences changed")
    SESSION_ENDED = "session_ended", _("Session ended")
    SUBMIT = "submit", _("Changes submitted")
    COMMIT = "commit", _("Changes committed")
    ABANDON = "abandon", _("Changes abandoned")
    ROLL_BACK = "roll_back", _("Configuration rolled back")
    LOAD = "load", _("Configuration loaded")
    RESET = "reset", _("Configuration reset")
    RETRY_DELIVERY = "retry_delivery", _("Delivery retried")
    DELETE_MESSAGES = "delete_messages", _("Messages deleted")
    CONNECTION_TESTED = "connection_tested", _("Connection tested")
    EXPORT = "export", _("Audit log exported")
    SECRETS_DOWNLOADED = "secrets_downloaded", _("Configuration downloaded with secrets")


class EntryQuerySet(models.QuerySet["Entry"]):
    def update(self, **values: Any) -> NoReturn:
        """Raises EntriesAreFinal."""
        raise EntriesAreFinal

    def delete(self) -> NoReturn:
        """Raises EntriesAreFinal; age alone removes entries, by `drop_some_before`."""
        raise EntriesAreFinal

    def drop_some_before(self, limit: datetime, *, most: int) -> int:
        """Remove at most `most` entries older than `limit`, the oldest first. Returns how many. For retention alone."""
        old = list(self.filter(at__lt=limit).order_by("at", "pk").values_list("pk", flat=True)[:most])
        super(EntryQuerySet, self.filter(pk__in=old)).delete()
        return len(old)


class Entry(models.Model):
    """One action. The database refuses every change of a row but that an account's deletion empties `user`
    (migration 0001)."""

    at = models.DateTimeField(_("time"))
    # As it was: the log keeps the name when the account goes. Empty for the system itself.
    username = models.CharField(_("user"), max_length=LONGEST_USERNAME, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    act = models.CharField(_("action"), max_length=30, choices=Act)
    target = models.CharField(_("object"), max_length=LONGEST_TARGET, blank=True)
    detail = models.TextField(_("details"), blank=True)
    # The first of them, each as record.Changed has it; `more_changes` counts those left out.
    changes = models.JSONField(_("changes"), default=list)
    more_changes = models.PositiveIntegerField(default=0)
    # How many objects of the configuration differ afterwards; 0 for what concerns none.
    size = models.PositiveIntegerField(_("size of change"), default=0)
    address = models.CharField(_("address"), max_length=LONGEST_ADDRESS, blank=True)
    through = models.CharField(_("through"), max_length=20, choices=Through)
    # What the free text search looks at: object, details and changes, case-folded, the beginning of it.
    searchable = models.TextField(blank=True)

    objects = EntryQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["at", "id"], name="audit_entry_by_time"),
            models.Index(fields=["username", "at", "id"], name="audit_entry_by_user"),
            models.Index(fields=["username", "act", "at", "id"], name="audit_entry_by_user_act"),
            models.Index(fields=["act", "at", "id"], name="audit_entry_by_act"),
            models.Index(fields=["address", "at", "id"], name="audit_entry_by_address"),
            # Deleting an account looks for its entries.
            models.Index(fields=["user"], condition=models.Q(user__isnull=False), name="audit_entry_user"),
        ]
        constraints = [
            # None on `act`: acts join with releases, and on SQLite a changed constraint makes the table anew, without
            # the triggers of migration 0001.
            models.CheckConstraint(condition=models.Q(through__in=Through.values), name="audit_entry_through_known"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.username or 'system'} {self.act} {self.target}"

    def save(self, *args: Any, **options: Any) -> None:
        """Raises EntriesAreFinal for an entry that is stored already."""
        if not self._state.adding:
            raise EntriesAreFinal
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        """Raises EntriesAreFinal."""
        raise EntriesAreFinal
