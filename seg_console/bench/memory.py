"""What messages in hand cost: many slow clients with large messages that all end at the same moment, and how long a
small message beside them waits for its answer. The build that is measured runs as it comes; nothing is delivered."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from seg_console.bench import ends, gateway, report
from seg_console.bench.__main__ import PAGE

HEADING = "Messages in hand"
CLIENTS = 200
LARGE = 9_000_000
SENDING_S = 20.0
SMALL_EVERY_S = 0.05
PIECE = 65_536
# What it may cost, and how long a small message may wait in 99 of 100 cases.
MOST_MIB, MOST_S = 300, 1.0
DEADLINE_S = 600.0
LIVE_DEADLINE_S = 30.0
LINE = b"x" * 76 + b"\r\n"
MIB = 1024 * 1024
DOMAIN = "corp.bench.example"


@dataclass(frozen=True, slots=True)
class Figures:
    """Proportional memory of the listener in octets; seconds from a small message's dot to its answer, while the large
    ones come and from the moment they end until the last of them is answered."""

    before: int
    peak: int
    while_sending: Sequence[float]
    while_ending: Sequence[float]
    ended_in_s: float


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what large messages in hand cost.")
    parser.add_argument("--clients", type=int, default=CLIENTS, help=f"with a large message each (default {CLIENTS})")
    parser.add_argument("--save", action="store_true", help="write the result to docs/benchmarks.md")
    arguments = parser.parse_args()
    # A terminated benchmark takes its servers with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        figures = _measure(arguments.clients)
    except gateway.GatewayError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    text = _text(figures, arguments.clients)
    sys.stdout.write(text + "\n")
    if arguments.save:
        PAGE.write_text(report.with_section(PAGE.read_text(), HEADING, text))
        sys.stdout.write(f"\nWritten to {PAGE}.\n")
    return 0


def _measure(clients: int) -> Figures:
    http_port, smtp_port = ends.free_ports(2)
    with (
        tempfile.TemporaryDirectory(prefix="seg-bench-") as folder,
        gateway.running(Path(folder), http_port=http_port, smtp_port=smtp_port) as running,
    ):
        running.load(
            {
                "format": 1,
                # Held: what becomes of the messages later is not measured here.
                "smtp_routes": [{"domain": DOMAIN, "hosts": [{"host": "/dev/null", "port": 25, "priority": 0}]}],
                "recipient_access": [{"recipient": DOMAIN, "action": "accept"}],
                "listener": {"max_connections": clients + 50, "max_connections_per_client": clients + 50},
            }
        )
        return asyncio.run(_load(smtp_port, running.process("listener"), clients))


async def _until_live(port: int) -> None:
    """Wait until the configuration is in force: before that nobody receives mail."""
    async with asyncio.timeout(LIVE_DEADLINE_S):
        while True:
            with contextlib.suppress(gateway.GatewayError):
                _reader, writer = await _begin(port)
                writer.close()
                return
            await asyncio.sleep(0.1)


async def _load(port: int, listener: psutil.Process, clients: int) -> Figures:
    await _until_live(port)
    small = _Small(port)
    watch = _Watch(listener)
    before = watch.look()
    small_task = asyncio.create_task(small.run())
    watch_task = asyncio.create_task(watch.run())
    end = asyncio.Event()
    sent = [asyncio.Event() for _ in range(clients)]
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        for each in sent:
            group.create_task(_large(port, each, end))
        for each in sent:
            await each.wait()
        while_sending = small.taken()
        began = time.monotonic()
        end.set()
    ended_in_s = time.monotonic() - began
    while_ending = small.taken()
    for task in (small_task, watch_task):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return Figures(before, watch.peak, while_sending, while_ending, ended_in_s)


async def _large(port: int, sent: asyncio.Event, end: asyncio.Event) -> None:
    reader, writer = await _begin(port)
    pieces = LARGE // PIECE
    content = (b"Subject: large\r\n\r\n" + LINE * (PIECE // len(LINE)))[:PIECE]
    for number in range(pieces):
        writer.write(content if not number else LINE * (PIECE // len(LINE)))
        await writer.drain()
        await asyncio.sleep(SENDING_S / pieces)
    sent.set()
    await end.wait()
    writer.write(b"\r\n.\r\n")
    _expect(await reader.readline(), b"250")
    writer.close()


class _Small:
    """Sends a small message every now and then over one connection; keeps the seconds from its dot to its answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._taken: list[float] = []

    def taken(self) -> list[float]:
        """Those since the last call."""
        taken, self._taken = self._taken, []
        return taken

    async def run(self) -> None:
        while True:
            reader, writer = await _begin(self._port)
            writer.write(b"Subject: small\r\n\r\n" + LINE * 20)
            await writer.drain()
            began = time.monotonic()
            writer.write(b".\r\n")
            _expect(await reader.readline(), b"250")
            self._taken.append(time.monotonic() - began)
            writer.close()
            await asyncio.sleep(SMALL_EVERY_S)


class _Watch:
    """Looks at the listener's proportional memory five times a second."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.peak = 0

    def look(self) -> int:
        found = int(self._process.memory_full_info().pss)
        self.peak = max(self.peak, found)
        return found

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(0.2)


async def _begin(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which the content of a message is due."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    _expect(await reader.readline(), b"220")
    for command in (
        b"HELO client.bench.example",
        b"MAIL FROM:<carla@supplier.example>",
        b"RCPT TO:<anna@" + DOMAIN.encode() + b">",
        b"DATA",
    ):
        writer.write(command + b"\r\n")
        _expect(await reader.readline(), b"354" if command == b"DATA" else b"250")
    return reader, writer


def _expect(line: bytes, code: bytes) -> None:
    if not line.startswith(code):
        raise gateway.GatewayError(f"Not {code.decode()} but: {line.decode(errors='replace').strip()}")


def _text(figures: Figures, clients: int) -> str:
    cost = (figures.peak - figures.before) / MIB
    goal = f"{MOST_S * 1000:.0f}"
    return f"""\
{clients} clients send a message of {LARGE / 1e6:.0f} MB each over {SENDING_S:.0f} seconds and end all at once.
The last of them is answered {figures.ended_in_s:.0f} seconds later. Beside them goes one small message after another
(`make bench-memory`).

| What | Figure | Goal |
| --- | ---: | ---: |
| memory of the listener, more than before (MiB) | {cost:.0f} | {MOST_MIB} |
| answer to a small message while they send, p50 / p99 (ms) | {_row(figures.while_sending)} | {goal} |
| the same while they end | {_row(figures.while_ending)} | {goal} |

Small messages: {len(figures.while_sending)} while they sent, {len(figures.while_ending)} while they ended."""


def _row(taken: Sequence[float]) -> str:
    """Milliseconds of the middle one, and of the slowest but one in a hundred."""
    if not taken:
        return "none"
    ordered = sorted(taken)
    p50, p99 = (ordered[min(len(ordered) * part // 100, len(ordered) - 1)] * 1000 for part in (50, 99))
    return f"{p50:.0f} / {p99:.0f}"


if __name__ == "__main__":
    sys.exit(main())
