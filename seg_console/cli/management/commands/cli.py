"""The doorway to the AsyncOS-style commands: reads the line, asks what it does not answer, prints a screen.

The screens themselves are pure functions in seg_console.cli; their words stay English.
"""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations
from django.utils import timezone, translation

import seg_console
from seg_console.cli import hoststatus, tophosts
from seg_console.delivery import status
from seg_console.ui.times import status_time

COMMANDS = {
    "help": "list the commands",
    "hoststatus": "hoststatus DOMAIN: the state of one destination",
    "tophosts": f"tophosts [{'|'.join(key.word for key in tophosts.SORT_KEYS)}]: the 20 top destinations",
    "version": "the version of this system",
}


class Command(BaseCommand):
    help = "AsyncOS-style commands: " + ", ".join(COMMANDS)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", default="help", metavar="COMMAND")
        parser.add_argument("answers", nargs="*", metavar="ANSWER")

    @no_translations
    def handle(self, *args: Any, name: str, answers: list[str], **options: Any) -> None:
        runs = {
            "help": self._help,
            "hoststatus": self._hoststatus,
            "tophosts": self._tophosts,
            "version": self._version,
        }
        run = runs.get(name.lower())
        if run is None:
            raise CommandError(f"Unknown command or missing feature key: {name}")
        try:
            with translation.override("en"):
                run(answers)
        except KeyboardInterrupt:
            # Ctrl-C at a question goes back to where one came from (asyncos-cli 1.1), here the shell.
            self.stdout.write("")
            sys.exit(130)

    def _help(self, answers: list[str]) -> None:
        for name, text in COMMANDS.items():
            self.stdout.write(f"{name:<12}{text}")

    def _version(self, answers: list[str]) -> None:
        self.stdout.write(f"\nCurrent Version\n===============\nProduct: SEG Console\nVersion: {seg_console.VERSION}\n")

    def _tophosts(self, answers: list[str]) -> None:
        answer = answers[0] if answers else self._ask(tophosts.menu(), default="1")
        while (key := tophosts.sort_key(answer)) is None:
            complaint = f"tophosts: there is no sort key {answer!r}."
            if answers:
                raise CommandError(complaint)
            self.stdout.write(complaint)
            answer = self._ask(tophosts.menu(), default="1")
        now = timezone.now()
        rows = (
            tophosts.HostRow(
                name=row.destination,
                is_down=row.is_down,
                active_recipients=row.active_recipients,
                connections_out=row.connections_out,
                delivered_recipients=row.delivered_recipients,
                soft_bounced_events=row.soft_bounced_events,
                hard_bounced_recipients=row.hard_bounced_recipients,
            )
            for row in status.destinations(now)
        )
        self.stdout.write(tophosts.screen(rows, key, status_as_of=status_time(now)), ending="")

    def _hoststatus(self, answers: list[str]) -> None:
        name = (answers[0] if answers else self._ask("\nRecipient host:\n", default="")).strip().lower()
        found = status.details(name)
        if found is None:
            raise CommandError(f"No record of host: '{name}'.")
        self.stdout.write(hoststatus.screen(found, status_as_of=timezone.now()), ending="")

    def _ask(self, question: str, *, default: str) -> str:
        """A question that the line did not answer; without a terminal it takes its default (asyncos-cli 1.1)."""
        if not sys.stdin.isatty():
            return default
        self.stdout.write(question, ending="")
        self.stdout.write(f"[{default}]> ", ending="")
        self.stdout.flush()
        return sys.stdin.readline().strip() or default
