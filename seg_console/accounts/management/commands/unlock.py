from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations

from seg_console.accounts import users
from seg_console.accounts.models import User
from seg_console.audit.models import Through
from seg_console.audit.source import came_from


class Command(BaseCommand):
    help = "Unlock a user of the console, and let the user try again from every address at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        name = options["username"]
        user = User.objects.filter(username=name).first()
        if user is None:
            raise CommandError(f'There is no user "{name}".')
        # Whoever may run this is the machine's own administrator.
        with came_from(through=Through.COMMAND_LINE):
            was_locked = users.unlock(user, by=None)
        self.stdout.write(
            f"{name} was unlocked." if was_locked else f"{name} was not locked; throttling was forgotten."
        )
