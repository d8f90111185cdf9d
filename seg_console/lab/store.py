"""What a lab server received: one file per message, and an index of JSON lines beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

INDEX = "index.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One received message. `at` is ISO 8601 with a zone, `tls` the protocol version or "", `file` a name in `new`."""

    at: str
    sender: str
    recipients: tuple[str, ...]
    size: int
    tls: str
    file: str


class Store:
    """A folder that grows by one file per message, laid out like a maildir so that mail readers open it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for part in ("new", "cur", "tmp"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self._count = sum(1 for _ in entries(folder))

    def put(self, content: bytes, *, sender: str, recipients: tuple[str, ...], tls: str, at: datetime) -> Stored:
        """Keep the message, byte for byte. `at` is aware. One process writes to a folder at a time."""
        self._count += 1
        name = f"{self._count:06d}.eml"
        waiting = self._folder / "tmp" / name
        waiting.write_bytes(content)
        waiting.rename(self._folder / "new" / name)
        stored = Stored(at=at.isoformat(), sender=sender, recipients=recipients, size=len(content), tls=tls, file=name)
        with (self._folder / INDEX).open("a") as index:
            index.write(json.dumps(asdict(stored)) + "\n")
        return stored


def entries(folder: Path) -> Iterator[Stored]:
    """Everything received there so far, oldest first; nothing if the folder does not exist."""
    index = folder / INDEX
    if not index.exists():
        return
    with index.open() as lines:
        for line in lines:
            fields = json.loads(line)
            yield Stored(**(fields | {"recipients": tuple(fields["recipients"])}))


def content_of(folder: Path, stored: Stored) -> bytes:
    return (folder / "new" / stored.file).read_bytes()
