"""The mail log's file: `$SEG_DATA_DIR/log/mail_logs`, AsyncOS text format, rolled over by size (mail-logs 1).

Several processes append to it. Each write is one system call on a descriptor opened for appending and ends at a line
end, so lines of two processes never mix.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterable
from datetime import datetime, tzinfo
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from seg_console import VERSION
from seg_console.mail.maillog_text import log_time

logger = logging.getLogger(__name__)

# Rollover by file size, the subscription's default (seg-webui 8.7).
ROLL_OVER_BYTES = 10 * 1024 * 1024
KEEP_ROLLED_FILES = 10


class MailLog:
    """One log file, shared with other processes. Not for use by several threads at once."""

    def __init__(self, path: Path, *, zone: tzinfo, serial: str, limit: int = ROLL_OVER_BYTES) -> None:
        self._path = path
        self._zone = zone
        self._serial = serial
        self._limit = limit
        self._descriptor: int | None = None
        self._inode = 0
        self._second: tuple[int, str] = (0, "")

    def write(self, entries: Iterable[tuple[datetime, str]], *, level: str = "Info") -> None:
        """Append `(time, text)` entries as lines of one level. Raises OSError, having written whole lines or none."""
        data = "".join(f"{self._time(at)} {level}: {text}\n" for at, text in entries).encode(errors="backslashreplace")
        if not data:
            return
        descriptor = self._current()
        _write_all(descriptor, data)
        if os.fstat(descriptor).st_size >= self._limit:
            self._roll_over()

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _time(self, at: datetime) -> str:
        second = int(at.timestamp())
        if self._second[0] != second:
            self._second = (second, log_time(at, self._zone))
        return self._second[1]

    def _current(self) -> int:
        """The descriptor of the file that bears the name now; another process may have rolled it over."""
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            inode = 0
        if self._descriptor is None or inode != self._inode:
            self._open()
        assert self._descriptor is not None
        return self._descriptor

    def _open(self) -> None:
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(self._path):
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            status = os.fstat(self._descriptor)
            self._inode = status.st_ino
            if status.st_size == 0:
                _write_all(self._descriptor, self._head())

    def _head(self) -> bytes:
        """The three lines every file begins with; analysers take version, serial and offset from them."""
        now = timezone.now()
        offset = now.astimezone(self._zone).utcoffset()
        seconds = int(offset.total_seconds()) if offset else 0
        texts = ("Begin Logfile", f"Version: {VERSION} SN: {self._serial}", f"Time offset from UTC: {seconds} seconds")
        return "".join(f"{log_time(now, self._zone)} Info: {text}\n" for text in texts).encode()

    def _roll_over(self) -> None:
        with _lock(self._path):
            # Of several processes that saw the limit, the first rolls; for the others the name has moved on.
            if self._path.exists() and self._path.stat().st_ino == self._inode:
                assert self._descriptor is not None
                now = timezone.now()
                _write_all(self._descriptor, f"{log_time(now, self._zone)} Info: End Logfile\n".encode())
                stamp = now.astimezone(self._zone).strftime("%Y%m%dT%H%M%S.%f")
                self._path.rename(self._path.with_name(f"{self._path.name}.@{stamp}.s"))
                for old in sorted(self._path.parent.glob(f"{self._path.name}.@*.s"))[:-KEEP_ROLLED_FILES]:
                    old.unlink(missing_ok=True)
        self.close()


class _lock:
    """Held while the name changes hands; the lock file's own inode never does."""

    def __init__(self, path: Path) -> None:
        self._name = path.with_name(f".{path.name}.lock")

    def __enter__(self) -> None:
        self._descriptor = os.open(self._name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    # A regular file takes all of it unless the disk is full; then the rest would follow in pieces.
    while data:
        data = data[os.write(descriptor, data) :]


_log: MailLog | None = None


def write(entries: Iterable[tuple[datetime, str]], *, level: str = "Info") -> None:
    """Append to this process's mail log. What cannot be written is reported, never raised: the rows are the truth,
    and a full log disk must not turn a committed message into a refusal."""
    global _log
    if _log is None or _log._path != settings.SEG_MAIL_LOG:
        _log = MailLog(
            settings.SEG_MAIL_LOG,
            zone=timezone.get_default_timezone(),
            serial=settings.SEG_SERIAL,
        )
    try:
        _log.write(entries, level=level)
    except OSError:
        logger.exception("mail log not written", extra={"action": "mail_log_failed"})
