"""Network > Listeners: address and port are changed there, and the page says where the listener really is."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from seg_console.accounts.models import User
from seg_console.config import document, pending, running
from seg_console.config.problems import InvalidConfiguration, as_sentence
from seg_console.gateway import whereabouts
from seg_console.gateway.paths import Parsing
from seg_console.gateway.place import Place, Reason, Trouble
from seg_console.gateway.running import address_parsing, listener_place
from seg_console.gateway.whereabouts import Whereabouts
from tests.support.configurations import full
from tests.support.forms import LISTENER
from tests.support.pages import configured, person

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]
SHOW = "/network/listeners/"
OVERVIEW = "/security-services/overview/"
FIRST_PAGE = "/monitor/overview/"
NO_ADDRESS = (
    "give an IPv4 or IPv6 address of this machine; 0.0.0.0 is every IPv4 address it has, :: every IPv6 address."
)
MANY = "give the address of one machine: nobody can connect to a multicast or broadcast address."
NOT_LETTERS = "give characters other than letters and digits, without blanks, for example %!@."
BAD = [
    ("address", "mail.example", NO_ADDRESS),
    ("address", "224.0.0.1", MANY),
    ("address", "fe80::1", "give an address that is not link-local: fe80:: means another host on each interface."),
    ("address", "1" * 46, "give at most 45 characters."),
    ("default_domain", "corp..example", '"corp..example" begins or ends with a dot, or has two dots in a row.'),
    ("reject_characters", "%a", NOT_LETTERS),
    ("reject_characters", "% !", NOT_LETTERS),
    ("reject_characters", "\u00e4", NOT_LETTERS),
    ("port", 0, "give 1 or more."),
    ("port", 65_536, "give 65535 or less."),
    ("port", settings.SEG_HTTP_PORT, f"give another port: the web console has {settings.SEG_HTTP_PORT}."),
]


@pytest.fixture
def user() -> User:
    configured(listener={})
    return person()


def submit(client: Client, **changes: Any) -> Any:
    return client.post(reverse("listeners:edit"), LISTENER | changes)


def test_address_and_port_are_submitted_and_hold_after_the_commit(user: User, client: Client) -> None:
    assert submit(client, address=" 2001:DB8::1 ", port="2600").status_code == 302
    shown = document.dump(pending.shown_to(user))["listener"]
    assert (shown["address"], shown["port"]) == ("2001:db8::1", 2600)
    running.look_again()
    before = running.current().value(listener_place)
    assert before == Place(settings.SEG_SMTP_HOST, settings.SEG_SMTP_PORT)
    pending.commit(user, "moved")
    assert running.current().value(listener_place) == Place("2001:db8::1", 2600)
    content = client.get(reverse("monitor:overview")).content.decode()
    assert "<dd>[2001:db8::1]:2600</dd>" in content


def test_how_addresses_are_read_is_submitted_shown_and_compared(user: User, client: Client) -> None:
    changes = {"address_parsing": "strict", "default_domain": "B\u00fccher.example", "reject_characters": "!!%!"}
    assert submit(client, **changes).status_code == 302
    shown = document.dump(pending.shown_to(user))["listener"]
    assert (shown["address_parsing"], shown["default_domain"], shown["reject_characters"]) == (
        "strict",
        "xn--bcher-kva.example",
        "!%",
    )
    content = client.get(SHOW).content.decode()
    assert "<dt>SMTP Address Parsing</dt><dd>Strict</dd>" in content
    assert "xn--bcher-kva.example (b\u00fccher.example)" in content
    compared = client.get(reverse("configuration:uncommitted-changes")).content.decode()
    for words in (
        "SMTP Address Parsing",
        "Loose",
        "Strict",
        "Add Default Domain",
        "Reject These Characters in User Names",
    ):
        assert words in compared
    running.look_again()
    assert running.current().value(address_parsing) == Parsing()
    pending.commit(user, "strict")
    assert running.current().value(address_parsing) == Parsing(loose=False, default_domain="xn--bcher-kva.example")
    submit(client, reject_characters="")
    assert document.dump(pending.shown_to(user))["listener"]["reject_characters"] == ""


def test_a_set_from_before_there_was_a_choice_is_loose() -> None:
    configured(listener={"max_recipients": 7})
    shown = document.dump(pending.committed())["listener"]
    assert (shown["address_parsing"], shown["default_domain"], shown["reject_characters"]) == ("loose", "", "%!@")


@pytest.mark.parametrize(("key", "value", "words"), BAD)
def test_form_document_and_commit_refuse_in_the_same_words(
    user: User, client: Client, tmp_path: Path, key: str, value: Any, words: str
) -> None:
    number = pending.committed().number
    response = submit(client, **{key: value})
    assert response.status_code == 422
    assert response.context["form"].errors[key] == [as_sentence(words)]
    assert pending.pending_of(user) is None

    file, said = tmp_path / "configuration.json", StringIO()
    file.write_text(json.dumps(full(listener={key: value})))
    with pytest.raises(CommandError):
        call_command("loadconfig", str(file), stderr=said)
    assert said.getvalue().splitlines()[0] == f"listener.{key}: {words}"

    assert pending.committed().number == number


def test_a_commit_refuses_what_only_later_became_wrong(user: User, client: Client, settings: Any) -> None:
    submit(client, port="2600")
    settings.SEG_HTTP_PORT = 2600
    with pytest.raises(InvalidConfiguration) as error:
        pending.commit(user, "")
    assert [str(problem) for problem in error.value.problems] == [
        "listener.port: give another port: the web console has 2600."
    ]


def test_a_committed_set_is_read_though_the_console_took_its_port(settings: Any) -> None:
    configured(listener={"port": 2600})
    settings.SEG_HTTP_PORT = 2600
    running.forget()
    assert running.current().value(listener_place).port == 2600


def test_a_set_of_before_has_the_address_of_the_environment() -> None:
    configured(listener={})
    section = pending.committed().sections.get(key="listener")
    values = json.loads(section.text)
    assert (values.pop("address"), values.pop("port")) == ("", None)
    section.text = json.dumps(values)
    section.save()
    running.forget()
    assert running.current().value(listener_place) == Place(settings.SEG_SMTP_HOST, settings.SEG_SMTP_PORT)


def test_what_opens_to_the_network_is_warned_of_until_it_is_committed(user: User, client: Client) -> None:
    words = "When you commit, hosts of the network can connect to the listener at 0.0.0.0:2525, not this machine alone."
    beside = "Hosts of the network can connect to it."
    assert words not in client.get(SHOW).content.decode()
    submit(client, address="127.0.0.2")
    content = client.get(SHOW).content.decode()
    assert "Attention —" not in content
    assert beside not in content
    submit(client, address="0.0.0.0")
    content = client.get(SHOW).content.decode()
    assert words in content
    assert beside in content
    pending.commit(user, "open")
    content = client.get(SHOW).content.decode()
    assert words not in content
    assert beside in content
    # Another pending change does not open anything.
    submit(client, address="0.0.0.0", max_recipients="8")
    assert words not in client.get(SHOW).content.decode()


def told(name: str, place: Place, *, ago: float = 1, trouble: Trouble | None = None) -> None:
    whereabouts.tell(name, Whereabouts(timezone.now() - timedelta(seconds=ago), place, trouble))


@pytest.mark.parametrize("page", [SHOW, OVERVIEW])
def test_where_the_processes_really_listen_is_shown(client: Client, page: str) -> None:
    content = client.get(page).content.decode()
    assert '<span class="state idle">Unknown</span><div class="muted">Not seen since Redis started.</div>' in content
    told("a:1", Place("127.0.0.1", 2525))
    content = client.get(page).content.decode()
    assert '<dt>Listening On</dt><dd><div class="mono">127.0.0.1:2525</div></dd>' in content.replace("\n", "")
    told("a:2", Place("127.0.0.1", 2525))
    told("a:3", Place("::1", 2526))
    told("a:4", Place("127.0.0.1", 9), ago=16)
    content = client.get(page).content.decode()
    assert '<div class="mono">127.0.0.1:2525 (2 processes)</div>' in content
    assert '<div class="mono">[::1]:2526 (1 process)</div>' in content
    assert "127.0.0.1:9" not in content
    assert "Attention —" not in content


@pytest.mark.parametrize("page", [SHOW, OVERVIEW])
def test_a_listener_that_says_nothing_any_more_is_missed(client: Client, page: str) -> None:
    told("a:1", Place("127.0.0.1", 2525), ago=16)
    content = client.get(page).content.decode()
    assert '<span class="state bad">Not seen lately</span><div class="muted">Last seen: ' in content


@pytest.mark.parametrize("page", [SHOW, OVERVIEW, FIRST_PAGE])
@pytest.mark.parametrize(
    ("language", "reason", "words"),
    [
        (
            "en",
            Reason.FORBIDDEN,
            "The listener listens on 127.0.0.1:2525, not on 0.0.0.0:25 as committed. Port 25 may not be used: the "
            "listener has no right to ports below 1024. It tries again every 5 seconds.",
        ),
        (
            "en",
            Reason.ORDERED,
            "The listener listens on 127.0.0.1:2525, not on 0.0.0.0:25 as committed. The listener was started with an "
            "address or port on its command line, which holds.",
        ),
        (
            "zh-hans",
            Reason.TAKEN,
            "侦听程序正在 127.0.0.1:2525 上侦听，而不是已提交的 0.0.0.0:25。0.0.0.0 的端口 25 已被其他程序占用。"
            "它每 5 秒重试一次。",
        ),
    ],
)
def test_why_it_is_not_where_it_should_be_is_said_once(
    client: Client, page: str, language: str, reason: Reason, words: str
) -> None:
    for name in ("a:1", "a:2"):
        told(name, Place("127.0.0.1", 2525), trouble=Trouble(Place("0.0.0.0", 25), reason))
    content = client.get(page, headers={"accept-language": language}).content.decode()
    assert content.count(words) == 1


@pytest.mark.parametrize("page", [SHOW, OVERVIEW])
def test_without_redis_the_pages_say_that_they_do_not_know(
    client: Client, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setattr(settings, "SEG_REDIS_URL", "redis://127.0.0.1:1/0")
    response = client.get(page)
    assert response.status_code == 200
    assert "holds the listener&#x27;s sign of life." in response.content.decode()


def test_who_leaves_is_forgotten_at_once_and_who_was_killed_after_a_day() -> None:
    told("a:1", Place("127.0.0.1", 1))
    whereabouts.leave("a:1")
    assert whereabouts.told() == []
    told("a:2", Place("127.0.0.1", 2), ago=100_000)
    told("a:3", Place("127.0.0.1", 3), ago=86_000)
    assert [each.place.port for each in whereabouts.told()] == [3, 2]
    told("a:4", Place("127.0.0.1", 4))
    assert [each.place.port for each in whereabouts.told()] == [4, 3]
