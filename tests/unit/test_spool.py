"""The content of a message in hand: how much of it stands in memory, and what becomes of trouble with its file."""

from __future__ import annotations

import errno
from io import BytesIO
from typing import BinaryIO

import pytest

from seg_console.gateway.protocol import AbortReason, Limits
from seg_console.gateway.spool import KEPT, Spool
from tests.support.smtp_dialogue import OPENING, new_session, talk

LINE = b"x" * 98 + b"\r\n"


class Files:
    """Counts the files that are asked for; from the `broken`-th octet on they take no more."""

    def __init__(self, *, broken: int | None = None) -> None:
        self.made: list[BytesIO] = []
        self.broken = broken

    def __call__(self) -> BinaryIO:
        self.made.append(_File(self.broken))
        return self.made[-1]


class _File(BytesIO):
    def __init__(self, broken: int | None) -> None:
        super().__init__()
        self._broken = broken

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self._broken is not None and self.tell() + len(data) > self._broken:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


def no_file() -> BinaryIO:
    raise OSError(errno.EMFILE, "Too many open files")


def test_as_much_as_is_kept_needs_no_file() -> None:
    files = Files()
    spool = Spool(files)
    spool.add(b"x" * KEPT)
    assert files.made == []
    assert spool.in_memory == spool.size == KEPT
    assert not spool.is_large
    assert spool.read() == b"x" * KEPT


def test_one_octet_more_and_all_of_it_goes_into_a_file() -> None:
    files = Files()
    spool = Spool(files)
    spool.add(b"x" * KEPT)
    spool.add(b"y")
    spool.add(b"z")
    assert [file.getvalue() for file in files.made] == [b"x" * KEPT + b"yz"]
    assert (spool.size, spool.in_memory, spool.is_large) == (KEPT + 2, 0, True)
    assert spool.read() == spool.read() == b"x" * KEPT + b"yz"
    assert spool.read(3) == b"xxx"


def test_what_has_no_file_to_go_into_stays_in_memory() -> None:
    spool = Spool.of(b"x" * (KEPT + 1))
    assert (spool.in_memory, spool.is_large) == (KEPT + 1, True)
    assert spool.read(2) == b"xx"


def test_a_long_message_is_received_as_it_is_through_its_file() -> None:
    files = Files()
    session = new_session(new_file=files)
    session.receive(OPENING)
    for _ in range(10):
        assert session.receive(LINE * 100) == []
    [message] = talk(session, b"..\r\n.\r\n").messages
    assert len(files.made) == 1
    assert message.content == LINE * 1000 + b".\r\n"
    assert message.spool.in_memory == 0


@pytest.mark.parametrize("new_file", [no_file, Files(broken=KEPT), Files(broken=80_000)])
def test_a_message_that_cannot_be_kept_is_answered_452_and_the_session_goes_on(new_file: Files) -> None:
    session = new_session(new_file=new_file)
    session.receive(OPENING)
    heard = talk(session, *[LINE * 100] * 10, b".\r\nMAIL FROM:<alice@example.net>\r\n")
    assert heard.replies.startswith(b"452 4.3.1 Insufficient system storage, try again later\r\n250 ")
    assert [aborted.reason for aborted in heard.aborted] == [AbortReason.NO_SPACE]
    assert len(heard.content_errors) == 1
    assert heard.messages == []


def test_a_message_that_is_too_large_and_cannot_be_kept_is_too_large() -> None:
    session = new_session(new_file=no_file, limits=Limits(max_message_size=90_000))
    session.receive(OPENING)
    heard = talk(session, *[LINE * 100] * 10, b".\r\n")
    assert heard.codes == [552]
    assert heard.content_errors == []


def test_data_is_answered_452_while_there_is_no_room_and_taken_when_there_is() -> None:
    room = [False]
    session = new_session(has_room=lambda: room[0])
    heard = talk(session, OPENING)
    assert heard.replies.endswith(b"\r\n452 4.3.1 Insufficient system storage, try again later\r\n")
    assert heard.aborted == []
    room[0] = True
    heard = talk(session, b"DATA\r\n", LINE + b".\r\n")
    assert heard.codes == [354, 250]
    assert [message.content for message in heard.messages] == [LINE]


def test_memory_is_reserved_from_data_to_the_answer() -> None:
    session = new_session()
    assert session.held == 0
    talk(session, OPENING)
    assert session.held == KEPT
    talk(session, LINE)
    assert session.held == KEPT
    session.receive(b".\r\nNOOP\r\n")
    assert session.held == KEPT + len(b"NOOP\r\n")
    session.answer(250, "ok")
    assert session.held == 0
