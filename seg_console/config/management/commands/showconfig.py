from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, no_translations

from seg_console.config import document, pending


class Command(BaseCommand):
    help = "Print the committed configuration as one JSON document (docs/configuration.md)."

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        found = document.dump(pending.committed())
        self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
