"""The content of one message while it is received and until it is stored: in memory, and from a size on in a file.

What waits in memory is then bounded by the number of messages, whatever their size: two hundred clients with nine
megabytes each hold twelve, not two thousand.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import BinaryIO, Final, TypeAlias

KEPT: Final = 65_536
"""Octets of one message that are held in memory; a longer one goes into a file, all of it."""

NewFile: TypeAlias = Callable[[], BinaryIO]
"""Makes an empty file that ends with the object. Raises OSError."""


class Spool:
    """Octets are added at the end, and later read; nothing is synced, since nobody has been promised anything yet.

    Without `new_file` all of it stays in memory.
    """

    def __init__(self, new_file: NewFile | None = None) -> None:
        self._new_file = new_file
        self._kept = bytearray()
        self._file: BinaryIO | None = None
        self.size = 0

    @classmethod
    def of(cls, content: bytes) -> Spool:
        """What came as a whole."""
        spool = cls()
        spool.add(content)
        return spool

    def __eq__(self, other: object) -> bool:
        return self.read() == other.read() if isinstance(other, Spool) else NotImplemented

    @property
    def is_large(self) -> bool:
        """Whether it is more than is held in memory."""
        return self.size > KEPT

    @property
    def in_memory(self) -> int:
        """Octets of it that are not in a file."""
        return len(self._kept)

    def add(self, data: bytes) -> None:
        """Raises OSError where the file cannot be made or written; what was added so far is then lost."""
        self.size += len(data)
        if self._file is None and (not self.is_large or self._new_file is None):
            self._kept += data
            return
        if self._file is None:
            assert self._new_file is not None
            self._file = self._new_file()
            # Whoever lets go of the message, at whatever point, has then also closed the file.
            weakref.finalize(self, self._file.close)
            self._file.write(self._kept)
            self._kept = bytearray()
        self._file.write(data)

    def read(self, most: int = -1) -> bytes:
        """The first `most` octets, or all of it. Raises OSError."""
        if self._file is None:
            return bytes(self._kept) if most < 0 else bytes(self._kept[:most])
        self._file.seek(0)
        return self._file.read(most)
