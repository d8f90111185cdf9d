"""The mail log's file: `$SEG_DATA_DIR/log/mail_logs`, AsyncOS text format, rolled over by size (mail-logs 1).

Several processes append to it, one at a time. Each write is one system call on a descriptor opened for appending and
ends at a line end, so lines of two processes never mix; and no line bears an earlier second than the one above it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final, Self

from django.conf import settings
from django.utils import timezone

from seg_console import VERSION
from seg_console.mail.lines import shortened
from seg_console.mail.maillog_text import log_time

logger = logging.getLogger(__name__)

# Rollover by file size, the subscription's default (seg-webui 8.7).
ROLL_OVER_BYTES = 10 * 1024 * 1024
KEEP_ROLLED_FILES = 10
# Octets of a line with its end; what reads a log may have a limit, and strangers decide how long a subject is.
LONGEST_LINE = 8192
# How far the clock of the last line may be ahead of ours: more, and somebody has set it back since.
_CLOCK_STEP_S = 2
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


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
        """Append `(time, text)` entries as lines of one level. Raises OSError, having written whole lines or none.

        What happened before the last line of the log, and is told only now, bears the time of that line: it is the
        order in which things were committed.
        """
        told = list(entries)
        if not told:
            return
        with _Turn(self._path) as turn:
            lines = []
            for at, text in told:
                turn.reach(at)
                lines.append(_line(f"{self._time(turn.at)} {level}: ", text))
            _write_all(self._current(turn.at), b"".join(lines))
            if os.fstat(self._opened).st_size >= self._limit:
                self._roll_over(turn.at)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def _opened(self) -> int:
        assert self._descriptor is not None
        return self._descriptor

    def _time(self, at: datetime) -> str:
        second = int(at.timestamp())
        if self._second[0] != second:
            self._second = (second, log_time(at, self._zone))
        return self._second[1]

    def _current(self, at: datetime) -> int:
        """The descriptor of the file that bears the name now; another process may have rolled it over."""
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            inode = 0
        if self._descriptor is None or inode != self._inode:
            self._open(at)
        return self._opened

    def _open(self, at: datetime) -> None:
        self.close()
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        status = os.fstat(self._descriptor)
        self._inode = status.st_ino
        if status.st_size == 0:
            _write_all(self._descriptor, self._head(at))

    def _head(self, at: datetime) -> bytes:
        """The three lines every file begins with; analysers take version, serial and offset from them."""
        offset = at.astimezone(self._zone).utcoffset()
        seconds = int(offset.total_seconds()) if offset else 0
        texts = ("Begin Logfile", f"Version: {VERSION} SN: {self._serial}", f"Time offset from UTC: {seconds} seconds")
        return b"".join(_line(f"{self._time(at)} Info: ", text) for text in texts)

    def _roll_over(self, at: datetime) -> None:
        _write_all(self._opened, _line(f"{self._time(at)} Info: ", "End Logfile"))
        stamp = timezone.now().astimezone(self._zone).strftime("%Y%m%dT%H%M%S.%f")
        self._path.rename(self._path.with_name(f"{self._path.name}.@{stamp}.s"))
        for old in sorted(self._path.parent.glob(f"{self._path.name}.@*.s"))[:-KEEP_ROLLED_FILES]:
            old.unlink(missing_ok=True)
        self.close()


def _line(start: str, text: str) -> bytes:
    return shortened((start + text).encode(errors="backslashreplace"), LONGEST_LINE - 1) + b"\n"


class _Turn:
    """While it is held, nobody else writes to the log. `at` is the time that its last line bears, to the second.

    It is kept in the lock file, whose inode never changes, for the next process.
    """

    def __init__(self, path: Path) -> None:
        self._name = path.with_name(f".{path.name}.lock")
        self.at = _EPOCH

    def reach(self, at: datetime) -> None:
        self.at = max(self.at, at)

    def __enter__(self) -> Self:
        try:
            self._descriptor = self._open()
        except FileNotFoundError:
            self._name.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = self._open()
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        found = os.pread(self._descriptor, 20, 0)
        self._found = int(found) if found.isdigit() else 0
        if self._found <= time.time() + _CLOCK_STEP_S:
            self.at = datetime.fromtimestamp(self._found, UTC)
        return self

    def _open(self) -> int:
        return os.open(self._name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __exit__(self, *_: object) -> None:
        reached = int(self.at.timestamp())
        if reached != self._found:
            with suppress(OSError):  # a full disk, which the log itself tells of
                os.pwrite(self._descriptor, b"%020d" % reached, 0)
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
