"""The people who sign in to the console."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from seg_console.accounts.roles import Privilege, Role, allows


class User(AbstractUser):
    """An account with one role. A new account gets the role that may do least."""

    role = models.CharField(_("role"), max_length=20, choices=Role, default=Role.GUEST)

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="accounts_user_role_known")
        ]

    def may(self, privilege: Privilege) -> bool:
        return self.is_active and allows(self.role, privilege)
