from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, no_translations

from seg_console.audit.models import Through
from seg_console.audit.source import came_from
from seg_console.config import document, pending
from seg_console.config.commits import CommentRefused, CommentRequired
from seg_console.config.problems import InvalidConfiguration

if TYPE_CHECKING:
    from seg_console.accounts.models import User


class Command(BaseCommand):
    help = "Check, load and commit a whole configuration given as one JSON document; on any fault load nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the document, - for standard input")
        parser.add_argument("--comment", default="", help="kept with the committed configuration")
        parser.add_argument("--user", default="", help="the user who commits; without it, the system itself")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        author = _user(options["user"])
        try:
            content = document.read(_content(options["file"]))
            with came_from(through=Through.COMMAND_LINE):
                result = pending.commit_document(content, options["comment"], author=author)
        except InvalidConfiguration as error:
            for problem in error.problems:
                self.stderr.write(str(problem))
            raise CommandError("The configuration is not valid; nothing was loaded.") from error
        except CommentRequired as error:
            raise CommandError(
                "General Settings ask for a comment; give one with --comment. Nothing was loaded."
            ) from error
        except CommentRefused as error:
            raise CommandError(f"The comment cannot be kept. {error} Nothing was loaded.") from error
        if result.changed:
            self.stdout.write(f"Configuration {result.number} committed.")
        else:
            self.stdout.write(f"Nothing differs from configuration {result.number}; nothing to commit.")


def _content(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error


def _user(name: str) -> User | None:
    if not name:
        return None
    users = get_user_model()
    try:
        return users.objects.get_by_natural_key(name)
    except users.DoesNotExist as error:
        raise CommandError(f"There is no user {name!r}.") from error
