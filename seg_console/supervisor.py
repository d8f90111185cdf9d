"""Starts the processes of `processes.PROCESSES`, keeps them running and stops them in order, with circus as a library.

What the processes say goes to one log file each; what is a warning or worse also goes to the terminal. However often
one of them ends, the others stay up.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shlex
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from circus.arbiter import Arbiter
from circus.stream import FileStream
from circus.watcher import Watcher
from tornado.ioloop import IOLoop

from seg_console import tether
from seg_console.guard import Guard
from seg_console.mail.lines import printable
from seg_console.processes import PYTHON, Process

Say = Callable[[str], None]

CHECK_INTERVAL_S = 0.5
# A process that has ended is started again after the first of these, twice as long each time it ends in a row.
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
# Whatever lived so long has got over its trouble: its next ending is a first one.
SOUND_AFTER_S = 180.0
# A process that has not answered for so long hangs.
SILENT_S = 10.0
ASK_EVERY_S = 1.0
LOG_FILE_BYTES = 10 * 1024 * 1024
LOG_FILES_KEPT = 3
# One process may put this many lines on the terminal within this time; its log file has them all.
TERMINAL_LINES = 10
TERMINAL_WINDOW_S = 10.0

# What would move the cursor, or hide a line, of whoever reads a log at a terminal.
_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
# As a word of its own: celery's banner says `[stderr]@%WARNING`.
_LEVEL = re.compile(r"(?<![\w%])(WARNING|ERROR|CRITICAL)\b")


class SupervisionError(Exception):
    """What was to be done once everything runs has failed; the message is a sentence for the person who waits."""


@dataclass(slots=True)
class Course:
    """When one process was started and has ended. All times are seconds of one clock."""

    started_at: float = 0.0
    endings: int = 0  # in a row
    due_at: float = 0.0

    def starts(self, now: float) -> None:
        self.started_at = now

    def ends(self, now: float) -> float:
        """Count an ending. Returns how many seconds to wait before the next start."""
        self.endings = 1 if now - self.started_at >= SOUND_AFTER_S else self.endings + 1
        # The exponent is bounded too: a process may end for weeks.
        wait_s = min(FIRST_WAIT_S * 2.0 ** min(self.endings - 1, 16), LONGEST_WAIT_S)
        self.due_at = now + wait_s
        return wait_s


class Output:
    """What one process writes, control characters written out: kept in its log file, shown on the terminal from WARNING
    up.

    Called by circus with `{"data": bytes}` as it reads them. `last_line` is the last that was not blank.
    """

    def __init__(self, name: str, log_file: Path, say: Say, *, show_warnings: bool) -> None:
        self.last_line = ""
        self.log_file = log_file
        self._name = name
        self._say = say
        self._show_warnings = show_warnings
        self._file = FileStream(filename=str(log_file), max_bytes=LOG_FILE_BYTES, backup_count=LOG_FILES_KEPT)
        self._rest = b""
        self._shown: deque[float] = deque(maxlen=TERMINAL_LINES)

    def __call__(self, data: Mapping[str, Any]) -> None:
        plain = _CONTROL.sub(lambda found: b"\\x%02x" % found[0][0], data["data"])
        self._file({**data, "data": plain})
        *lines, self._rest = (self._rest + plain).split(b"\n")
        for line in lines:
            self._line(line.decode(errors="replace").rstrip())

    def _line(self, line: str) -> None:
        if not line.strip():
            return
        self.last_line = line.strip()
        if self._show_warnings and _LEVEL.search(line[:120]) and self._room_on_terminal():
            self._say(f"{self._name}: {printable(line)}")

    def _room_on_terminal(self) -> bool:
        now = time.monotonic()
        if len(self._shown) == TERMINAL_LINES and now - self._shown[0] < TERMINAL_WINDOW_S:
            return False
        self._shown.append(now)
        return True

    def open(self) -> None:
        self._file.open()

    def close(self) -> None:
        self._file.close()


class Supervisor:
    """Runs `processes` until stopped. One per program: circus takes the signal handlers of the process.

    `environment` is all that each process has in its own: nothing is inherited. `say` prints one line for the
    person at the terminal.
    """

    def __init__(
        self, processes: Sequence[Process], *, log_folder: Path, environment: Mapping[str, str], say: Say
    ) -> None:
        self._processes = processes
        self._log_folder = log_folder
        self._environment = dict(environment)
        self._tell = say
        self._courses = {process.name: Course() for process in processes}
        self._outputs: dict[str, Output] = {}
        self._failure = ""
        self._stop = asyncio.Event()
        # circus refuses a second command while one is under way.
        self._one_at_a_time = asyncio.Lock()
        # For work in other threads: set together with the event above.
        self.stopping = threading.Event()

    async def run(
        self,
        *,
        checks: Mapping[str, Callable[[], bool]],
        when_ready: Callable[[threading.Event], None],
        pulses: Mapping[str, Callable[[], bool]] | None = None,
    ) -> None:
        """Start everything, wait until every check holds, call `when_ready` in a thread, then wait for the end.

        `checks`: process name to a blocking question, "does it really answer?"; asked right after the process is
        started and before those that follow it when it is the first. One that still fails when the process has had its
        time (`ready_s`) is told, and the rest goes on.
        `pulses`: the same for processes that are killed, and so started again, when they are silent for SILENT_S.
        Raises SupervisionError when `when_ready` does.
        """
        logging.getLogger("circus").setLevel(logging.WARNING)
        self._guard = Guard(self._environment)
        arbiter = self._arbiter()
        self._take_signals()
        await arbiter.start()
        keeping = asyncio.create_task(self._keep(arbiter))
        feeling = [asyncio.create_task(self._feel(arbiter, *pulse)) for pulse in (pulses or {}).items()]
        try:
            await self._start_all(arbiter, checks)
            if not self._stop.is_set():
                await self._until_done(asyncio.to_thread(when_ready, self.stopping))
            await self._stop.wait()
        finally:
            self._end()
            await asyncio.gather(keeping, *feeling)
            await self._stop_all(arbiter)
            self._guard.close()
        if self._failure:
            raise SupervisionError(self._failure)

    def _arbiter(self) -> Arbiter:
        watchers = [self._watcher(process) for process in self._processes]
        # Nobody talks to circus from outside: in-process endpoints open neither a port nor a socket file.
        return Arbiter(
            watchers,
            "inproc://seg-console-control",
            "inproc://seg-console-events",
            # circus's own round would collide with our starting and stopping; `_keep` makes it instead.
            check_delay=0,
            loop=IOLoop.current(),
            proc_name="seg-console",
        )

    def _watcher(self, process: Process) -> Watcher:
        output = Output(
            process.name,
            self._log_folder / f"{process.name}.log",
            self._warn,
            # Redis warns about kernel settings that matter for big ones that keep their data; ours does not.
            show_warnings=process.name != "redis",
        )
        self._outputs[process.name] = output
        hooks: dict[str, tuple[Callable[..., bool], bool]] = {
            "before_reap": (_read_to_the_end, True),
            "after_reap": (self._ended, True),
        }
        program = [sys.executable if word == PYTHON else word for word in process.command]
        return Watcher(
            process.name,
            shlex.quote(sys.executable),
            args=["-I", "-S", tether.__file__, str(os.getpid()), *program],
            env=self._environment,
            copy_env=False,
            autostart=False,
            graceful_timeout=process.grace_s,
            stdout_stream={"stream": output},
            stderr_stream={"stream": output},
            hooks=hooks,
        )

    def _say(self, line: str) -> None:
        with suppress(OSError):  # a terminal, or a pipe, that is gone keeps nothing from being stopped
            self._tell(line)

    def _warn(self, line: str) -> None:
        """A process's warning, for the terminal; not while all are stopped on purpose, in the middle of their work."""
        if not self._stop.is_set():
            self._say(line)

    def _take_signals(self) -> None:
        """Replace circus's handlers, which would stop everything at once: Redis must outlive those that need it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self._say("Still stopping ...")
            return
        self._say("Stopping ...")
        self._end()

    def _end(self, failure: str = "") -> None:
        self._failure = self._failure or failure
        self._stop.set()
        self.stopping.set()

    async def _keep(self, arbiter: Arbiter) -> None:
        """Notice what has ended and start it again, until it is time to stop."""
        while not self._stop.is_set():
            async with self._one_at_a_time:
                await self._look_after(arbiter)
            await self._until_stop(CHECK_INTERVAL_S)

    async def _look_after(self, arbiter: Arbiter) -> None:
        # Not circus's own round: it drops a process that ends between its two looks without calling `after_reap`, and
        # that ending would be neither told nor counted. Here waitpid(2) alone says what has ended.
        arbiter.reap_processes()
        for watcher in arbiter.iter_watchers():
            course = self._courses[watcher.name]
            is_due = watcher.is_active() and not watcher.processes and time.monotonic() >= course.due_at
            if is_due and not self._stop.is_set():
                course.starts(time.monotonic())
                await watcher.spawn_processes()
                self._guard.watch(watcher.processes)

    async def _feel(self, arbiter: Arbiter, name: str, answers: Callable[[], bool]) -> None:
        """Kill the process whenever it is silent for too long: one that hangs never ends by itself."""
        watcher = arbiter.get_watcher(name)
        silent_since = time.monotonic()
        while not self._stop.is_set():
            pids = list(watcher.processes)
            if not pids or await asyncio.to_thread(answers):
                silent_since = time.monotonic()
            elif time.monotonic() - silent_since >= SILENT_S and pids == list(watcher.processes):
                self._say(f"{name} has not answered for {SILENT_S:.0f} s and is killed.")
                # SIGKILL ends even what is stopped.
                os.kill(pids[0], signal.SIGKILL)
                silent_since = time.monotonic()
            await self._until_stop(ASK_EVERY_S)

    async def _until_stop(self, longest_s: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), longest_s)

    async def _start(self, arbiter: Arbiter, process: Process) -> None:
        async with self._one_at_a_time:
            if not self._stop.is_set():
                self._courses[process.name].starts(time.monotonic())
                watcher = arbiter.get_watcher(process.name)
                await watcher.start()
                self._guard.watch(watcher.processes)

    async def _start_all(self, arbiter: Arbiter, checks: Mapping[str, Callable[[], bool]]) -> None:
        first, *others = self._processes
        await self._start(arbiter, first)
        await self._until_ready(first, checks, time.monotonic() + first.ready_s)
        began = time.monotonic()
        for process in others:
            await self._start(arbiter, process)
        for process in others:
            await self._until_ready(process, checks, began + process.ready_s)

    async def _until_ready(self, process: Process, checks: Mapping[str, Callable[[], bool]], deadline: float) -> None:
        check = checks.get(process.name)
        while check is not None and not self._stop.is_set() and not await asyncio.to_thread(check):
            if time.monotonic() > deadline:
                self._say(
                    f"{process.title} ({process.name}) does not answer yet; see {self._log(process.name)}. "
                    "The others go on."
                )
                return
            await asyncio.sleep(0.1)

    async def _until_done(self, work: Awaitable[None]) -> None:
        """Let `work` run while the processes do; its failure ends everything."""
        try:
            await work
        except SupervisionError as error:
            self._end(str(error))

    async def _stop_all(self, arbiter: Arbiter) -> None:
        for group in sorted({process.stop_group for process in self._processes}):
            watchers = [arbiter.get_watcher(p.name) for p in self._processes if p.stop_group == group]
            await arbiter.stop_watchers(watcher_iter_func=_these(watchers))
        await arbiter.stop()
        for output in self._outputs.values():
            output.close()

    def _ended(self, *, watcher: Watcher, exit_code: int, **_: object) -> bool:
        """circus's hook: a process has ended. Says so, and when it is started again."""
        if watcher.is_stopping() or watcher.is_stopped() or self._stop.is_set():
            return True
        name = watcher.name
        said = self._outputs[name].last_line.rstrip(".") or "it said nothing"
        reason = f"{name} ended with {_exit_words(exit_code)}: {said}"
        course = self._courses[name]
        wait_s = course.ends(time.monotonic())
        again = f"It is started again in {wait_s:.0f} s."
        if course.endings > 1:
            again = f"It has ended {course.endings} times in a row; see {self._log(name)}. {again}"
        self._say(f"{reason}. {again}")
        return True

    def _log(self, name: str) -> Path:
        return self._outputs[name].log_file


def _these(watchers: Sequence[Watcher]) -> Callable[..., Sequence[Watcher]]:
    def iterate(*, reverse: bool) -> Sequence[Watcher]:
        return list(reversed(watchers)) if reverse else watchers

    return iterate


def _read_to_the_end(*, watcher: Watcher, process_pid: int, **_: object) -> bool:
    """circus's hook before it closes the pipes of an ended process: the last words are the ones that tell why."""
    process = watcher.processes.get(process_pid)
    if process is None or watcher.stdout_stream is None:
        return True
    for pipe in (process.stdout, process.stderr):
        if pipe.closed:
            continue
        os.set_blocking(pipe.fileno(), False)
        while data := _read(pipe.fileno()):
            watcher.stdout_stream({"data": data})
    return True


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        # A child of the ended process still holds the pipe, and has nothing to say now.
        return b""


def _exit_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"signal {signal.Signals(-code).name}"
