"""`make soak`: mail for MINUTES (20) to 200 destinations of which 60 misbehave at random, Redis stopped twice, a worker
killed twice; at the end nothing may be lost, and nothing doubled but what a kill explains. The exit code tells.

Everything listens on 127.0.0.1, in a folder of its own that goes when all is well; SEED repeats the choices of another
run.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil

from tests.soak.places import INTAKES, SENDER, intake_of, places
from tests.soak.verdict import ENDED, Arrival, Copy, Verdict, judge
from tests.support.running_system import ROOT, System, started, wait_until

MESSAGES_A_SECOND: Final = 8.0
MESSAGES_A_CONNECTION: Final = 10
LONGEST_STOP_S: Final = 90.0
# After the last message everybody behaves; what is left has so long to get through.
# Beyond the longest wait for a silent server, that behind a final dot.
SETTLING_S: Final = 900.0
TELLS_EVERY_S: Final = 10.0


def main() -> int:
    minutes, seed = float(os.environ.get("MINUTES") or 20), int(os.environ.get("SEED") or random.randrange(1_000_000))
    _say(f"Soak of {minutes:g} minutes with SEED={seed}.")
    folder = Path(tempfile.mkdtemp(prefix="seg-soak-"))
    with _remotes(folder, seed) as remotes, started("up", folder / "data") as system:
        system.wait_until_ready()
        _configure(system, folder)
        soak = Soak(system, folder, random.Random(seed))
        soak.run(minutes * 60)
        remotes.send_signal(signal.SIGUSR1)
        rows = soak.settle()
    verdict = judge(soak.accepted, rows, _arrivals(folder), soak.kills)
    _tell(verdict, soak)
    if not verdict.is_good:
        _say(f"Database, logs and ledger are left in {folder}.")
        return 1
    shutil.rmtree(folder)
    return 0


class Soak:
    """The sender, and the accidents."""

    def __init__(self, system: System, folder: Path, chance: random.Random) -> None:
        self.accepted: set[Copy] = set()
        self.kills: list[float] = []
        self._system, self._folder, self._chance = system, folder, chance
        self._domains = [place for place in places() if place not in INTAKES]
        self._number = self._refused = 0
        self._told_at = 0.0
        self._began = time.monotonic()

    def run(self, seconds: float) -> None:
        stop_s = min(seconds / 8, LONGEST_STOP_S)
        accidents: list[tuple[float, Callable[[], None]]] = [
            (0.15 * seconds, self._stop_redis),
            (0.15 * seconds + stop_s, self._continue_redis),
            (0.40 * seconds, self._kill_part_of_a_worker),
            (0.55 * seconds, self._stop_redis),
            (0.55 * seconds + stop_s, self._continue_redis),
            (0.80 * seconds, self._kill_a_worker),
        ]
        while (elapsed := time.monotonic() - self._began) < seconds:
            while accidents and elapsed >= accidents[0][0]:
                accidents.pop(0)[1]()
            self._tell_progress()
            due = int(elapsed * MESSAGES_A_SECOND) - self._number
            if due > 0:
                self._send(min(due, MESSAGES_A_CONNECTION))
            else:
                time.sleep(0.05)

    def settle(self) -> list[tuple[Copy, str]]:
        """Wait until everything has ended, and no longer than SETTLING_S. Returns the rows."""
        self._say("the last message is sent; everybody behaves now")
        deadline = time.monotonic() + SETTLING_S
        while True:
            rows = self._rows()
            waiting = sum(state not in ENDED for _, state in rows)
            self._say(f"{waiting} not ended")
            if not waiting or time.monotonic() > deadline:
                return rows
            self._helper("--now")
            time.sleep(5)

    # --- mail ---

    def _send(self, count: int) -> None:
        try:
            with smtplib.SMTP("127.0.0.1", self._system.smtp_port, timeout=60) as client:
                for _ in range(count):
                    self._send_one(client)
        except (OSError, smtplib.SMTPException):
            self._refused += 1

    def _send_one(self, client: smtplib.SMTP) -> None:
        number, self._number = self._number, self._number + 1
        domains = self._chance.sample(self._domains, self._chance.choice([1, 1, 1, 2, 5]))
        recipients = [f"r{index}@{domain}" for domain in domains for index in range(self._chance.choice([1, 1, 3]))]
        text = self._chance.choice([b"Hello.\r\n", "Grüße.\r\n".encode(), b"x" * 50_000 + b"\r\n"])
        head = f"From: a@{SENDER}\r\nMessage-ID: <soak-{number}@{SENDER}>\r\nSubject: {number}\r\n\r\n"
        client.sendmail(f"a@{SENDER}", recipients, head.encode() + text)
        self.accepted.update(Copy(number, recipient) for recipient in recipients)
        self.accepted.update(Copy(number, f"id@{intake_of(domain)}") for domain in domains)

    # --- accidents ---

    def _stop_redis(self) -> None:
        self._say("Redis is stopped")
        self._redis = self._system.child("redis-server")
        self._redis.suspend()

    def _continue_redis(self) -> None:
        self._say("Redis goes on")
        # It may have been taken for dead and started anew.
        with suppress(psutil.NoSuchProcess):
            self._redis.resume()

    def _kill_part_of_a_worker(self) -> None:
        """The busiest of the processes that deliver."""
        parts = self._system.child("--queues delivery").children()
        busiest = max(parts, key=lambda part: sum(part.cpu_times()[:2]))
        self._kill("a process of the delivery worker", busiest)

    def _kill_a_worker(self) -> None:
        worker = self._system.child("--queues delivery")
        self._kill("the delivery worker", worker, *worker.children(recursive=True))

    def _kill(self, what: str, *processes: psutil.Process) -> None:
        self._say(f"{what} is killed")
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.kills.append(time.time())

    # --- what is told ---

    def _tell_progress(self) -> None:
        if time.monotonic() - self._told_at < TELLS_EVERY_S:
            return
        self._told_at = time.monotonic()
        arrived = sum(1 for _ in (self._folder / "ledger.jsonl").open())
        self._say(f"{self._number} messages sent ({self._refused} connections broken), {arrived} taken by servers")

    def _say(self, text: str) -> None:
        _say(f"{time.monotonic() - self._began:6.0f} s  {text}")

    def _rows(self) -> list[tuple[Copy, str]]:
        found: list[dict[str, str]] = json.loads(self._helper())
        return [(Copy(_number(row["id"]), row["address"]), row["state"]) for row in found]

    def _helper(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "tests.soak.rows", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self._system.environment, stdout=subprocess.PIPE, text=True, check=True
        )
        return done.stdout


@contextmanager
def _remotes(folder: Path, seed: int) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-m", "tests.soak.remotes", str(folder), str(seed)], cwd=ROOT) as process:
        try:
            wait_until((folder / "ports.json").exists, what="the servers listen")
            yield process
        finally:
            process.terminate()


def _configure(system: System, folder: Path) -> None:
    ports: dict[str, int] = json.loads((folder / "ports.json").read_text())
    domains = [place for place in places() if place not in INTAKES]
    document: dict[str, Any] = {
        "format": 1,
        "threat_defense_connector": {
            "enabled": True,
            "message_intake_address": f"id@{INTAKES[0]}",
            "ca_certificates": (folder / "authority.pem").read_text(),
        },
        "default_policy": {"threat_defense_connector": {"mode": "no_scan"}},
        "incoming_mail_policies": [_policy(intake, domains) for intake in INTAKES],
        "recipient_access": [{"recipient": domain, "action": "accept"} for domain in domains],
        "smtp_routes": [
            {"domain": place, "hosts": [{"host": "127.0.0.1", "port": port}]} for place, port in ports.items()
        ],
        # Twenty minutes have room for many attempts.
        "bounce_profile": {"initial_retry": 5, "max_retry": 30},
    }
    (folder / "configuration.json").write_text(json.dumps(document))
    system.manage("loadconfig", str(folder / "configuration.json"))


def _policy(intake: str, domains: list[str]) -> dict[str, Any]:
    entries = [f"@{domain}" for domain in domains if intake_of(domain) == intake]
    return {
        "name": intake.partition(".")[0],
        "members": [
            {
                "senders": {"match": "any", "entries": []},
                "recipients": {"match": "following", "join": "any", "entries": entries, "except": []},
            }
        ],
        "threat_defense_connector": {"mode": "custom", "address": f"id@{intake}"},
    }


def _arrivals(folder: Path) -> Iterator[Arrival]:
    """What the servers took of the mail itself; reports to its sender are not counted."""
    for line in (folder / "ledger.jsonl").read_text().splitlines():
        taken = json.loads(line)
        if taken["place"] == SENDER:
            continue
        for address in taken["recipients"]:
            yield Arrival(Copy(taken["number"], address), taken["at"])


def _number(message_id: str) -> int:
    return int(message_id.partition("@")[0].removeprefix("<soak-"))


def _tell(verdict: Verdict, soak: Soak) -> None:
    _say(f"\n{len(soak.accepted)} accepted: {verdict.delivered} delivered, {verdict.given_up} given up.")
    for number, kill in enumerate(soak.kills, start=1):
        _say(f"Kill {number} explains {verdict.doubled[kill]} that arrived without their row knowing.")
    faults = {
        "lost": verdict.lost,
        "never ended": verdict.unsettled,
        "delivered by the row alone": verdict.untrue,
        "doubled without a kill": verdict.unexplained,
    }
    for name, copies in faults.items():
        _say(f"{len(copies)} {name}{': ' if copies else '.'}{', '.join(map(str, copies[:10]))}")
    _say("The ledgers agree." if verdict.is_good else "The ledgers do NOT agree.")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
