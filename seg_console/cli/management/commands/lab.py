from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from seg_console.lab.servers import serve


class Command(BaseCommand):
    help = "Run the lab's mail servers: a mailbox, and two intakes that take mail over TLS only."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        asyncio.run(serve(Path(settings.SEG_DATA_DIR)))
