"""All servers of a soak, in a process of their own: `python -m tests.soak.remotes FOLDER SEED`.

It writes its ports to `ports.json` and a line for each message taken to `ledger.jsonl`, both in the folder. SIGUSR1
makes everybody behave; SIGTERM ends it.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import IO

from tests.soak.moods import Moody
from tests.soak.places import INTAKES, SENDER, is_moody, places
from tests.support.smtp_remote import Remote, Taken, authority, serving

_NUMBER = re.compile(rb"<soak-(\d+)@")


class _Ledger(list[Taken]):
    """What one server took, as lines of the common file; nothing is kept here."""

    def __init__(self, place: str, file: IO[str]) -> None:
        self._place, self._file = place, file

    def append(self, taken: Taken) -> None:
        found = _NUMBER.search(taken.content)
        number = int(found[1]) if found else None
        line = {"at": time.time(), "place": self._place, "number": number, "recipients": taken.recipients}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


async def _serve(folder: Path, seed: int) -> None:
    over, loop = asyncio.Event(), asyncio.get_running_loop()
    scripts = {
        place: Moody(seed + number, over_tls=place in INTAKES)
        for number, place in enumerate(places())
        if is_moody(place)
    }
    tls = authority().server(folder, *INTAKES)
    (folder / "authority.pem").write_text(authority().pem)
    remotes: dict[str, Remote] = {}
    with (folder / "ledger.jsonl").open("a") as file:
        async with AsyncExitStack() as stack:
            for number, place in enumerate([*places(), SENDER]):
                remote = await stack.enter_async_context(
                    serving(
                        scripts.get(place, {}),
                        tls=tls if place in INTAKES else None,
                        # Every third of those that misbehave is impatient too.
                        idle_s=0.3 if place in scripts and number % 3 == 0 else None,
                        idle_reply=b"421 4.4.2 idle\r\n" if number % 2 else b"",
                    )
                )
                remote.taken = _Ledger(place, file)
                remotes[place] = remote
            loop.add_signal_handler(signal.SIGTERM, over.set)
            loop.add_signal_handler(signal.SIGUSR1, _calm, scripts.values())
            ports = {place: remote.port for place, remote in remotes.items()}
            (folder / "ports.new").write_text(json.dumps(ports))
            (folder / "ports.new").rename(folder / "ports.json")
            await over.wait()


def _calm(scripts: Iterable[Moody]) -> None:
    for script in scripts:
        script.calm()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
