"""What a new user may be called (seg-webui 8.6)."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

LONGEST_NEW_NAME = 16
# Accounts of the gateway's own system, and names under which it speaks itself.
RESERVED = frozenset(
    {
        "bin",
        "daemon",
        "guest",
        "mail",
        "nobody",
        "operator",
        "postmaster",
        "root",
        "smtpd",
        "sshd",
        "sys",
        "system",
        "toor",
        "www",
    }
)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


def check_new_username(name: str) -> str:
    """`name` if a new user may have it. Raises ValueError with a sentence."""
    if name in RESERVED:
        raise ValueError(_("“%(name)s” is a reserved word. Choose another user name.") % {"name": name})
    if len(name) > LONGEST_NEW_NAME:
        raise ValueError(_("A user name has at most %(most)d characters.") % {"most": LONGEST_NEW_NAME})
    if not _NAME.fullmatch(name):
        raise ValueError(
            _("Use lower-case letters, digits and dashes only, with a letter or digit first: for example ann-smith.")
        )
    return name
