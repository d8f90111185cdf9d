"""`make bench-neighbours`: how fast a healthy server gets its mail beside one that misbehaves, on either leg.

One drain; the healthy server and its neighbours in processes of their own. Each round beside a bad server follows one
beside a good server that gets as many messages; the figure is the ratio of the best rounds, because whatever else the
machine does only slows a round down. ROUNDS (3); ONLY=word measures some kinds. Exits with 1 when one is below LEAST.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()

from django.core.management import call_command  # noqa: E402 - models only exist behind the line above
from django.db import transaction  # noqa: E402

from seg_console.delivery.drain import Drain, run_to_the_end  # noqa: E402
from seg_console.delivery.kinds import Destination  # noqa: E402
from seg_console.delivery.models import Delivery  # noqa: E402
from tests.conftest import running_redis  # noqa: E402
from tests.neighbours.kinds import GOOD, KINDS  # noqa: E402
from tests.neighbours.remotes import HEALTHY, LEGS, PARTS  # noqa: E402
from tests.support.deliveries import accept, configure, route  # noqa: E402
from tests.support.running_system import ROOT, wait_until  # noqa: E402

HEALTHY_MESSAGES: Final = 1_500
NEIGHBOUR_MESSAGES: Final = 60
LEAST: Final = 0.9
# What the neighbour still has in hand when the healthy one has everything is broken off.
STOP_S: Final = 0.5
CONTENT: Final = b"From: alice@example.net\r\nSubject: Hello\r\n\r\n" + (b"x" * 70 + b"\r\n") * 140


def main() -> int:
    rounds, only = int(os.environ.get("ROUNDS") or 3), os.environ.get("ONLY", "")
    with tempfile.TemporaryDirectory(prefix="seg-neighbours-") as name, running_redis(), _remotes(Path(name)) as ports:
        call_command("migrate", verbosity=0)
        bench = Bench(Path(name), ports)
        kinds = [each for each in KINDS if each != GOOD and only in each]
        worst = min(bench.told(kind, leg, rounds) for leg in LEGS for kind in kinds)
    _say(f"\nThe least is {worst:.2f}; {LEAST} is asked for.")
    return worst < LEAST


class Bench:
    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self._arrivals = folder / "arrivals"
        self._ports = ports
        self._authorities = "".join((folder / f"{part}.pem").read_text() for part in PARTS)
        _say(f"{'server beside it':32} {'leg':10} {'beside a good one':>18} {'beside this one':>16} {'ratio':>6}")

    def told(self, kind: str, leg: str, rounds: int) -> float:
        """The ratio, printed."""
        pairs = [(self._rate(GOOD, leg), self._rate(kind, leg)) for _ in range(rounds)]
        good, bad = max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)
        ratio = bad / good
        _say(f"{kind:32} {leg:10} {good:>12.0f} msg/s {bad:>10.0f} msg/s {ratio:6.2f}")
        return ratio

    def _rate(self, neighbour: str, leg: str) -> float:
        """Messages a second to the healthy server, from its first to its last."""
        self._prepare(neighbour, leg)
        self._arrivals.write_text("")
        name = "delivery" if leg == "originals" else "tdc"
        kind = "ordinary" if leg == "originals" else "tdc"
        drain = Drain(name, stopping=lambda: self._count() >= HEALTHY_MESSAGES, stop_s=STOP_S)
        run_to_the_end(drain, [Destination(kind, "neighbour.example"), Destination(kind, "healthy.example")])
        times = list(map(float, self._arrivals.read_text().split()))
        assert len(times) == HEALTHY_MESSAGES, f"{len(times)} arrived beside {neighbour}"
        return (len(times) - 1) / (times[-1] - times[0])

    def _count(self) -> int:
        # Lines of one length.
        with self._arrivals.open() as file:
            length = len(file.readline())
        return self._arrivals.stat().st_size // length if length else 0

    def _prepare(self, neighbour: str, leg: str) -> None:
        call_command("flush", interactive=False, verbosity=0)
        configure(
            smtp_routes=[
                route("healthy.example", self._ports[f"{HEALTHY} {leg}"]),
                route("neighbour.example", self._ports[f"{neighbour} {leg}"]),
                # Where delivery reports go.
                route("example.net", self._ports[f"{GOOD} originals"]),
            ],
            threat_defense_connector={
                "enabled": True,
                "message_intake_address": "id@healthy.example",
                "ca_certificates": self._authorities,
            },
        )
        with transaction.atomic():
            for domain in ["neighbour.example"] * NEIGHBOUR_MESSAGES + ["healthy.example"] * HEALTHY_MESSAGES:
                if leg == "originals":
                    accept([f"bob@{domain}"], content=CONTENT)
                else:
                    accept(content=CONTENT, intake=f"id@{domain}", original=False)
        assert Delivery.objects.count() == NEIGHBOUR_MESSAGES + HEALTHY_MESSAGES


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@contextmanager
def _remotes(folder: Path) -> Iterator[dict[str, int]]:
    command = [sys.executable, "-m", "tests.neighbours.remotes", str(folder)]
    with ExitStack() as stack:
        ports: dict[str, int] = {}
        for part in PARTS:
            process = stack.enter_context(subprocess.Popen([*command, part], cwd=ROOT))
            stack.callback(process.terminate)
            wait_until((folder / f"{part}.json").exists, what="the servers listen")
            ports |= json.loads((folder / f"{part}.json").read_text())
        yield ports


if __name__ == "__main__":
    sys.exit(main())
