"""Fixtures that several folders of tests share."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.contenttypes.management import create_contenttypes
from django.db.models.signals import post_migrate
from django.utils import translation
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from redis import Redis
from redis.exceptions import ConnectionError as RedisUnreachable

from seg_console.preflight import redis_server

# How fast the machine is at the moment is no property of the program.
hypothesis_settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("suite")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """The database of the run. Nothing here asks for the rows that Django would make anew after each test, for each
    model its type and permissions."""
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.disconnect(create_contenttypes)


@pytest.fixture(autouse=True)
def _language() -> Iterator[None]:
    """A page that was asked for in Chinese leaves that language active in its thread, which is the test's own."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def redis_process() -> Iterator[Redis]:
    """A real Redis on the socket the settings name, for the whole session."""
    with running_redis() as client:
        yield client


@contextmanager
def running_redis() -> Iterator[Redis]:
    """The same, for as long as the block lasts."""
    socket: Path = settings.SEG_REDIS_SOCKET
    socket.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [redis_server(), "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    client = Redis.from_url(settings.SEG_REDIS_URL)
    try:
        while True:
            assert process.poll() is None, "redis-server ended"
            try:
                client.ping()
                break
            except RedisUnreachable:
                continue
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait()


@pytest.fixture
def redis(redis_process: Redis) -> Redis:
    """That Redis, empty."""
    redis_process.flushall()
    return redis_process
