"""The supervisor over real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from circus.arbiter import Arbiter

from seg_console import supervisor as supervision
from seg_console.processes import PYTHON, Process
from seg_console.supervisor import Supervisor
from tests.support.running_system import wait_until

SLEEPER = Process(
    name="sleeper",
    title="Sleeper",
    command=(PYTHON, "-c", "import time; time.sleep(600)"),
    stop_group=0,
    grace_s=5,
)
QUITTER = Process(
    name="quitter",
    title="Quitter",
    command=(PYTHON, "-c", "raise SystemExit('it is no use')"),
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
        "sleeper ended with signal SIGKILL: it said nothing. It is started again in 1 s.",
        "Stopping ...",
    ]
    assert not _sleepers()


def test_what_a_process_complains_of_while_it_is_stopped_is_for_its_log_alone(tmp_path: Path) -> None:
    said: list[str] = []
    program = (
        "import signal, sys\n"
        "def end(*_):\n"
        "    print('ERROR torn from its work', flush=True)\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('WARNING at work', flush=True)\n"
        "while True:\n"
        "    signal.pause()\n"
    )
    worker = replace(SLEEPER, name="worker", command=(PYTHON, "-c", program))

    def when_ready(stopping: threading.Event) -> None:
        try:
            wait_until(lambda: bool(said), what="the warning is told", deadline_s=20)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    supervisor = Supervisor([worker], log_folder=tmp_path, environment={}, say=said.append)
    asyncio.run(supervisor.run(checks={}, when_ready=when_ready))

    assert said == ["worker: WARNING at work", "Stopping ..."]
    assert (tmp_path / "worker.log").read_text().splitlines() == ["WARNING at work", "ERROR torn from its work"]


def test_a_terminal_that_is_gone_keeps_nothing_from_being_stopped(tmp_path: Path) -> None:
    def say(line: str) -> None:
        raise BrokenPipeError

    supervisor = Supervisor([SLEEPER], log_folder=tmp_path, environment={}, say=say)
    asyncio.run(supervisor.run(checks={}, when_ready=lambda stopping: os.kill(os.getpid(), signal.SIGTERM)))
    assert not _sleepers()


def test_a_process_that_keeps_ending_is_started_ever_later_and_the_others_stay_up(tmp_path: Path) -> None:
    said: list[str] = []
    sleepers: list[list[int]] = []

    def work() -> None:
        sleepers.append(_sleepers())
        wait_until(lambda: len(said) >= 3, what="three endings are told", deadline_s=30)
        sleepers.append(_sleepers())

    _supervise([QUITTER, SLEEPER], work, tmp_path, said)

    often = f"see {tmp_path / 'quitter.log'}"
    assert said == [
        "quitter ended with exit code 1: it is no use. It is started again in 1 s.",
        f"quitter ended with exit code 1: it is no use. It has ended 2 times in a row; {often}. It is started again in "
        "2 s.",
        f"quitter ended with exit code 1: it is no use. It has ended 3 times in a row; {often}. It is started again in "
        "4 s.",
        "Stopping ...",
    ]
    assert len(sleepers[0]) == 1
    assert sleepers[0] == sleepers[1]


def test_a_process_that_hangs_is_killed_and_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "SILENT_S", 1.0)
    monkeypatch.setattr(supervision, "ASK_EVERY_S", 0.1)
    said: list[str] = []

    def answers() -> bool:
        with suppress(psutil.NoSuchProcess):
            return all(psutil.Process(pid).status() != psutil.STATUS_STOPPED for pid in _sleepers())
        return False

    def work() -> None:
        [hung] = _sleepers()
        os.kill(hung, signal.SIGSTOP)
        wait_until(lambda: _sleepers() not in ([], [hung]), what="another one runs", deadline_s=30)

    _supervise([SLEEPER], work, tmp_path, said, pulses={"sleeper": answers})

    assert said == [
        "sleeper has not answered for 1 s and is killed.",
        "sleeper ended with signal SIGKILL: it said nothing. It is started again in 1 s.",
        "Stopping ...",
    ]


@pytest.mark.parametrize("place", [0, 1])
def test_a_process_that_does_not_answer_is_told_and_the_rest_goes_on(tmp_path: Path, place: int) -> None:
    said: list[str] = []
    ready: list[int] = []
    processes = [QUITTER]
    processes.insert(place, replace(SLEEPER, ready_s=0.2))

    _supervise(processes, lambda: ready.extend(_sleepers()), tmp_path, said, checks={"sleeper": lambda: False})

    assert f"Sleeper (sleeper) does not answer yet; see {tmp_path / 'sleeper.log'}. The others go on." in said
    assert len(ready) == 1


def _supervise(
    processes: list[Process],
    work: Callable[[], None],
    log_folder: Path,
    said: list[str],
    *,
    checks: dict[str, Callable[[], bool]] | None = None,
    pulses: dict[str, Callable[[], bool]] | None = None,
) -> None:
    """Run them until `work` is done."""

    def when_ready(stopping: threading.Event) -> None:
        try:
            work()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    supervisor = Supervisor(processes, log_folder=log_folder, environment={}, say=said.append)
    asyncio.run(supervisor.run(checks=checks or {}, pulses=pulses, when_ready=when_ready))


def _sleepers() -> list[int]:
    """Of this process: the sleepers that have not ended."""
    return [
        child.pid
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and SLEEPER.command[-1] in child.cmdline()
    ]
