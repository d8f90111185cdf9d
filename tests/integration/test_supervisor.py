"""The supervisor over real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path

import psutil
import pytest
from circus.arbiter import Arbiter

from seg_console.processes import PYTHON, Process
from seg_console.supervisor import Supervisor
from tests.running_system import wait_until

SLEEPER = Process(
    name="sleeper",
    title="Sleeper",
    command=(PYTHON, "-c", "import time; time.sleep(600)"),
    stop_group=0,
    grace_s=5,
)


def test_a_process_that_ends_just_after_a_look_is_told_and_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever it ends: here right behind the look that finds what has ended, where it would be missed."""
    said: list[str] = []
    killed: list[int] = []
    armed = threading.Event()
    look = Arbiter.reap_processes

    def look_then_kill(arbiter: Arbiter) -> None:
        look(arbiter)
        if armed.is_set() and not killed:
            [pid] = arbiter.get_watcher("sleeper").processes
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
            victim = psutil.Process(pid)
            wait_until(lambda: victim.status() == psutil.STATUS_ZOMBIE, what="it has ended")

    def when_ready(stopping: threading.Event) -> None:
        armed.set()
        try:
            wait_until(lambda: bool(said), what="the ending is told", deadline_s=20)
            wait_until(lambda: _sleepers() not in ([], killed), what="it is started again", deadline_s=20)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Arbiter, "reap_processes", look_then_kill)
    supervisor = Supervisor([SLEEPER], log_folder=tmp_path, environment={}, say=said.append)

    asyncio.run(supervisor.run(checks={}, when_ready=when_ready))

    assert said == [
        "sleeper ended with signal SIGKILL: it said nothing. It is started again.",
        "Stopping ...",
    ]
    assert not _sleepers()


def _sleepers() -> list[int]:
    """Of this process: the sleepers that have not ended."""
    return [
        child.pid
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and SLEEPER.command[-1] in child.cmdline()
    ]
