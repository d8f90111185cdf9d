from __future__ import annotations

import getpass
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations

from seg_console.accounts import users
from seg_console.accounts.models import User
from seg_console.accounts.roles import ADMIN_NAME
from seg_console.audit.models import Through
from seg_console.audit.source import came_from

TRIES = 3


class Command(BaseCommand):
    """In the place of Django's command of this name: it ends the user's sessions, and the audit log knows of it."""

    help = "Set the passphrase of a user of the console (admin where no name is given); asks for it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", default=ADMIN_NAME)

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        name = options["username"]
        user = User.objects.filter(username=name).first()
        if user is None:
            raise CommandError(f'There is no user "{name}".')
        passphrase = self._asked_for(user)
        # Whoever may run this is the machine's own administrator.
        with came_from(through=Through.COMMAND_LINE):
            users.set_passphrase(user, passphrase, must_change=False, by=None)
        self.stdout.write(f"The passphrase of {name} was changed.")

    def _asked_for(self, user: User) -> str:
        """Raises CommandError after TRIES refusals, or where nothing is typed."""
        for _try in range(TRIES):
            passphrase = getpass.getpass(f"New passphrase for {user.username}: ")
            if not passphrase:
                raise CommandError("Nothing was changed.")
            if passphrase != getpass.getpass("Again: "):
                self.stderr.write("The two passphrases are not the same.")
                continue
            try:
                validate_password(passphrase, user)
            except ValidationError as error:
                self.stderr.write("\n".join(error.messages))
            else:
                return passphrase
        raise CommandError("Nothing was changed.")
