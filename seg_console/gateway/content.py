"""The content of one message as it comes in behind DATA: where it ends, what was stuffed, and its line ends.

All of it is worked on piece by piece as it arrives, so the last piece of a large message takes no longer than any other
and holds no other session up; nothing depends on how the octets were cut on their way.
"""

from __future__ import annotations

from typing import Final

from seg_console.gateway.spool import NewFile, Spool
from seg_console.mail.lines import Cleaning

END_OF_DATA: Final = b"\r\n.\r\n"
# The CRLF of the DATA command is the first line end: a message may begin with the dot that ends it.
_BEFORE: Final = b"\r\n"
_BEGINNINGS: Final = tuple(END_OF_DATA[:length] for length in range(len(END_OF_DATA) - 1, 0, -1))


class Content:
    """Takes octets until the end of data. `max_size`, in octets, is how much of the cleaned content is kept at most;
    what is larger is forgotten and only counted. What is kept stands in a `Spool`, with `new_file` for long ones."""

    def __init__(self, *, max_size: int, new_file: NewFile | None = None) -> None:
        self._most = max_size
        self._held = _BEFORE  # may be the beginning of the end
        self._cleaning = Cleaning()
        self._before = len(_BEFORE)  # of what comes next so many octets are no content
        self._spool = Spool(new_file)
        self._dropped = False
        self._failure: OSError | None = None
        self._received = -len(_BEFORE)

    @property
    def received(self) -> int:
        """Octets so far, as they were sent but for stuffed dots."""
        return self._received

    @property
    def kept(self) -> int:
        """Octets of it in memory."""
        return len(self._held) + self._spool.in_memory

    @property
    def is_dropped(self) -> bool:
        """Whether the content, as sent or when cleaned, was larger than may be kept."""
        return self._dropped

    @property
    def failure(self) -> OSError | None:
        """Why it could not be kept, where it could not."""
        return self._failure

    @property
    def bare_line_end(self) -> bool:
        """Whether it holds a bare CR or LF. No longer looked for once the content is dropped."""
        return self._cleaning.bare_line_end

    @property
    def nul(self) -> bool:
        """Whether it holds a NUL. No longer looked for once the content is dropped."""
        return self._cleaning.nul

    def take(self, data: bytes | memoryview) -> bytes | None:
        """What follows the end of data, None while it has not come; nothing may be given after it."""
        raw = self._held + data
        end = raw.find(END_OF_DATA)
        if end >= 0:
            # With the CRLF that ends the last line.
            self._keep(raw[: end + 2])
            return raw[end + len(END_OF_DATA) :]
        held = next((start for start in _BEGINNINGS if raw.endswith(start)), b"")
        self._held = held
        self._keep(raw[: len(raw) - len(held)])
        return None

    def cleaned(self) -> Spool:
        """The content once its end has come: no stuffed dots, CRLF line ends, no NUL; CRLF last unless it is empty."""
        return self._spool

    def _keep(self, raw: bytes) -> None:
        # RFC 5321 4.5.2: the first dot of a line goes. Only a line that follows a true CRLF counts.
        sent = raw.replace(b"\r\n.", b"\r\n")
        self._received += len(sent)
        if self._dropped or self._failure:
            return
        cleaned = self._cleaning.take(sent)
        if self._before:
            before = min(self._before, len(cleaned))
            self._before -= before
            cleaned = cleaned[before:]
        if self._received > self._most or self._spool.size + len(cleaned) > self._most:
            self._dropped = True
            self._spool = Spool()
            return
        try:
            self._spool.add(cleaned)
        except OSError as error:
            self._failure = error
            self._spool = Spool()
