"""Disk space that a SQLite database gives back once its rows are gone: by itself it only keeps free pages for later.

PostgreSQL does this on its own; none of it concerns it.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Final

from django.db import connection

logger = logging.getLogger(__name__)

MIB: Final = 1024 * 1024
# Free pages that stay in the file, so that it does not shrink and grow with every burst of mail.
RESERVE_BYTES: Final = 32 * MIB
# Pages of one transaction, for which writers wait, and between two as long as SQLite at most sleeps before it looks
# again whether it may write.
SLICE_PAGES: Final = 1_000
PAUSE_S: Final = 0.1
# Of one housekeeping, which comes again in a minute.
MOST_S: Final = 20.0
# How long writers may wait for readers in a truncating checkpoint; a busy database is left for the next time.
CHECKPOINT_WAIT_MS: Final = 100
# A database that holds more is not written anew at start: it would take minutes.
MOST_REWRITTEN_BYTES: Final = 512 * MIB
_INCREMENTAL: Final = 2


def prepare() -> None:
    """Write a database that cannot give pages back anew, so that it can. At start only, with nobody else there.

    Left as it is, with a warning, when it is too large or the disk too full: a later start tries again.
    """
    database = _database()
    if database is None or _value(database, "auto_vacuum") == _INCREMENTAL:
        return
    held = (_value(database, "page_count") - _value(database, "freelist_count")) * _value(database, "page_size")
    free = shutil.disk_usage(Path(connection.settings_dict["NAME"]).parent).free
    if held > MOST_REWRITTEN_BYTES or free < 3 * held:
        logger.warning(
            "the database stays as large as it ever was: %d MB in it are too many to write anew", held // MIB
        )
        return
    try:
        _rewrite(database)
    except sqlite3.OperationalError as error:
        logger.warning("the database stays as large as it ever was: it could not be written anew (%s)", error)


def give_back() -> None:
    """Cut free pages off the file and empty the write-ahead log, as far as nobody is held up by it."""
    database = _database()
    if database is None:
        return
    try:
        shrink(database, until=time.monotonic() + MOST_S)
        checkpoint(database)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise


def shrink(database: sqlite3.Connection, *, until: float, reserve_bytes: int = RESERVE_BYTES) -> None:
    """Give pages back, a slice at a time, until so many octets are free or it is `until` (time.monotonic)."""
    if _value(database, "auto_vacuum") != _INCREMENTAL:
        return
    reserve = reserve_bytes // _value(database, "page_size")
    while (spare := _value(database, "freelist_count") - reserve) > 0 and time.monotonic() < until:
        # A row without columns for each page: `execute` would take the first one for the end.
        database.executescript(f"PRAGMA incremental_vacuum({min(spare, SLICE_PAGES)})")
        time.sleep(PAUSE_S)


def checkpoint(database: sqlite3.Connection) -> None:
    """Put what the write-ahead log holds into the database and cut it to nothing; not while others use it."""
    busy, pages, done = database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if busy or pages != done:
        return
    patience_ms = _value(database, "busy_timeout")
    database.execute(f"PRAGMA busy_timeout={CHECKPOINT_WAIT_MS}")
    try:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        database.execute(f"PRAGMA busy_timeout={patience_ms}")


def _rewrite(database: sqlite3.Connection) -> None:
    # The copy is as large as the database: not for memory, where temporary things are else.
    database.execute("PRAGMA temp_store=FILE")
    try:
        database.execute(f"PRAGMA auto_vacuum={_INCREMENTAL}")
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        database.execute("PRAGMA temp_store=MEMORY")


def _database() -> sqlite3.Connection | None:
    """None for PostgreSQL, and inside a transaction, where nothing of this can be done."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return None
    connection.ensure_connection()
    database: sqlite3.Connection = connection.connection
    return database


def _value(database: sqlite3.Connection, pragma: str) -> int:
    return int(database.execute(f"PRAGMA {pragma}").fetchone()[0])
