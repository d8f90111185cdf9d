"""Where the benchmark's mail ends: Postfix's smtp-sink, which counts, and stunnel in front of the intake's."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seg_console.bench.postfix import PostfixError, program

START_DEADLINE_S = 10.0
_COUNT = re.compile(rb"mesg=(\d+)")

_STUNNEL = """\
foreground = yes
pid =
debug = 4
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[intake]
accept = 127.0.0.1:{accept}
connect = 127.0.0.1:{connect}
protocol = smtp
cert = {certificate}
sslVersionMin = TLSv1.2
; Without finite-field ciphers it makes no Diffie-Hellman parameters, which takes a core for minutes after each start.
ciphers = ECDHE+AESGCM:ECDHE+CHACHA20
"""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Sink:
    """A server that takes everything and throws it away. `received` is how many messages since it started."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.received = 0
        self.received_at = 0.0
        # It gives up root's rights for itself, and asks to be told whose to take.
        as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
        self._process = subprocess.Popen(
            [program("smtp-sink"), "-c", *as_user, f"127.0.0.1:{port}", "200"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        tail = b""
        while data := os.read(self._process.stdout.fileno(), 65536):
            tail = (tail + data)[-256:]
            counts = _COUNT.findall(tail)
            if counts and int(counts[-1]) != self.received:
                self.received, self.received_at = int(counts[-1]), time.monotonic()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()


@contextmanager
def sink(port: int) -> Iterator[Sink]:
    """A running sink. Raises PostfixError when smtp-sink is not installed."""
    running = Sink(port)
    try:
        wait_for_port(port)
        yield running
    finally:
        running.stop()


@contextmanager
def tunnel(folder: Path, *, port: int, to_port: int, certificate: Path) -> Iterator[None]:
    """STARTTLS on `port` for the plain server on `to_port`. `certificate`: key and certificate as PEM.

    Raises PostfixError when stunnel is not installed.
    """
    path = shutil.which("stunnel4") or shutil.which("stunnel")
    if path is None:
        raise PostfixError("stunnel is not installed: apt-get install stunnel4")
    configuration = folder / "stunnel.conf"
    configuration.write_text(_STUNNEL.format(accept=port, connect=to_port, certificate=certificate))
    process = subprocess.Popen([path, str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield
    finally:
        process.terminate()
        process.wait()


def wait_for_port(port: int) -> None:
    """Until somebody listens there. Raises PostfixError after START_DEADLINE_S."""
    deadline = time.monotonic() + START_DEADLINE_S
    while True:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline:
            raise PostfixError(f"Nothing listens on port {port} of 127.0.0.1.")
        time.sleep(0.05)
