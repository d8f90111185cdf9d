"""A Redis of a test's own, and what can befall it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import assert_never

from redis import Redis
from redis.exceptions import ConnectionError as RedisUnreachable

from seg_console.preflight import redis_server
from tests.support.running_system import free_port_block, wait_until


class Trouble(StrEnum):
    """Why Redis wakes nobody."""

    HUNG = "hung"
    GONE = "gone"
    FULL = "full"
    READ_ONLY = "read-only"


class OwnRedis:
    """A real server on a port of 127.0.0.1, empty whenever it starts."""

    def __init__(self) -> None:
        self._port = free_port_block(1)
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [redis_server(), "--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
        )
        wait_until(self._answers, what="Redis answers", deadline_s=20)

    def _answers(self) -> bool:
        with Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except RedisUnreachable:
                return False

    def begin(self, trouble: Trouble) -> None:
        match trouble:
            case Trouble.HUNG:
                self._process.send_signal(signal.SIGSTOP)
            case Trouble.GONE:
                self._process.kill()
                self._process.wait()
            case Trouble.FULL:
                self._command("CONFIG SET", "maxmemory", "1")
            case Trouble.READ_ONLY:
                self._command("REPLICAOF", "127.0.0.1", "1")
            case _:
                assert_never(trouble)

    def end(self, trouble: Trouble) -> None:
        match trouble:
            case Trouble.HUNG:
                self._process.send_signal(signal.SIGCONT)
            case Trouble.GONE:
                self._start()
            case Trouble.FULL:
                self._command("CONFIG SET", "maxmemory", "0")
            case Trouble.READ_ONLY:
                self._command("REPLICAOF", "NO", "ONE")
            case _:
                assert_never(trouble)

    def require(self, passphrase: str) -> None:
        """From now on it answers only to who knows this, the system under test alone."""
        self._command("CONFIG SET", "requirepass", passphrase)

    def _command(self, *words: str) -> None:
        with Redis.from_url(self.url) as client:
            client.execute_command(*words)

    def close(self) -> None:
        # Not terminated: it may be stopped.
        self._process.kill()
        self._process.wait()


@contextmanager
def own_redis() -> Iterator[OwnRedis]:
    redis = OwnRedis()
    try:
        yield redis
    finally:
        redis.close()
