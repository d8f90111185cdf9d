"""A client on a socket that sends exactly the bytes it is told, for tests without an event loop of their own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

MESSAGE = b"From: alice@example.net\r\nSubject: Hello\r\n\r\nHi\r\n.\r\n"


class Dialogue:
    """Reads whole replies."""

    def __init__(self, connection: socket.socket, replies: BinaryIO) -> None:
        self._connection = connection
        self._replies = replies

    def hear(self) -> str:
        """The next reply, its lines parted by LF; "" at the end of the connection."""
        lines: list[str] = []
        while not lines or lines[-1][3:4] == "-":
            line = self._replies.readline()
            if not line:
                break
            lines.append(line.decode().rstrip("\r\n"))
        return "\n".join(lines)

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def say(self, data: bytes) -> str:
        self.send(data)
        return self.hear()

    def submit(self, *, content: bytes = MESSAGE, recipients: tuple[str, ...] = ("bob@corp.example",)) -> str:
        """Send a message; the answer to its end."""
        self.say(b"EHLO client.example\r\n")
        self.say(b"MAIL FROM:<alice@example.net>\r\n")
        for recipient in recipients:
            self.say(f"RCPT TO:<{recipient}>\r\n".encode())
        assert self.say(b"DATA\r\n") == "354 go ahead"
        return self.say(content)


@contextmanager
def dialled(port: int) -> Iterator[Dialogue]:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as connection,
        connection.makefile("rb") as replies,
    ):
        yield Dialogue(connection, replies)
