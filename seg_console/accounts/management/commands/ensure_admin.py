from __future__ import annotations

import secrets
from typing import Any

from django.core.management.base import BaseCommand, no_translations
from django.utils import timezone

from seg_console import environment
from seg_console.accounts.models import User
from seg_console.accounts.roles import ADMIN_NAME, Role

FULL_NAME = "Administrator"
GENERATED_BYTES = 12  # 16 characters, 96 bits


def ensure_admin(given_passphrase: str) -> str:
    """Make the user `admin`, with `given_passphrase` or else a generated one, unless there is one already. Returns the
    passphrase where it was generated, else the empty string; it is kept nowhere in clear.

    Neither needs a change at the first sign-in: whoever starts the console chose the one or alone has seen the other.
    """
    if User.objects.filter(username=ADMIN_NAME).exists():
        return ""
    passphrase = given_passphrase or secrets.token_urlsafe(GENERATED_BYTES)
    User.objects.create_user(
        ADMIN_NAME,
        password=passphrase,
        role=Role.ADMINISTRATOR,
        full_name=FULL_NAME,
        passphrase_changed_at=timezone.now(),
    )
    return "" if given_passphrase else passphrase


class Command(BaseCommand):
    help = "Create the user admin, with SEG_ADMIN_PASSPHRASE or a generated passphrase, unless it exists."

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        generated = ensure_admin(environment.text("SEG_ADMIN_PASSPHRASE", ""))
        if generated:
            self.stdout.write(f"passphrase: {generated}")
