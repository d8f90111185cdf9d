"""Prepares the system and runs it: what `manage.py up` and `manage.py demo` have in common."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import DatabaseError, connections
from django.utils import timezone
from kombu.exceptions import OperationalError

from seg_console import environment
from seg_console.accounts.management.commands.ensure_admin import ensure_admin
from seg_console.accounts.roles import ADMIN_NAME
from seg_console.celery import app
from seg_console.certificates.own import listener_context
from seg_console.config import running
from seg_console.delivery.heartbeat import Unanswered
from seg_console.gateway import whereabouts
from seg_console.gateway.place import Place, of_environment
from seg_console.gateway.running import listener_place
from seg_console.mail import space
from seg_console.preflight import (
    Port,
    PreflightError,
    check_folder,
    check_ports,
    check_socket_path,
    handed_on,
    make_private,
    only_one,
    redis_server,
)
from seg_console.processes import MANAGE, PROCESSES, Process, embedded_redis
from seg_console.supervisor import Say, Supervisor

ANSWER_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Addition:
    """A process beside the usual ones, with the ports it needs and how to tell that it answers."""

    process: Process
    ports: Sequence[Port]
    check: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Ready:
    """What is known once everything answers: the event that is set when it is to stop, and the passphrase of the
    first administrator where it was generated in this run, else the empty string."""

    stopping: threading.Event
    passphrase: str


def launch(
    *,
    say: Say,
    when_ready: Callable[[Ready], None],
    addition: Addition | None = None,
    prepare: Callable[[], None] = lambda: None,
) -> None:
    """Check, prepare, start everything, call `when_ready` in a thread once it really answers, and run until told to
    stop. `prepare` is called when the data folder is ours, before the database is touched.

    Raises PreflightError when it cannot start and SupervisionError when `when_ready` does.
    """
    data_folder = Path(settings.SEG_DATA_DIR)
    check_folder(data_folder)
    with only_one(data_folder / "run" / "up.lock"):
        check_folder(data_folder / "log")
        left = make_private(data_folder)
        if left:
            say(f"In the data folder {data_folder} {left} files belong to another user and may be open to others.")
        check_ports([_console_port(), *(addition.ports if addition else ())])
        _check_proxies()
        _check_certificate()
        first = _redis_process(say)
        prepare()
        _check_listener_port()
        say("Preparing the database ...")
        passphrase = _prepare_database()
        processes = [*first, *([addition.process] if addition else []), *PROCESSES]
        checks: dict[str, Callable[[], bool]] = dict(_checks())
        if addition:
            checks[addition.process.name] = addition.check
        say("Starting " + ", ".join(process.name for process in processes) + " ...")
        told = threading.Event()

        def ready(stopping: threading.Event) -> None:
            told.set()
            when_ready(Ready(stopping, passphrase))

        try:
            pulses = {process.name: _redis_answers for process in first}
            asyncio.run(_run(processes, checks, pulses, ready, say))
        finally:
            if passphrase and not told.is_set():
                # It exists from now on, and nothing else will ever show it.
                say(f"The user {ADMIN_NAME} has been made, with the passphrase {passphrase}.")
        say("Stopped.")


async def _run(
    processes: Sequence[Process],
    checks: Mapping[str, Callable[[], bool]],
    pulses: Mapping[str, Callable[[], bool]],
    ready: Callable[[threading.Event], None],
    say: Say,
) -> None:
    # From whatever folder it was started: a service manager's is its own.
    folder = Path(settings.BASE_DIR)
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    data_folder = Path(settings.SEG_DATA_DIR)
    needed = {name: environment.text(name, "") for name in environment.SECRETS if name != "SEG_ADMIN_PASSPHRASE"}
    with handed_on({name: value for name, value in needed.items() if value}, data_folder / "run" / "secrets") as file:
        supervisor = Supervisor(
            [_wherever(process, folder) for process in processes],
            log_folder=data_folder / "log",
            environment={
                **environment.without_secrets(),
                **{"PYTHONUNBUFFERED": "1", "PYTHONPATH": path, environment.SECRETS_FILE: str(file)},
            },
            say=say,
        )
        await supervisor.run(checks=checks, pulses=pulses, when_ready=ready)


def _wherever(process: Process, folder: Path) -> Process:
    command = (str(folder / word) if word == MANAGE else word for word in process.command)
    return replace(process, command=tuple(command))


def _console_port() -> Port:
    return Port("the web console", settings.SEG_HTTP_HOST, settings.SEG_HTTP_PORT, "SEG_HTTP_PORT")


def _check_listener_port() -> None:
    """Raises PreflightError when the listener could neither be where the configuration says nor where the environment
    does. The former alone it tells itself, and begins at the latter."""
    committed, default = _committed_place(), of_environment()
    of_default = Port("the SMTP listener", default.host, default.port, "SEG_SMTP_PORT")
    if default == _console():
        raise PreflightError(
            f"Port {default.port} on {default.host} is to be the web console's and the SMTP listener's: "
            "set SEG_HTTP_PORT or SEG_SMTP_PORT to another one."
        )
    if committed == default:
        check_ports([of_default])
        return
    try:
        check_ports([Port("the SMTP listener as committed", committed.host, committed.port, "")])
    except PreflightError as refused:
        try:
            check_ports([of_default])
        except PreflightError as also:
            raise PreflightError(f"{refused} {also}") from also


def _committed_place() -> Place:
    """Where the configuration says to listen; of a database that is not there yet, or not ready, the environment."""
    try:
        return running.current().value(listener_place)
    except DatabaseError:
        return of_environment()
    finally:
        connections.close_all()


def _check_proxies() -> None:
    """Raises PreflightError for what the console would refuse at every start."""
    try:
        environment.check_proxies(settings.SEG_PUBLIC_URL, settings.SEG_TRUSTED_PROXIES)
    except ImproperlyConfigured as error:
        raise PreflightError(str(error)) from error


def _check_certificate() -> None:
    """Raises PreflightError for what the listener would refuse at every start."""
    try:
        listener_context(timezone.now())
    except ImproperlyConfigured as error:
        raise PreflightError(str(error)) from error


def _redis_process(say: Say) -> list[Process]:
    """The embedded Redis; none when REDIS_URL names another. Raises PreflightError."""
    if environment.text("REDIS_URL", ""):
        if not _redis_answers():
            say("The Redis that REDIS_URL names does not answer: until it does, mail is delivered more slowly.")
        return []
    path = Path(settings.SEG_REDIS_SOCKET)
    check_socket_path(path)
    return [embedded_redis(redis_server(), str(path))]


def _prepare_database() -> str:
    """Migrate and make the first administrator; its passphrase if one was generated. Raises PreflightError."""
    try:
        call_command("migrate", interactive=False, verbosity=0)
        passphrase = ensure_admin(environment.text("SEG_ADMIN_PASSPHRASE", ""))
        space.prepare()
    except DatabaseError as error:
        reason = str(error).strip().splitlines()[0]
        raise PreflightError(f"The database cannot be used: {reason}. See DATABASE_URL.") from error
    connections.close_all()
    return passphrase


def say_addresses(say: Say, passphrase: str) -> None:
    """Where to look, and with what; an empty passphrase is one that was set before."""
    word = f"passphrase {passphrase}" if passphrase else "passphrase as set before"
    public = settings.SEG_PUBLIC_URL
    address = f"{public.origin}{public.prefix}/" if public else f"http://{_console().nearby}"
    say(f"Console: {address}  (user {ADMIN_NAME}, {word})")
    say(f"SMTP: {(answering_listener() or _committed_place()).nearby}")
    say("Ctrl-C stops everything.")


def _console() -> Place:
    return Place(settings.SEG_HTTP_HOST, settings.SEG_HTTP_PORT)


def answering_listener() -> Place | None:
    """Where a listener says that it listens, if it answers there; None if none does. Without Redis nobody can say,
    and it is looked for where the configuration and the environment have it."""
    try:
        places = [one.place for one in whereabouts.told()]
    except Unanswered:
        places = [_committed_place(), of_environment()]
    return next((place for place in places if smtp_answers(place.nearby.host, place.port)), None)


def _checks() -> Mapping[str, Callable[[], bool]]:
    return {
        "redis": _redis_answers,
        "console": _console_answers,
        "listener": lambda: answering_listener() is not None,
        "worker": lambda: _worker_answers("delivery"),
        "connector": lambda: _worker_answers("tdc"),
    }


def _redis_answers() -> bool:
    client = redis.Redis.from_url(settings.SEG_REDIS_URL, socket_timeout=ANSWER_TIMEOUT_S)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _console_answers() -> bool:
    near = _console().nearby
    connection = http.client.HTTPConnection(near.host, near.port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", "/", headers={"Host": settings.SEG_HOSTNAME})
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def smtp_answers(host: str, port: int) -> bool:
    """Does a server there greet (RFC 5321, section 3.1)? Takes leave politely."""
    try:
        with socket.create_connection((host, port), timeout=ANSWER_TIMEOUT_S) as connection:
            greeting = connection.recv(512)
            with suppress(OSError):
                connection.sendall(b"QUIT\r\n")
                connection.recv(512)
            return greeting.startswith(b"220")
    except OSError:
        return False


def _worker_answers(queue: str) -> bool:
    """Does a worker of the queue? Without Redis nobody can ask, and nobody need wait for the answer."""
    if not _redis_answers():
        return True
    name = f"{queue}@{os.uname().nodename}"
    try:
        return bool(app.control.ping(destination=[name], timeout=0.5))
    except (OperationalError, redis.RedisError, OSError):
        return False
