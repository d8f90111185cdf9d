"""What somebody may be allowed to do; which role may is for seg_console.accounts.roles to say."""

from __future__ import annotations

from enum import Enum


class Privilege(Enum):
    """One thing a role may be allowed; every view and action asks for exactly one."""

    VIEW_STATUS = "view status"  # Overview, Delivery Status
    VIEW_TRACKING = "view tracking"  # Message Tracking
    RETRY_DELIVERY = "retry delivery"  # and delete what is held
    VIEW_CONFIGURATION = "view configuration"
    CHANGE_CONFIGURATION = "change configuration"  # submit, commit, abandon, load, roll back
    VIEW_CONFIGURATION_FILE = "view configuration file"  # the page alone
    SAVE_CONFIGURATION = "save configuration"  # download the configuration file
    RESET_CONFIGURATION = "reset configuration"  # to the initial one
    VIEW_USERS = "view users"
    CHANGE_USERS = "change users"  # add, edit, lock, delete accounts; end other people's sessions
    VIEW_AUDIT_LOG = "view audit log"
