"""`manage.py stand_in`: deliver from the database while Redis cannot wake the workers."""

from __future__ import annotations

import signal
import threading

from django.core.management.base import BaseCommand

from seg_console.delivery.stand_in import StandIn


class Command(BaseCommand):
    help = "Delivers from the database alone whenever Redis is away, hangs or refuses; runs until told to stop."

    def handle(self, *args: object, **options: object) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        StandIn().run(stop)
