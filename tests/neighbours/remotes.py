"""Servers of the measurement: `python -m tests.neighbours.remotes FOLDER healthy` or `neighbours`, a process each, so
that what a neighbour costs its own process is nothing to the healthy one.

It writes its ports to `healthy.json` or `neighbours.json` and a line to `arrivals` for each message that the healthy
server took: when. All are in the folder. SIGTERM ends it.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import IO, Final

from tests.neighbours.kinds import KINDS
from tests.support.smtp_remote import Script, Taken, authority, serving

HEALTHY: Final = "healthy"
PARTS: Final = (HEALTHY, "neighbours")
LEGS: Final = ("originals", "copies")
NAMES: Final = ("healthy.example", "neighbour.example")


class _Arrivals(list[Taken]):
    """When each came, as lines of a file; nothing else is kept."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def append(self, taken: Taken) -> None:
        self._file.write(f"{time.monotonic():020.6f}\n")


class _Nothing(list[Taken]):
    def append(self, taken: Taken) -> None:
        pass


async def _serve(folder: Path, part: str) -> None:
    over, ports = asyncio.Event(), {}
    scripts: Mapping[str, Script] = {HEALTHY: {}} if part == HEALTHY else KINDS
    tls = authority().server(folder, *NAMES)
    (folder / f"{part}.pem").write_text(authority().pem)
    with (folder / "arrivals").open("a", buffering=1) as file:
        async with AsyncExitStack() as stack:
            for leg, context in zip(LEGS, (None, tls), strict=True):
                for name, script in scripts.items():
                    remote = await stack.enter_async_context(serving(script, tls=context))
                    remote.taken = _Arrivals(file) if name == HEALTHY else _Nothing()
                    ports[f"{name} {leg}"] = remote.port
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
            (folder / f"{part}.new").write_text(json.dumps(ports))
            (folder / f"{part}.new").rename(folder / f"{part}.json")
            await over.wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2]))
