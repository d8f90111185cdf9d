"""`manage.py listen`: take mail in over SMTP until told to stop."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser

import uvloop
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from seg_console.gateway.certificate import listener_context
from seg_console.gateway.listener import Identity, listen
from seg_console.gateway.transport import SmtpServer


class Command(BaseCommand):
    help = "Takes mail in over SMTP. Several may run on the same port; the system deals out the connections."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.SEG_SMTP_HOST)
        parser.add_argument("--port", type=int, default=settings.SEG_SMTP_PORT)

    def handle(self, *args: object, host: str, port: int, **options: object) -> None:
        try:
            uvloop.run(self._serve(host, port))
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {host} port {port}: {error.strerror}. Set SEG_SMTP_HOST and SEG_SMTP_PORT."
            ) from error
        except DatabaseError as error:
            raise CommandError(f"The database does not answer: {error}. Has `manage.py migrate` been run?") from error

    async def _serve(self, host: str, port: int) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        context = listener_context(timezone.now())

        def ready(server: SmtpServer) -> None:
            self.stdout.write(f"Listening on {host} port {server.port}.")
            self.stdout.flush()

        await listen(
            Identity(settings.SEG_HOSTNAME, timezone.get_default_timezone()),
            host=host,
            port=port,
            now=timezone.now,
            tls_context=context,
            ready=ready,
            stop=stop,
        )
