"""The one table of what runs: `manage.py up` starts these commands, and compose.yaml names the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Stands for the interpreter; `up` puts its own in its place.
PYTHON = "python"
# Stands in the project's folder; `up` puts that before it.
MANAGE = "manage.py"


@dataclass(frozen=True, slots=True)
class Process:
    """One long-running program.

    `stop_group`: processes are stopped group by group, lowest first, so that nothing loses what it still needs.
    `grace_s`: seconds it gets to finish what it holds before it is killed.
    `ready_s`: seconds it gets to answer when the system starts, before the rest goes on without it.
    """

    name: str
    title: str
    command: tuple[str, ...]
    stop_group: int
    grace_s: float
    ready_s: float = 90


CONSOLE = Process(
    name="console",
    title="Web console",
    command=(PYTHON, "-m", "gunicorn", "--config", "python:seg_console.web_server", "seg_console.wsgi"),
    stop_group=0,
    grace_s=5,
)
LISTENER = Process(name="listener", title="SMTP listener", command=(PYTHON, MANAGE, "listen"), stop_group=0, grace_s=5)
BEAT = Process(
    name="beat",
    title="Scheduler",
    # The schedule is code; the plain scheduler keeps no file that a second system on this machine could share.
    command=(PYTHON, "-m", "celery", "--app", "seg_console", "beat", "--scheduler", "celery.beat:Scheduler"),
    stop_group=0,
    grace_s=5,
)


def _celery_worker(queue: str, concurrency: int) -> tuple[str, ...]:
    return (
        *(PYTHON, "-m", "celery", "--app", "seg_console", "worker"),
        *("--queues", queue, "--hostname", f"{queue}@%h", "--concurrency", str(concurrency)),
        # Nobody listens to other workers' gossip here, and none waits for another at start.
        *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
    )


# Two workers, so that slow ordinary mail never keeps a copy waiting, nor a slow intake ordinary mail. Each has more
# processes than may drain (delivery.places.MOST_DRAINS), so that slow servers keep no sweep waiting.
WORKER = Process(
    name="worker", title="Delivery worker", command=_celery_worker("delivery", 3), stop_group=1, grace_s=10
)
# And Test Connections, which wait for an intake as long as a copy would, keep no copy waiting.
CONNECTOR = Process(
    name="connector", title="Connector worker", command=_celery_worker("tdc", 4), stop_group=1, grace_s=10
)
# While Redis cannot wake those two, it delivers what the database says is due.
STAND_IN = Process(
    name="stand-in", title="Stand-in worker", command=(PYTHON, MANAGE, "stand_in"), stop_group=1, grace_s=10
)
LAB = Process(name="lab", title="Lab mail servers", command=(PYTHON, MANAGE, "lab"), stop_group=2, grace_s=5)


def embedded_redis(program: str, socket: str) -> Process:
    """Redis for this system alone: on a socket that only its owner may open, without a TCP port, keeping nothing."""
    return Process(
        name="redis",
        title="Redis",
        command=(
            *(program, "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700"),
            # The database is the queue of record: what Redis holds is made again after a restart.
            *("--save", "", "--appendonly", "no", "--daemonize", "no"),
        ),
        stop_group=3,
        grace_s=5,
        # The others like to find it, and can do without.
        ready_s=10,
    )


# In the order of starting. Redis comes before them: embedded under `up`, a service of its own under compose.
PROCESSES: Sequence[Process] = (LISTENER, CONSOLE, WORKER, CONNECTOR, STAND_IN, BEAT)

# What is run once, to the end, before any of them.
PREPARATIONS: Sequence[tuple[str, ...]] = (
    (PYTHON, MANAGE, "migrate", "--no-input"),
    (PYTHON, MANAGE, "ensure_admin"),
)
