from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from seg_console.launch import Ready, launch, say_addresses
from seg_console.preflight import PreflightError
from seg_console.supervisor import SupervisionError


class Command(BaseCommand):
    help = "Run the whole system: Redis, SMTP listener, web console, workers and scheduler. Ctrl-C stops it."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            launch(say=self._say, when_ready=self._ready)
        except (PreflightError, SupervisionError) as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _ready(self, ready: Ready) -> None:
        say_addresses(self._say, ready.passphrase)
        once = "The passphrase is shown this once; " if ready.passphrase else ""
        self._say(f"{once}`manage.py changepassword admin` sets another passphrase.")
