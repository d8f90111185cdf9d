"""The real listener in a thread of the test, on a port of its own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from seg_console.certificates.own import tls_context
from seg_console.gateway.follower import Follower
from seg_console.gateway.listener import Identity, Receiving, listen
from seg_console.gateway.place import Orders, Place


@contextmanager
def listening(*, tls_folder: Path | None = None, receiving: Receiving | None = None) -> Iterator[int]:
    """Yields the port, given on the command line as it were; on the way out everything that was in hand is stored."""
    orders = Orders(Place("127.0.0.1", 0), host="127.0.0.1", port=0)
    with following(orders, tls_folder=tls_folder, receiving=receiving) as follower:
        yield follower.place.port


@contextmanager
def following(
    orders: Orders, *, tls_folder: Path | None = None, receiving: Receiving | None = None
) -> Iterator[Follower]:
    """Yields what keeps the listener where the configuration says."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    followers: list[Follower] = []
    is_ready = threading.Event()

    def ready(follower: Follower) -> None:
        followers.append(follower)
        is_ready.set()

    def run() -> None:
        try:
            loop.run_until_complete(
                listen(
                    Identity("gw1.corp.example", UTC),
                    orders,
                    now=timezone.now,
                    receiving=receiving or Receiving(settings.SEG_DATA_DIR / "receiving"),
                    tls_context=_context(tls_folder),
                    ready=ready,
                    stop=stop,
                )
            )
        finally:
            loop.close()
            is_ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    is_ready.wait()
    try:
        assert followers, "the listener did not start"
        yield followers[0]
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join()


def _context(folder: Path | None) -> ssl.SSLContext | None:
    if folder is None:
        return None
    return tls_context(certificate="", key="", folder=folder, hostname="gw1.corp.example", now=timezone.now())
