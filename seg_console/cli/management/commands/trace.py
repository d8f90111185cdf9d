"""Trace for the shell: the same answer as the page's, as text. What is not said on the line is asked at a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser, no_translations
from django.utils import timezone, translation

from seg_console.accounts.models import User
from seg_console.config import pending, running
from seg_console.config.pending_set import CannotRun, running_of
from seg_console.config.running import Running
from seg_console.gateway.running import listener
from seg_console.trace.engine import Gateway, Traced, trace
from seg_console.trace.forms.trace import TraceForm
from seg_console.trace.text import screen

QUESTIONS = {
    "source_ip": "Enter the source IP\n[]> ",
    "source_name": "Enter the fully qualified domain name of the source IP\n[]> ",
    "sender": "Enter the Envelope Sender address:\n[]> ",
    "recipients": "Enter the Envelope Recipient addresses. Separate multiple addresses by commas.\n[]> ",
}


class Command(BaseCommand):
    help = "Says what would become of a message. Nothing is sent or stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--source-ip", help="of the connecting client")
        parser.add_argument("--source-name", help="its host name; looked up in the DNS if it is not given")
        parser.add_argument("--sender", help="envelope sender, empty for the null sender")
        parser.add_argument("--recipients", help="envelope recipients, separated by commas")
        parser.add_argument("--message", metavar="FILE", help="the message; -: standard input")
        parser.add_argument("--pending-of", metavar="USER", help="ask that user's pending changes")
        parser.add_argument("--save", type=Path, metavar="FOLDER", help="write the message and its copies there")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        with translation.override("en"):
            self._trace(options)

    def _trace(self, options: dict[str, Any]) -> None:
        configuration = self._configuration(options["pending_of"])
        data = {name: self._answer(name, options[name]) for name in QUESTIONS}
        form = TraceForm(data, has_pending=False, max_size=configuration.value(listener).max_message_size)
        form.give(self._message(options["message"]))
        if not form.is_valid():
            raise CommandError("\n".join(f"{name}: {text}" for name, errors in form.errors.items() for text in errors))
        gateway = Gateway(settings.SEG_HOSTNAME, timezone.get_default_timezone())
        traced = trace(form.question(), configuration, gateway, now=timezone.now())
        self.stdout.write(screen(traced), ending="")
        if options["save"]:
            self._save(traced, options["save"])

    def _configuration(self, username: str | None) -> Running:
        if username is None:
            return running.current()
        user = User.objects.filter(username=username).first()
        own = pending.pending_of(user) if user else None
        if own is None:
            raise CommandError(f"{username} has no pending changes.")
        try:
            return running_of(own)
        except CannotRun as error:
            raise CommandError(f"The pending changes cannot run as they are: {error}") from error

    def _message(self, name: str | None) -> bytes:
        if name is None:
            return b""
        if name == "-":
            return sys.stdin.buffer.read()
        try:
            return Path(name).read_bytes()
        except OSError as error:
            raise CommandError(f"{name}: {error.strerror}") from error

    def _answer(self, name: str, given: str | None) -> str:
        if given is not None:
            return given
        if not sys.stdin.isatty():
            return ""
        self.stdout.write(QUESTIONS[name], ending="")
        self.stdout.flush()
        return sys.stdin.readline().strip()

    def _save(self, traced: Traced, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in traced.files().items():
            (folder / f"{name}.eml").write_bytes(content)
            self.stdout.write(f"Wrote {folder / f'{name}.eml'}")
