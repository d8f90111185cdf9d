from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from seg_console.processes import LAB, PREPARATIONS, PROCESSES, embedded_redis

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return services


@pytest.mark.parametrize("process", [*PROCESSES, LAB], ids=lambda process: process.name)
def test_a_compose_service_runs_the_command_that_up_runs(process: Any, services: dict[str, Any]) -> None:
    assert services[process.name]["command"] == list(process.command)


def test_compose_prepares_the_system_as_up_does(services: dict[str, Any]) -> None:
    assert [services[name]["command"] for name in ("migrate", "admin")] == [list(words) for words in PREPARATIONS]


def test_compose_has_no_service_of_ours_that_up_does_not_know(services: dict[str, Any]) -> None:
    ours = {name for name, service in services.items() if service["image"] == "seg-console"}

    assert ours == {process.name for process in [*PROCESSES, LAB]} | {"migrate", "admin"}


def test_every_service_of_ours_runs_from_one_image(services: dict[str, Any]) -> None:
    foreign = {name: service["image"].partition(":")[0] for name, service in services.items() if "build" not in service}

    assert foreign == {"redis": "redis", "postgres": "postgres"}


def test_only_the_lab_waits_for_a_profile(services: dict[str, Any]) -> None:
    assert {name: service["profiles"] for name, service in services.items() if "profiles" in service} == {
        "lab": ["lab"]
    }


def test_published_ports_are_on_loopback(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_processes_that_need_redis_are_stopped_before_it() -> None:
    redis = embedded_redis("redis-server", "/run/redis.sock")

    assert all(process.stop_group < redis.stop_group for process in [*PROCESSES, LAB])


def test_embedded_redis_opens_no_tcp_port() -> None:
    command = embedded_redis("redis-server", "/run/redis.sock").command

    assert command[command.index("--port") + 1] == "0"
    assert command[command.index("--unixsocket") + 1] == "/run/redis.sock"
