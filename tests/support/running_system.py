"""Starts `manage.py up` or `demo` as a person would, on a data folder and ports of its own."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit

import psutil
import psycopg
from psycopg import sql

ROOT = Path(__file__).parents[2]
READY_LINE = "Ctrl-C stops everything."
DEADLINE_S = 90.0


# Below the range from which the system takes ports for outgoing connections: one of those could be in the way between
# the look and the use.
_PORTS = range(15_000, 32_000)
_given: set[int] = set()


def free_port_block(count: int) -> int:
    """The first of `count` ports in a row that nobody uses now, and that was not given before."""
    while True:
        start = random.randrange(_PORTS.start, _PORTS.stop - count)
        block = range(start, start + count)
        if _given.isdisjoint(block) and all(map(_is_free, block)):
            _given.update(block)
            return start


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(is_so: Callable[[], bool], *, what: str, deadline_s: float = DEADLINE_S) -> None:
    """Poll until it is so; fails with `what` after the deadline."""
    deadline = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < deadline, f"not within {deadline_s:.0f} s: {what}"
        time.sleep(0.05)


class OwnDatabase:
    """A new database in the PostgreSQL cluster that DATABASE_URL leads to."""

    def __init__(self) -> None:
        self._cluster = os.environ["DATABASE_URL"]
        self._name = f"up_{uuid.uuid4().hex}"
        self._execute("CREATE DATABASE {}")
        self.url = urlsplit(self._cluster)._replace(path=f"/{self._name}").geturl()

    def drop(self) -> None:
        self._execute("DROP DATABASE {} WITH (FORCE)")

    def _execute(self, statement: LiteralString) -> None:
        with psycopg.connect(self._cluster, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(self._name)))


class System:
    """One start of the program. `output` grows as it speaks."""

    def __init__(self, command: str, data_folder: Path, **environment: str) -> None:
        ports = free_port_block(5)
        self.http_port, self.smtp_port, self.lab_port = ports, ports + 1, ports + 2
        self.data_folder = data_folder
        self.output: list[str] = []
        self._database = OwnDatabase() if os.environ.get("DATABASE_URL", "").startswith("postgres") else None
        # The tests' own settings and database are theirs alone.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("SEG_") and name not in {"DATABASE_URL", "REDIS_URL"}
        }
        self.environment: Mapping[str, str] = inherited | {
            "DJANGO_SETTINGS_MODULE": "seg_console.settings",
            "SEG_DATA_DIR": str(data_folder),
            "SEG_HTTP_PORT": str(self.http_port),
            "SEG_SMTP_PORT": str(self.smtp_port),
            "SEG_LAB_PORT": str(self.lab_port),
            "SEG_HOSTNAME": "gw1.corp.example",
            **({"DATABASE_URL": self._database.url} if self._database else {}),
            **environment,
        }
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), command],
            # As a service manager does, from anywhere.
            cwd="/",
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line.rstrip("\n"))

    @property
    def said(self) -> str:
        return "\n".join(self.output)

    def wait_until_ready(self) -> None:
        wait_until(
            lambda: READY_LINE in self.output or self.process.poll() is not None, what=f"ready; said: {self.said}"
        )
        assert self.process.poll() is None, self.said

    @property
    def database(self) -> Mapping[str, str]:
        """The environment by which another start finds the database of this one, as long as this is not closed."""
        return {name: value for name, value in self.environment.items() if name == "DATABASE_URL"}

    def stop(self) -> None:
        """Have it end as Ctrl-C does; its database stays."""
        self.process.send_signal(signal.SIGINT)
        assert self.wait_for_end() == 0, self.said

    def wait_for_end(self) -> int:
        """Its exit code, once it has ended and everything it said is in `output`."""
        code = self.process.wait(DEADLINE_S)
        self._reader.join(5)
        return code

    def close(self) -> None:
        assert self.process.stdout is not None
        self._reader.join(5)
        self.process.stdout.close()
        if self._database:
            self._database.drop()

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, word: str) -> psutil.Process:
        """The direct child whose command holds `word`."""
        [found] = [child for child in psutil.Process(self.process.pid).children() if word in " ".join(child.cmdline())]
        return found

    def manage(self, *arguments: str) -> str:
        """What another management command says on the same data folder; fails when it fails."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@contextmanager
def started(command: str, data_folder: Path, **environment: str) -> Iterator[System]:
    """The program, stopped at the end with everything it started."""
    system = System(command, data_folder, **environment)
    family: list[psutil.Process] = []
    try:
        yield system
    finally:
        if system.process.poll() is None:
            family = system.family()
            system.process.send_signal(signal.SIGTERM)
            try:
                system.process.wait(30)
            except subprocess.TimeoutExpired:
                system.process.kill()
                system.process.wait()
        system.close()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
