"""The lab's three servers in one process."""

from __future__ import annotations

import asyncio
import signal
import ssl
from datetime import UTC, datetime
from pathlib import Path

from seg_console.gateway.protocol import ReceivedMessage
from seg_console.lab.authority import lab_certificate
from seg_console.lab.places import PLACES, Place, certificate_names, folder, host
from seg_console.lab.receiver import Receive, Receiver
from seg_console.lab.store import Store


async def serve(data_folder: Path) -> None:
    """Receive at all three places until SIGTERM or SIGINT."""
    names = certificate_names()
    files = lab_certificate(data_folder / "lab", names=names, now=datetime.now(UTC))
    context = files.server_context()
    servers = [await _server(place, data_folder, context) for place in PLACES]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    for server in servers:
        server.close()


async def _server(place: Place, data_folder: Path, context: ssl.SSLContext) -> asyncio.Server:
    receiver = Receiver(
        hostname=f"{place.name}.lab.example",
        receive=_keep(Store(folder(data_folder, place))),
        context=context if place.tls else None,
    )
    return await receiver.serve(host(), place.port())


def _keep(store: Store) -> Receive:
    def receive(message: ReceivedMessage, tls: str) -> None:
        store.put(
            message.content,
            sender=message.envelope.sender,
            recipients=message.envelope.recipients,
            tls=tls,
            at=datetime.now(UTC),
        )

    return receive
