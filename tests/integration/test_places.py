"""Drains share a worker's processes with sweep and housekeeping, and leave them some."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack

import pytest
from django.conf import settings
from redis import Redis

from seg_console.delivery import nudge, places, tasks
from seg_console.delivery.kinds import Destination
from seg_console.delivery.models import Delivery
from tests.support.deliveries import accept, configure, route
from tests.support.smtp_remote import smtp_remote

HOLDER = """
import sys, time
from pathlib import Path
from seg_console.delivery import places
places._folder = lambda: Path(sys.argv[1])
with places.one_of("w") as has_place:
    print(has_place, flush=True)
    time.sleep(600)
"""


def test_a_worker_has_so_many_places_and_gets_each_back() -> None:
    with ExitStack() as stack:
        found = [stack.enter_context(places.one_of("w")) for _ in range(places.MOST_DRAINS + 1)]
        assert found == [True] * places.MOST_DRAINS + [False]
        with places.one_of("another") as has_place:
            assert has_place
    with places.one_of("w") as has_place:
        assert has_place


def test_a_process_that_is_killed_gives_its_place_back() -> None:
    command = [sys.executable, "-c", HOLDER, str(settings.SEG_DATA_DIR / "run")]
    with places.one_of("w"):
        holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert holder.stdout is not None
        with holder.stdout as said:
            assert said.readline() == "True\n"
        with places.one_of("w") as has_place:
            assert not has_place
        holder.kill()
        holder.wait()
        with places.one_of("w") as has_place:
            assert has_place


@pytest.mark.django_db(transaction=True)
def test_a_drain_without_a_place_leaves_the_work_to_those_that_run(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []

    class Publisher:
        def send_task(self, name: str, *, args: tuple[str], **options: object) -> None:
            woken.extend(args)

    monkeypatch.setattr(nudge, "_publisher", Publisher)
    with smtp_remote() as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        accept()
        nudge.nudge([Destination("ordinary", "corp.example")])
        assert woken == ["delivery"]
        with ExitStack() as stack:
            for _ in range(places.MOST_DRAINS):
                stack.enter_context(places.one_of("delivery"))
            tasks.drain("delivery")
            assert (remote.taken, Delivery.objects.get().state, redis.llen("seg:destinations:delivery")) == (
                [],
                "queued",
                1,
            )
        nudge.pass_on("delivery")
        assert woken == ["delivery", "delivery"]
        tasks.drain("delivery")
    assert (len(remote.taken), Delivery.objects.get().state) == (1, "delivered")
    assert woken == ["delivery", "delivery"]
