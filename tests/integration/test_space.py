"""Disk space that SQLite gives back after mail was delivered. The database is one of its own, in a file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.backends.sqlite3.base import DatabaseWrapper

from seg_console import environment
from seg_console.mail import space
from seg_console.mail.space import MIB

pytestmark = pytest.mark.django_db
BODY = 100_000
FOREVER = float("inf")


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseWrapper]:
    """A database as the gateway opens it, in place of the one of the tests."""
    wrapper = DatabaseWrapper({**connection.settings_dict, **environment.sqlite(tmp_path / "seg.sqlite3")})
    monkeypatch.setattr(space, "connection", wrapper)
    with wrapper.cursor() as cursor:
        cursor.execute("CREATE TABLE body (mid INTEGER PRIMARY KEY, content BLOB)")
    yield wrapper
    wrapper.close()


def sizes(gateway: DatabaseWrapper) -> tuple[int, int]:
    """Octets of the database and of its write-ahead log."""
    path = Path(gateway.settings_dict["NAME"])
    return path.stat().st_size, path.with_name(f"{path.name}-wal").stat().st_size


def deliver(gateway: DatabaseWrapper, *, octets: int) -> None:
    """Store bodies, and remove all but the last, as housekeeping does."""
    with gateway.cursor() as cursor:
        rows = [(mid, bytes(BODY)) for mid in range(1, octets // BODY + 1)]
        cursor.executemany("INSERT INTO body VALUES (%s, %s)", rows)
        cursor.execute("DELETE FROM body WHERE mid < %s", [len(rows)])


def value(gateway: DatabaseWrapper, pragma: str) -> Any:
    with gateway.cursor() as cursor:
        return cursor.execute(f"PRAGMA {pragma}").fetchone()[0]


def test_sixty_megabytes_of_delivered_mail_leave_less_than_ten(
    gateway: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "PAUSE_S", 0)
    space.prepare()
    assert value(gateway, "auto_vacuum") == 2
    deliver(gateway, octets=60 * MIB)
    assert sum(sizes(gateway)) > 60 * MIB
    space.shrink(gateway.connection, until=FOREVER, reserve_bytes=2 * MIB)
    space.checkpoint(gateway.connection)
    database, log = sizes(gateway)
    assert database < 3 * MIB
    assert log == 0
    assert value(gateway, "freelist_count") * value(gateway, "page_size") == 2 * MIB
    assert value(gateway, "integrity_check") == "ok"
    with gateway.cursor() as cursor:
        assert cursor.execute("SELECT count(*), length(content) FROM body").fetchone() == (1, BODY)


def test_what_a_burst_needs_again_stays_in_the_file(gateway: DatabaseWrapper) -> None:
    space.prepare()
    deliver(gateway, octets=20 * MIB)
    before = sizes(gateway)[0]
    space.give_back()
    assert (sizes(gateway)[0] >= before, sizes(gateway)[1]) == (True, 0)


def test_a_database_made_before_is_written_anew_at_start_and_shrinks_at_once(gateway: DatabaseWrapper) -> None:
    assert value(gateway, "auto_vacuum") == 0
    deliver(gateway, octets=20 * MIB)
    space.prepare()
    assert value(gateway, "auto_vacuum") == 2
    assert value(gateway, "temp_store") == 2  # memory, as before
    assert sum(sizes(gateway)) < MIB
    before = value(gateway, "schema_version")
    space.prepare()
    assert value(gateway, "schema_version") == before


def test_one_that_holds_too_much_is_left_as_it_is_with_a_warning(
    gateway: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(space, "MOST_REWRITTEN_BYTES", 10_000)
    deliver(gateway, octets=3 * BODY)
    space.prepare()
    assert value(gateway, "auto_vacuum") == 0
    assert "the database stays as large as it ever was: 0 MB in it" in caplog.text


def test_one_that_is_in_use_is_left_for_a_later_start(
    gateway: DatabaseWrapper, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.connection.execute("PRAGMA busy_timeout=1")
    other = sqlite3.connect(gateway.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    space.prepare()
    other.close()
    assert "could not be written anew (database is locked)" in caplog.text


def test_giving_back_stops_in_time(gateway: DatabaseWrapper) -> None:
    space.prepare()
    deliver(gateway, octets=5 * MIB)
    before = value(gateway, "freelist_count")
    space.shrink(gateway.connection, until=time.monotonic(), reserve_bytes=0)
    assert value(gateway, "freelist_count") == before


def test_a_reader_or_a_writer_is_not_waited_for(gateway: DatabaseWrapper) -> None:
    space.prepare()
    other = sqlite3.connect(gateway.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM body").fetchone()
    deliver(gateway, octets=5 * MIB)
    space.give_back()
    assert sizes(gateway)[1] > 0
    other.execute("COMMIT")
    space.give_back()
    assert sizes(gateway)[1] == 0
    other.close()
    assert value(gateway, "busy_timeout") == 30_000


def test_the_write_ahead_log_keeps_to_its_size(gateway: DatabaseWrapper) -> None:
    other = sqlite3.connect(gateway.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM body").fetchone()
    deliver(gateway, octets=60 * MIB)
    assert sizes(gateway)[1] > 60 * MIB
    other.close()
    # The first complete checkpoint, and the writer that begins anew after it.
    for _ in range(2):
        gateway.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        deliver(gateway, octets=2 * BODY)
        gateway.connection.execute("DELETE FROM body")
    assert sizes(gateway)[1] <= 32 * MIB


def test_on_postgresql_and_inside_a_transaction_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(space, "_value", fails)
    monkeypatch.setattr(space, "checkpoint", fails)
    space.prepare()
    space.give_back()
