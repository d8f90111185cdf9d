"""The system under test: `manage.py up` on a data folder of its own, and what its processes use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from seg_console.processes import MANAGE, PROCESSES

ROOT = Path(__file__).parents[2]
READY_LINE = "Ctrl-C stops everything."
SAMPLE_INTERVAL_S = 0.5


class GatewayError(Exception):
    """The system did not start or did not take its configuration; the message holds what it said."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process and its children have used: processor time in seconds, and resident memory in octets now."""

    cpu_s: float
    resident: int


class Gateway:
    """A running system."""

    def __init__(self, process: subprocess.Popen[str], environment: Mapping[str, str], folder: Path) -> None:
        self._process = process
        self._environment = environment
        self._folder = folder
        self._up = psutil.Process(process.pid)

    def load(self, document: Mapping[str, Any]) -> None:
        """Load and commit a configuration. Raises GatewayError."""
        file = self._folder / "configuration.json"
        file.write_text(json.dumps(document))
        done = subprocess.run(
            [sys.executable, "manage.py", "loadconfig", str(file), "--comment", "benchmark"],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise GatewayError(done.stdout.strip())

    def process(self, name: str) -> psutil.Process:
        """The one of this name in the table of processes. Raises GatewayError."""
        for child in self._up.children():
            if _name_of(child) == name:
                return child
        raise GatewayError(f"There is no process {name}.")

    def usage(self) -> dict[str, Usage]:
        """By process name, as in the table of processes; `redis` and `up` beside them."""
        found = {"up": _usage([self._up])}
        for child in self._up.children():
            try:
                found[_name_of(child)] = _usage([child, *child.children(recursive=True)])
            except psutil.NoSuchProcess:
                continue
        return found


def _name_of(child: psutil.Process) -> str:
    words = child.cmdline()
    # The interpreter and manage.py stand there with their paths, the rest is as in the table.
    said = [MANAGE if word == str(ROOT / MANAGE) else word for word in words[1:]]
    for process in PROCESSES:
        if said == list(process.command[1:]):
            return process.name
    return "redis" if "redis" in words[0] else words[0]


def _usage(family: list[psutil.Process]) -> Usage:
    cpu_s, resident = 0.0, 0
    for process in family:
        try:
            times = process.cpu_times()
            resident += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
        cpu_s += times.user + times.system
    return Usage(cpu_s, resident)


class PeakMemory:
    """Looks at the memory of every process now and then; `peaks` holds the most that was seen, in octets."""

    def __init__(self, gateway: Gateway) -> None:
        self.peaks: dict[str, int] = {}
        self._gateway = gateway
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_INTERVAL_S):
            for name, usage in self._gateway.usage().items():
                self.peaks[name] = max(self.peaks.get(name, 0), usage.resident)


@contextmanager
def running(folder: Path, *, http_port: int, smtp_port: int, passphrase: str = "") -> Iterator[Gateway]:
    """A system on these ports of 127.0.0.1, with its data in `folder`; `passphrase` is that of the user admin, ""
    lets one be made. Raises GatewayError."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SEG_") and k not in {"REDIS_URL"}}
    environment = inherited | {
        "SEG_DATA_DIR": str(folder),
        "SEG_HTTP_PORT": str(http_port),
        "SEG_SMTP_PORT": str(smtp_port),
        "SEG_HOSTNAME": "gateway.bench.example",
        "DJANGO_SETTINGS_MODULE": "seg_console.settings",
        "SEG_ADMIN_PASSPHRASE": passphrase,
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _wait_until_ready(process)
        yield Gateway(process, environment, folder)
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.strip() == READY_LINE:
            # Read on, so that what it says later never fills the pipe and holds it up.
            threading.Thread(target=_echo, args=(process,), daemon=True).start()
            return
    raise GatewayError("manage.py up ended: " + "".join(said).strip())


def _echo(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        sys.stderr.write(f"  [up] {line}")
