from __future__ import annotations

import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from seg_console.launch import launch
from seg_console.preflight import PreflightError
from seg_console.supervisor import SupervisionError


class Command(BaseCommand):
    help = "Run the whole system: Redis, SMTP listener, web console, workers and scheduler. Ctrl-C stops it."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            launch(say=self._say, when_ready=_nothing_more)
        except (PreflightError, SupervisionError) as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _nothing_more(_stopping: threading.Event) -> None:
    """A system for real use has nothing to do of its own accord once it runs."""
