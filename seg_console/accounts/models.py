"""The people who sign in to the console."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from seg_console.accounts.roles import ADMIN_NAME, FOR_ADMIN_ALONE, Role, allows
from seg_console.config.models import ConfigurationObject
from seg_console.privileges import Privilege

MOST_FAILED_ATTEMPTS = 100
SHORTEST_MINIMUM, LONGEST_MINIMUM = 8, 128
LONGEST_EXPIRY_DAYS = 3650
# seg-webui 2.4: whole minutes.
SHORTEST_TIMEOUT, LONGEST_TIMEOUT = 5, 1440
ROWS = (10, 20, 50, 100)
LONGEST_ADDRESS = 45
LONGEST_AGENT = 200


class User(AbstractUser):
    """An account with one role. A new account gets the role that may do least.

    Accounts and preferences act at once, without commit: a locked account is locked now, and no roll back brings
    somebody's access back (docs/decisions.md#preferences-act-once).
    """

    role = models.CharField(_("role"), max_length=20, choices=Role, default=Role.GUEST)
    full_name = models.CharField(_("full name"), max_length=150, blank=True)
    # Nothing but the change of passphrase is open to this user until it is made.
    must_change_passphrase = models.BooleanField(_("must change passphrase"), default=False)
    passphrase_changed_at = models.DateTimeField(_("passphrase changed"), null=True)
    # Consecutive failed attempts to sign in, from anywhere; a success sets it to 0.
    failed_attempts = models.PositiveIntegerField(_("failed attempts"), default=0)
    locked_at = models.DateTimeField(_("locked"), null=True)

    # Preferences (seg-webui 2.7); empty: the browser's wish, or the console's default.
    language = models.CharField(_("language"), max_length=20, blank=True)
    landing_page = models.CharField(_("landing page"), max_length=100, blank=True)
    time_range = models.CharField(_("time range"), max_length=20, blank=True)
    rows = models.PositiveSmallIntegerField(_("rows displayed"), default=20)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(condition=Q(role__in=Role.values), name="accounts_user_role_known"),
            # seg-webui 8.6: `admin` always is an Administrator; nobody else could let a locked `admin` in again.
            models.CheckConstraint(
                condition=~Q(username=ADMIN_NAME) | Q(role=Role.ADMINISTRATOR, locked_at=None, is_active=True),
                name="accounts_user_admin_keeps_access",
            ),
            models.CheckConstraint(condition=Q(rows__in=ROWS), name="accounts_user_rows_known"),
        ]

    @property
    def is_admin(self) -> bool:
        """The account that always exists and always is an Administrator (seg-webui 8.6)."""
        return self.username == ADMIN_NAME

    def may(self, privilege: Privilege) -> bool:
        """Whether the user may do this now. Until a passphrase that must be changed has been, nothing."""
        if self.must_change_passphrase:
            return False
        if privilege in FOR_ADMIN_ALONE and not self.is_admin:
            return False
        return self.is_active and allows(self.role, privilege)


class AccountSettings(ConfigurationObject):
    """System Administration > Account Settings. One row in every set."""

    lock_after = models.PositiveIntegerField(
        _("Lock account after failed logins"), default=10, validators=[MaxValueValidator(MOST_FAILED_ATTEMPTS)]
    )
    minimum_length = models.PositiveIntegerField(
        _("Minimum passphrase length"),
        default=8,
        validators=[MinValueValidator(SHORTEST_MINIMUM), MaxValueValidator(LONGEST_MINIMUM)],
    )
    passphrase_expiry = models.PositiveIntegerField(
        _("Passphrases expire after (days)"), default=0, validators=[MaxValueValidator(LONGEST_EXPIRY_DAYS)]
    )

    class Meta:
        verbose_name = _("Account Settings")
        verbose_name_plural = _("Account Settings")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(fields=["configuration"], name="accounts_accountsettings_one"),
            models.CheckConstraint(
                condition=Q(
                    lock_after__lte=MOST_FAILED_ATTEMPTS,
                    minimum_length__gte=SHORTEST_MINIMUM,
                    minimum_length__lte=LONGEST_MINIMUM,
                    passphrase_expiry__lte=LONGEST_EXPIRY_DAYS,
                ),
                name="accounts_accountsettings_limits",
            ),
        ]


class NetworkAccess(ConfigurationObject):
    """System Administration > Network Access. One row in every set."""

    web_ui_inactivity_timeout = models.PositiveIntegerField(
        _("Web UI Inactivity Timeout (minutes)"),
        default=30,
        validators=[MinValueValidator(SHORTEST_TIMEOUT), MaxValueValidator(LONGEST_TIMEOUT)],
    )

    class Meta:
        verbose_name = _("Network Access")
        verbose_name_plural = _("Network Access")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(fields=["configuration"], name="accounts_networkaccess_one"),
            models.CheckConstraint(
                condition=Q(
                    web_ui_inactivity_timeout__gte=SHORTEST_TIMEOUT, web_ui_inactivity_timeout__lte=LONGEST_TIMEOUT
                ),
                name="accounts_networkaccess_limits",
            ),
        ]


class End(models.TextChoices):
    """Why a session is over."""

    SIGNED_OUT = "signed_out", _("Logged out")
    INACTIVITY = "inactivity", _("Inactivity")
    ENDED = "ended", _("Ended by somebody")


class ConsoleSession(models.Model):
    """One sign-in to the console, from its first request to its end. The session itself carries the key of this row,
    which therefore survives the change of the session's own key and tells nobody what that is."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="+")
    signed_in_at = models.DateTimeField(_("login time"))
    # Written at most once a minute (accounts.sessions).
    last_seen_at = models.DateTimeField(_("last seen"))
    ended_at = models.DateTimeField(_("ended"), null=True)
    end_reason = models.CharField(_("reason"), max_length=20, choices=End, blank=True)
    address = models.CharField(_("remote host"), max_length=LONGEST_ADDRESS, blank=True)
    agent = models.CharField(_("browser"), max_length=LONGEST_AGENT, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["last_seen_at"], condition=Q(ended_at=None), name="accounts_session_running"),
            models.Index(fields=["ended_at"], condition=~Q(ended_at=None), name="accounts_session_ended"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(ended_at=None, end_reason="") | Q(ended_at__isnull=False, end_reason__in=End.values),
                name="accounts_consolesession_end",
            )
        ]

    def __str__(self) -> str:
        return f"session of {self.user_id} since {self.signed_in_at:%Y-%m-%d %H:%M:%S}"
