"""The commands tophosts and hoststatus: the numbers of Delivery Status, and words for what is unknown."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from redis import Redis

from tests.support.records import host, message, waiting

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]


def command(*words: str) -> str:
    out = io.StringIO()
    call_command("cli", *words, stdout=out)
    return out.getvalue()


def test_tophosts_asks_nothing_without_a_terminal_and_takes_the_default(redis: Redis) -> None:
    host("corp.example", delivered=3, status="down")
    waiting(message(101), "corp.example", recipients=4)
    lines = command("tophosts").splitlines()
    assert lines[1].startswith("Status as of:                   ")
    assert lines[7].split() == ["1*", "corp.example", "4", "0", "3", "0", "0"]
    assert lines[8].split() == ["2", "the.tdc.queue", "0", "0", "0", "0", "0"]
    assert len(lines) == 9


def test_tophosts_takes_its_key_from_the_line_and_refuses_an_unknown_one() -> None:
    host("a.example", delivered=3)
    assert command("tophosts", "delivered_rcpts").splitlines()[7].split()[1] == "a.example"
    with pytest.raises(CommandError, match="no sort key 'size'"):
        command("tophosts", "size")


def test_hoststatus_shows_one_host_and_knows_no_other() -> None:
    host("corp.example", status="up", delivered=3)
    assert "Host up/down:         up" in command("hoststatus", "Corp.Example")
    with pytest.raises(CommandError, match=r"No record of host: 'x\.example'\."):
        command("hoststatus", "x.example")


def test_an_unknown_command_is_refused_in_the_words_of_the_shell() -> None:
    with pytest.raises(CommandError, match="Unknown command or missing feature key: foo"):
        command("foo")
    assert "tophosts" in command("help")
    assert "Version: " in command("version")
