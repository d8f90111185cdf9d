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

from seg_console.certificates.own import listener_context
from seg_console.delivery import cancelling
from seg_console.gateway.follower import CannotListen, Follower
from seg_console.gateway.listener import Identity, Receiving, listen
from seg_console.gateway.place import Orders, of_environment, sentence

MEGABYTE = 1024 * 1024


class Command(BaseCommand):
    help = "Takes mail in over SMTP. Several may run on the same port; the system deals out the connections."

    def add_arguments(self, parser: ArgumentParser) -> None:
        rule = "holds whatever the configuration says; without it the configuration, else the environment"
        parser.add_argument("--host", help=f"the address to listen on: {rule}")
        parser.add_argument("--port", type=int, help=f"the port to listen on: {rule}")

    def handle(self, *args: object, host: str | None, port: int | None, **options: object) -> None:
        orders = Orders(of_environment(), host=host, port=port)
        try:
            cancelling.run(self._serve(orders), loop_factory=uvloop.new_event_loop)
        except CannotListen as error:
            said = " ".join(f"Cannot listen on {each.committed}. {sentence(each)}" for each in error.troubles)
            change = "--host or --port" if orders.are_whole else "SEG_SMTP_HOST or SEG_SMTP_PORT"
            raise CommandError(f"{said} Set {change} to another one.") from error
        except DatabaseError as error:
            raise CommandError(f"The database does not answer: {error}. Has `manage.py migrate` been run?") from error

    async def _serve(self, orders: Orders) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        context = listener_context(timezone.now())

        def ready(follower: Follower) -> None:
            self.stdout.write(f"Listening on {follower.place}.")
            self.stdout.flush()

        await listen(
            Identity(settings.SEG_HOSTNAME, timezone.get_default_timezone()),
            orders,
            now=timezone.now,
            receiving=Receiving(
                settings.SEG_DATA_DIR / "receiving", most_memory=settings.SEG_SMTP_MEMORY_MB * 1024 * 1024
            ),
            tls_context=context,
            ready=ready,
            stop=stop,
        )
