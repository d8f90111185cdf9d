"""Ending tasks that need not want to end. On Python 3.11 a cancel can be lost: `asyncio.wait_for`, which libraries
await in, hands out a result that is ready instead (mended in 3.12, bpo-37658).

Therefore whoever is told to end looks whether it was (`told`), whoever tells says it again (`ended`), and nobody waits
for ever: a task that lives on is abandoned with an error in the log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final, TypeVar

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

# How long after a cancel the next one follows, seconds.
AGAIN_S: Final = 0.2
# How long a task is told to end before it is abandoned, and how often at least: on a busy machine time flies.
PATIENCE_S: Final = 2.0
LEAST_TRIES: Final = 5
# What bounds itself should never need this long.
ENDING_S: Final = 60.0


def told() -> bool:
    """Whether the present task was cancelled, be it that the CancelledError was lost on its way; True also for what is
    left of a task that was abandoned, when its loop is closed."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return True
    return task is not None and task.cancelling() > 0


def check() -> None:
    """Raises CancelledError if the present task was cancelled."""
    if told():
        raise asyncio.CancelledError


async def ended(tasks: Iterable[asyncio.Task[Any]], *, within: float = PATIENCE_S) -> set[asyncio.Task[Any]]:
    """Cancel tasks, time and again, until they have ended or `within` seconds are over. Returns those that live on.

    What the tasks raise is theirs. A cancel of the caller is raised at the end: this is short by itself.
    """
    living = {task for task in tasks if not task.done()}
    deadline = time.monotonic() + within
    tries = 0
    cancelled = False
    while living and (tries < LEAST_TRIES or time.monotonic() < deadline):
        tries += 1
        for task in living:
            task.cancel()
        try:
            await asyncio.wait(living, timeout=AGAIN_S)
        except asyncio.CancelledError:
            cancelled = True
        living = {task for task in living if not task.done()}
    for task in living:
        logger.error("abandoned, because it does not end: %r", task, extra={"action": "task_abandoned"})
    if cancelled:
        raise asyncio.CancelledError
    return living


async def within(seconds: float, work: Awaitable[Result]) -> Result:
    """The result of `work`, which is cancelled and left to itself when it takes longer. Raises TimeoutError.

    Unlike `asyncio.timeout` this ends in time whatever `work` does with its cancel.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        in_time = task.done()
        if not in_time:
            task.cancel()
            task.add_done_callback(_heard)
    if not in_time:
        raise TimeoutError(f"no answer in {seconds:g} seconds")
    return task.result()


async def through(ending: Coroutine[Any, Any, None], *, within: float = ENDING_S) -> None:
    """Wait for an ending that bounds itself, which no cancel of the caller cuts short. Raises what it raises, and then
    CancelledError for the cancel."""
    task = asyncio.create_task(ending)
    deadline = time.monotonic() + within
    cancelled = False
    while not task.done() and (left := deadline - time.monotonic()) > 0:
        try:
            await asyncio.wait({task}, timeout=left)
        except asyncio.CancelledError:
            cancelled = True
    if not task.done():
        await ended([task])
    elif not task.cancelled():
        task.result()
    if cancelled:
        raise asyncio.CancelledError


def run(
    main: Coroutine[Any, Any, Result], *, loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
) -> Result:
    """`asyncio.run` that always ends: tasks that do not, and threads, are left behind instead of waited for."""
    loop = loop_factory()
    try:
        asyncio.set_event_loop(loop)
        task = loop.create_task(main)
        try:
            return loop.run_until_complete(task)
        finally:
            # After KeyboardInterrupt it has not ended; its own ending needs the others.
            loop.run_until_complete(ended([task], within=ENDING_S))
            loop.run_until_complete(ended(asyncio.all_tasks(loop)))
            loop.run_until_complete(_closed_generators(loop))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _closed_generators(loop: asyncio.AbstractEventLoop) -> None:
    try:
        await within(PATIENCE_S, loop.shutdown_asyncgens())
    except TimeoutError:
        logger.error("abandoned asynchronous generators, because they do not end", extra={"action": "task_abandoned"})


def _heard(task: asyncio.Future[Any]) -> None:
    """So that nobody complains of an error that came too late to be of use."""
    if not task.cancelled():
        task.exception()
