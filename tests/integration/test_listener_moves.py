"""The listener's address and port are configuration: it moves at a commit, and no session is lost."""

from __future__ import annotations

import logging
import os
import smtplib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from seg_console.config import pending
from seg_console.gateway import whereabouts
from seg_console.gateway.follower import CannotListen, Follower
from seg_console.gateway.place import Orders, Place, Reason, Trouble
from seg_console.gateway.whereabouts import Whereabouts
from seg_console.launch import smtp_answers
from seg_console.mail.models import Message
from tests.support import running_configuration as configuration
from tests.support.listening import following
from tests.support.pages import person
from tests.support.programs import database_url
from tests.support.running_system import free_port_block, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]
MESSAGE = b"From: alice@example.net\r\nSubject: Hello\r\n\r\nHi\r\n"


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """The environment's and another, both free."""
    first = free_port_block(2)
    monkeypatch.setattr(settings, "SEG_SMTP_HOST", "127.0.0.1")
    monkeypatch.setattr(settings, "SEG_SMTP_PORT", first)
    return first, first + 1


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells, and tries again, more often than every five seconds."""
    monkeypatch.setattr(whereabouts, "TELL_EVERY", timedelta(seconds=0.1))


@contextmanager
def from_environment() -> Iterator[Follower]:
    with following(Orders(Place(settings.SEG_SMTP_HOST, settings.SEG_SMTP_PORT))) as follower:
        yield follower


@contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        yield


def commit(**listener: object) -> None:
    configuration.commit(listener=listener)


def wait_for(reached: Callable[[], bool], what: str) -> None:
    wait_until(reached, what=what, deadline_s=20)


def said() -> Whereabouts:
    [only] = whereabouts.told()
    return only


def answers(port: int) -> bool:
    return smtp_answers("127.0.0.1", port)


def is_refused(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def test_a_session_that_is_open_across_the_move_ends_as_it_began(ports: tuple[int, int]) -> None:
    old, new = ports
    configuration.commit()
    with from_environment(), smtplib.SMTP("127.0.0.1", old) as client:
        client.ehlo()
        client.mail("alice@example.net")
        client.rcpt("bob@corp.example")
        assert client.docmd("DATA")[0] == 354
        client.send(MESSAGE[:20])
        commit(port=new)
        wait_for(lambda: is_refused(old), "nobody listens at the old port")
        # It opens the new one first, so there was no moment without.
        assert answers(new)
        client.send(MESSAGE[20:] + b".\r\n")
        code, text = client.getreply()
        assert (code, text[:13]) == (250, b"ok:  Message ")
        with smtplib.SMTP("127.0.0.1", new) as another:
            another.ehlo()
            assert another.sendmail("alice@example.net", ["bob@corp.example"], MESSAGE) == {}
        # And the first goes on, with another message.
        assert client.sendmail("alice@example.net", ["bob@corp.example"], MESSAGE) == {}
    assert list(Message.objects.order_by("mid").values_list("subject", flat=True)) == ["Hello"] * 3


def test_where_it_listens_is_told_and_the_end_of_the_process_too(ports: tuple[int, int]) -> None:
    old, new = ports
    configuration.commit()
    with from_environment():
        wait_for(lambda: bool(whereabouts.told()), "it says where it is")
        assert (said().place, said().trouble) == (Place("127.0.0.1", old), None)
        commit(address="127.0.0.2", port=new)
        wait_for(lambda: said().place == Place("127.0.0.2", new), "it says that it moved")
        with smtplib.SMTP("127.0.0.2", new) as client:
            assert client.ehlo()[0] == 250
    assert whereabouts.told() == []


def test_the_log_names_the_address_that_the_client_came_to(
    ports: tuple[int, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "SEG_MAIL_LOG", tmp_path / "mail_logs")
    commit(address="127.0.0.2", port=ports[1])
    with from_environment(), smtplib.SMTP("127.0.0.2", ports[1]) as client:
        client.ehlo()
    [line] = [line for line in (tmp_path / "mail_logs").read_text().splitlines() if "New SMTP ICID" in line]
    assert " interface Data 1 (127.0.0.2) address " in line


@pytest.mark.parametrize(("address", "reason"), [("127.0.0.1", Reason.TAKEN), ("192.0.2.1", Reason.ELSEWHERE)])
def test_what_cannot_be_had_is_told_once_and_mail_comes_in_where_it_came_in(
    ports: tuple[int, int], caplog: pytest.LogCaptureFixture, address: str, reason: Reason
) -> None:
    old, new = ports
    configuration.commit()
    caplog.set_level(logging.WARNING, "seg_console.gateway.follower")
    with taken(new), from_environment():
        commit(address=address, port=new)
        trouble = Trouble(Place(address, new), reason)
        wait_for(lambda: bool(whereabouts.told()) and said().trouble == trouble, "it says that it cannot")
        first = said().at
        wait_for(lambda: said().at > first, "it has tried once more")
        assert said() == Whereabouts(said().at, Place("127.0.0.1", old), trouble)
        assert answers(old)
    [record] = caplog.records
    assert record.getMessage().startswith(f"cannot listen on {address}:{new} as committed, goes on at 127.0.0.1:{old}")


def test_it_moves_when_the_port_is_free_again(ports: tuple[int, int]) -> None:
    old, new = ports
    configuration.commit()
    with from_environment():
        with taken(new):
            commit(port=new)
            wait_for(lambda: bool(whereabouts.told()) and said().trouble is not None, "it says that it cannot")
        wait_for(lambda: said().trouble is None, "it is where it should be")
        assert said().place == Place("127.0.0.1", new)
        assert answers(new)
        assert is_refused(old)


def test_a_roll_back_moves_it_back(ports: tuple[int, int]) -> None:
    old, new = ports
    configuration.commit()
    admin = person()
    before = pending.committed().number
    assert before is not None
    with from_environment():
        commit(port=new)
        wait_for(lambda: answers(new) and is_refused(old), "it moved")
        pending.roll_back(admin, before)
        pending.commit(admin, "back")
        wait_for(lambda: answers(old) and is_refused(new), "it moved back")


def test_from_one_address_to_all_of_the_same_port(ports: tuple[int, int]) -> None:
    configuration.commit()
    with from_environment():
        commit(address="0.0.0.0")
        wait_for(lambda: smtp_answers("127.0.0.3", ports[0]), "it answers at another address")
        assert answers(ports[0])


def test_it_begins_where_the_configuration_says(ports: tuple[int, int]) -> None:
    commit(port=ports[1])
    with from_environment():
        assert answers(ports[1])
        assert is_refused(ports[0])


def test_where_that_cannot_be_had_it_begins_where_the_environment_says(ports: tuple[int, int]) -> None:
    old, new = ports
    commit(port=new)
    with taken(new), from_environment():
        assert answers(old)
        wait_for(lambda: bool(whereabouts.told()), "it says where it is")
        assert (said().place, said().trouble) == (
            Place("127.0.0.1", old),
            Trouble(Place("127.0.0.1", new), Reason.TAKEN),
        )


def test_where_neither_can_be_had_it_says_both_and_ends(ports: tuple[int, int]) -> None:
    old, new = ports
    commit(port=new)
    with taken(old), taken(new), pytest.raises(CommandError) as error:
        call_command("listen")
    assert str(error.value) == (
        f"Cannot listen on 127.0.0.1:{new}. Port {new} on 127.0.0.1 is taken by another program. "
        f"Cannot listen on 127.0.0.1:{old}. Port {old} on 127.0.0.1 is taken by another program. "
        "Set SEG_SMTP_HOST or SEG_SMTP_PORT to another one."
    )
    assert isinstance(error.value.__cause__, CannotListen)


def test_what_the_command_line_says_holds(ports: tuple[int, int]) -> None:
    old, new = ports
    configuration.commit()
    with following(Orders(Place("127.0.0.1", new), port=old)) as follower:
        commit(address="127.0.0.2", port=new)
        wait_for(lambda: bool(whereabouts.told()) and said().trouble is not None, "it says that it does not follow")
        # The address was left to the configuration, the port was not.
        assert follower.place == Place("127.0.0.2", old)
        assert said().trouble == Trouble(Place("127.0.0.2", new), Reason.ORDERED)
        assert is_refused(new)


def test_two_processes_move_both(ports: tuple[int, int]) -> None:
    old, new = ports
    configuration.commit()
    with ExitStack() as programs:
        for _ in range(2):
            programs.enter_context(listener_program())
        wait_for(lambda: [each.place.port for each in whereabouts.told()] == [old, old], "both listen")
        commit(port=new)
        wait_for(lambda: [each.place.port for each in whereabouts.told()] == [new, new], "both moved")
        assert answers(new)
        assert is_refused(old)


@contextmanager
def listener_program() -> Iterator[None]:
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "seg_console.settings",
        "REDIS_URL": settings.SEG_REDIS_URL,
        "SEG_SMTP_PORT": str(settings.SEG_SMTP_PORT),
    }
    command = [sys.executable, "manage.py", "listen"]
    with subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, stdout=subprocess.DEVNULL) as program:
        try:
            yield
        finally:
            program.terminate()
            program.wait(20)
