"""Who may do what: the roles of seg-webui 9 and their privileges, declared once as data.

Views and commands ask `allows(role, privilege)`; no other module names a role to decide something."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from seg_console.privileges import Privilege


class Role(models.TextChoices):
    ADMINISTRATOR = "administrator", _("Administrator")
    OPERATOR = "operator", _("Operator")
    READ_ONLY_OPERATOR = "read_only_operator", _("Read-Only Operator")
    GUEST = "guest", _("Guest")
    TECHNICIAN = "technician", _("Technician")
    HELP_DESK_USER = "help_desk_user", _("Help Desk User")


# A role that may not commit may not submit either: pending changes that nobody can commit help no one
# (docs/decisions.md#roles-may-commit).
PRIVILEGES: dict[Role, frozenset[Privilege]] = {
    Role.ADMINISTRATOR: frozenset(Privilege),
    Role.OPERATOR: frozenset(Privilege) - {Privilege.CHANGE_USERS, Privilege.RESET_CONFIGURATION},
    Role.READ_ONLY_OPERATOR: frozenset(
        {
            Privilege.VIEW_STATUS,
            Privilege.VIEW_TRACKING,
            Privilege.VIEW_CONFIGURATION,
            Privilege.VIEW_CONFIGURATION_FILE,
            Privilege.VIEW_USERS,
            Privilege.VIEW_AUDIT_LOG,
        }
    ),
    Role.GUEST: frozenset({Privilege.VIEW_STATUS}),
    Role.TECHNICIAN: frozenset(
        {Privilege.VIEW_STATUS, Privilege.VIEW_CONFIGURATION_FILE, Privilege.SAVE_CONFIGURATION}
    ),
    Role.HELP_DESK_USER: frozenset({Privilege.VIEW_TRACKING}),
}

# What even an Administrator may do only as the user `admin` (seg-webui 9).
FOR_ADMIN_ALONE = frozenset({Privilege.RESET_CONFIGURATION})
ADMIN_NAME = "admin"


def allows(role: str, privilege: Privilege) -> bool:
    """Whether `role` (a value of `Role`; anything else allows nothing) has `privilege`."""
    if role not in Role.values:
        return False
    return privilege in PRIVILEGES[Role(role)]
