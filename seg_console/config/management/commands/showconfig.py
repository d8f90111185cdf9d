from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, no_translations

from seg_console.audit.models import Act, Through
from seg_console.audit.record import record
from seg_console.audit.source import came_from
from seg_console.config import document, pending


class Command(BaseCommand):
    help = "Print the committed configuration as one JSON document (docs/configuration.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--secrets",
            action="store_true",
            help="with private keys as they are, so that loadconfig takes the document; without, they are masked",
        )

    @no_translations
    def handle(self, *args: Any, secrets: bool, **options: Any) -> None:
        committed = pending.committed()
        found = document.dump(committed, secrets=secrets)
        if secrets:
            with came_from(through=Through.COMMAND_LINE):
                record(Act.SECRETS_DOWNLOADED, target=str(committed.number))
        self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
