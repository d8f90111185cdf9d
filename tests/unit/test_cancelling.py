"""Tasks that swallow their cancels, as libraries make them do on Python 3.11: nobody waits for them for ever."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from itertools import count

import pytest

from seg_console.delivery import cancelling

FOREVER_S = 3600


@pytest.fixture(autouse=True)
def _collect_abandoned() -> Iterator[None]:
    """Here and not in the middle of another test: asyncio logs each, and Python 3.11 may then fail to format whatever
    traceback it was busy with."""
    yield
    gc.collect()


async def deaf(*, cancels: int | None = None) -> str:
    """Swallows so many cancels, all of them by default, and then ends as if there had been none."""
    for number in count():
        if number == cancels:
            return "result"
        try:
            await asyncio.sleep(FOREVER_S)
        except asyncio.CancelledError:
            continue
    raise AssertionError


def test_a_cancel_that_gets_lost_is_said_again() -> None:
    async def main() -> tuple[set[asyncio.Task[str]], str]:
        task = asyncio.create_task(deaf(cancels=3))
        await asyncio.sleep(0)
        return await cancelling.ended([task]), task.result()

    assert cancelling.run(main()) == (set(), "result")


def test_what_never_ends_is_abandoned_with_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> bool:
        task = asyncio.create_task(deaf(), name="the deaf one")
        await asyncio.sleep(0)
        return await cancelling.ended([task], within=0) == {task}

    assert cancelling.run(main())
    # Once by its owner, and once at the end of the loop.
    assert [(record.levelname, "the deaf one" in record.message) for record in caplog.records] == [("ERROR", True)] * 2


def test_a_task_whose_cancel_was_lost_knows_that_it_was_told() -> None:
    async def main() -> list[bool]:
        heard = []

        async def listener() -> None:
            heard.append(cancelling.told())
            await deaf(cancels=1)
            heard.append(cancelling.told())
            cancelling.check()

        task = asyncio.create_task(listener())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        return [*heard, task.cancelled()]

    assert cancelling.run(main()) == [False, True, True]


def test_an_answer_is_not_waited_for_longer_than_allowed() -> None:
    async def main() -> None:
        await cancelling.within(0.01, deaf())

    with pytest.raises(TimeoutError, match=r"no answer in 0\.01 seconds"):
        cancelling.run(main())


def test_an_answer_of_a_thread_is_not_waited_for_longer_either() -> None:
    async def main() -> None:
        await cancelling.within(0.01, asyncio.get_running_loop().create_future())

    with pytest.raises(TimeoutError):
        cancelling.run(main())


def test_an_answer_and_an_error_in_time_are_handed_on() -> None:
    async def answer() -> int:
        return 7

    async def error() -> int:
        raise ValueError("no")

    assert cancelling.run(cancelling.within(FOREVER_S, answer())) == 7
    with pytest.raises(ValueError, match="no"):
        cancelling.run(cancelling.within(FOREVER_S, error()))


def test_an_ending_is_not_cut_short_by_a_second_cancel() -> None:
    steps: list[str] = []

    async def ending() -> None:
        steps.append("begins")
        await asyncio.sleep(0.01)
        steps.append("ends")

    async def main() -> bool:
        task = asyncio.create_task(cancelling.through(ending()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled()

    assert cancelling.run(main())
    assert steps == ["begins", "ends"]


def test_an_ending_that_takes_too_long_is_abandoned(caplog: pytest.LogCaptureFixture) -> None:
    async def ending() -> None:
        await deaf()

    cancelling.run(cancelling.through(ending(), within=0.01))
    assert "abandoned" in caplog.text


def test_the_error_of_the_main_task_is_raised_though_another_never_ends() -> None:
    async def main() -> None:
        main.other = asyncio.create_task(deaf())  # type: ignore[attr-defined]
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cancelling.run(main())
