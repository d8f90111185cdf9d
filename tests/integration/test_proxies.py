"""The listener behind load balancers and mail proxies: real sockets, and the exact lines of the mail log."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from seg_console.config import document, pending, running
from seg_console.gateway import whereabouts
from seg_console.gateway.place import Place
from seg_console.gateway.whereabouts import Whereabouts
from seg_console.mail.models import Body, Message
from tests.support import running_configuration as configuration
from tests.support.forms import LISTENER
from tests.support.lines_client import MESSAGE, dialled
from tests.support.listening import listening
from tests.support.pages import configured, person, signed_in
from tests.support.running_system import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore:No directory at")]
PROXIED = {"proxies": ["127.0.0.0/8"], "proxy_protocol": True}
# Loopback has a name without asking anybody.
HEADER = b"PROXY TCP4 127.9.9.9 127.0.0.1 51234 25\r\n"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[str]]:
    """The lines of the mail log so far, without time and level."""
    monkeypatch.setattr(settings, "SEG_MAIL_LOG", tmp_path / "mail_logs")
    written = tmp_path / "mail_logs"
    return lambda: [line[31:] for line in written.read_text().splitlines()[3:]] if written.exists() else []


def test_the_client_that_a_proxy_names_is_the_client_everywhere(log: Callable[[], list[str]]) -> None:
    group = {"name": "PARTNERS", "entries": ["127.9.9.9"]}
    intake = {"enabled": True, "message_intake_address": "id@intake.example", "add_sender_ip_header": True}
    configuration.commit(listener=PROXIED, host_access=[group], threat_defense_connector=intake)
    with listening() as port, dialled(port) as client:
        assert client.say(HEADER) == "220 gw1.corp.example ESMTP"
        assert client.submit() == "250 ok:  Message 1 accepted"
        assert client.say(b"QUIT\r\n") == "221 2.0.0 gw1.corp.example"
    lines = log()
    assert lines[:4] == [
        "New SMTP ICID 1 interface Data 1 (127.0.0.1) address 127.9.9.9 reverse dns host localhost verified yes",
        "ICID 1 PROXY header from 127.0.0.1",
        "ICID 1 ACCEPT SG PARTNERS match 127.9.9.9 SBRS not enabled",
        "Start MID 1 ICID 1",
    ]
    assert lines[-1] == "ICID 1 close"
    assert Message.objects.get().remote_ip == "127.9.9.9"
    content = bytes(Body.objects.get().content)
    assert b"Received: from client.example (localhost [127.9.9.9])\r\n" in content
    assert b"X-IronPort-RemoteIP: 127.9.9.9\r\n" in content


def test_the_limits_of_its_sender_group_are_the_clients(log: Callable[[], list[str]]) -> None:
    slow = {"name": "SLOW", "entries": ["127.0.0.0/8"], "max_connections_per_client": 1, "max_recipients_per_hour": 1}
    configuration.commit(listener=PROXIED, host_access=[slow])
    with listening() as port, dialled(port) as first, dialled(port) as second, dialled(port) as third:
        assert first.say(HEADER) == "220 gw1.corp.example ESMTP"
        assert second.say(HEADER.replace(b"127.9.9.9", b"127.9.9.8")) == "220 gw1.corp.example ESMTP"
        assert third.say(HEADER) == "421 4.7.0 Too many connections, try again later"
        assert first.submit().startswith("250 ")
        assert second.submit().startswith("250 ")
    assert "ICID 3 Receiving Failed: Connection limit exceeded" in log()


def test_a_proxied_client_of_a_rejected_group_is_rejected(log: Callable[[], list[str]]) -> None:
    configuration.commit(
        listener=PROXIED, host_access=[{"name": "BLOCKED_LIST", "entries": ["127.9.9.9"], "action": "reject"}]
    )
    with listening() as port, dialled(port) as client:
        assert client.say(HEADER) == "554 5.7.1 Access denied"
    assert log()[2] == "ICID 1 REJECT SG BLOCKED_LIST match 127.9.9.9 SBRS not enabled"


def test_whoever_is_no_proxy_is_turned_away_and_told_in_the_log(log: Callable[[], list[str]]) -> None:
    configuration.commit(listener={"proxies": ["203.0.113.1"], "proxy_protocol": True})
    with listening() as port, dialled(port) as client:
        assert client.hear() == "421 4.7.0 Connections are taken from the proxy only"
        assert client.hear() == ""
    assert log() == ["ICID 1 Receiving Failed: No PROXY header from 127.0.0.1"]


def test_a_proxy_without_a_header_is_told_in_the_log(log: Callable[[], list[str]]) -> None:
    configuration.commit(listener=PROXIED)
    with listening() as port:
        with dialled(port):
            pass
        with dialled(port) as client, suppress(ConnectionResetError):
            assert client.say(b"EHLO client.example\r\n") == ""
    assert log() == [f"ICID {icid} Receiving Failed: No PROXY header from 127.0.0.1" for icid in (1, 2)]


def test_without_the_setting_a_header_is_an_unknown_command() -> None:
    configuration.commit(listener={"proxies": ["127.0.0.0/8"]})
    with listening() as port, dialled(port) as client:
        assert client.hear() == "220 gw1.corp.example ESMTP"
        assert client.say(HEADER) == "500 5.5.1 Command not recognized"


# -- XCLIENT

NAMING = {"proxies": ["127.0.0.0/8"], "xclient": True}


def test_a_named_client_is_the_client_everywhere(log: Callable[[], list[str]]) -> None:
    group = {"name": "PARTNERS", "entries": [".partner.example"], "max_recipients": 1}
    configuration.commit(listener=NAMING, host_access=[group])
    with listening() as port, dialled(port) as proxy:
        assert proxy.hear() == "220 gw1.corp.example ESMTP"
        assert "XCLIENT NAME ADDR PORT PROTO HELO" in proxy.say(b"EHLO proxy.corp.example\r\n")
        named = b"XCLIENT ADDR=IPV6:2001:db8::9 NAME=mx.partner.example HELO=mx.partner.example PROTO=ESMTP\r\n"
        assert proxy.say(named) == "220 gw1.corp.example ESMTP"
        proxy.say(b"MAIL FROM:<alice@example.net>\r\n")
        assert proxy.say(b"RCPT TO:<bob@corp.example>\r\n") == "250 2.1.5 recipient <bob@corp.example> ok"
        assert proxy.say(b"RCPT TO:<carol@corp.example>\r\n") == "452 4.5.3 Too many recipients"
        proxy.say(b"DATA\r\n")
        assert proxy.say(MESSAGE) == "250 ok:  Message 1 accepted"
    assert log()[:5] == [
        "New SMTP ICID 1 interface Data 1 (127.0.0.1) address 127.0.0.1 reverse dns host localhost verified yes",
        "ICID 1 ACCEPT SG None match ALL SBRS not enabled",
        "ICID 1 XCLIENT address 2001:db8::9 reverse dns host mx.partner.example verified yes",
        "ICID 1 ACCEPT SG PARTNERS match .partner.example SBRS not enabled",
        "Start MID 1 ICID 1",
    ]
    assert Message.objects.get().remote_ip == "2001:db8::9"
    received = (
        b"Received: from mx.partner.example (mx.partner.example [IPv6:2001:db8::9])\r\n  by gw1.corp.example with ESMTP"
    )
    assert bytes(Body.objects.get().content).startswith(received)


def test_without_a_name_the_address_is_looked_up_and_refused_like_any_other(log: Callable[[], list[str]]) -> None:
    blocked = {"name": "BLOCKED_LIST", "entries": ["127.9.9.9"], "action": "reject", "response": "Go away"}
    configuration.commit(listener=NAMING, host_access=[blocked])
    with listening() as port, dialled(port) as proxy:
        proxy.hear()
        assert proxy.say(b"XCLIENT ADDR=127.9.9.9\r\n") == "554 Go away"
        assert proxy.hear() == ""
    assert log()[2:] == [
        "ICID 1 XCLIENT address 127.9.9.9 reverse dns host localhost verified yes",
        "ICID 1 REJECT SG BLOCKED_LIST match 127.9.9.9 SBRS not enabled",
        "ICID 1 close",
    ]


def test_one_client_after_another_may_be_named_and_each_has_its_own_limits(log: Callable[[], list[str]]) -> None:
    slow = {"name": "SLOW", "entries": ["127.9.0.0/16"], "max_connections_per_client": 1}
    configuration.commit(listener=NAMING, host_access=[slow])
    greeting, full = "220 gw1.corp.example ESMTP", "421 4.7.0 Too many connections, try again later"
    with listening() as port, dialled(port) as first, dialled(port) as second:
        first.hear()
        second.hear()
        assert first.say(b"XCLIENT ADDR=127.9.9.9\r\n") == greeting
        assert first.say(b"XCLIENT ADDR=127.9.9.8\r\n") == greeting
        assert second.say(b"XCLIENT ADDR=127.9.9.9 NAME=[UNAVAILABLE]\r\n") == greeting
        assert second.say(b"XCLIENT ADDR=127.9.9.8\r\n") == full
    assert "ICID 2 Receiving Failed: Connection limit exceeded" in log()
    assert "ICID 2 XCLIENT address 127.9.9.9 reverse dns host unknown verified no" in log()


def test_nobody_else_is_offered_it(log: Callable[[], list[str]]) -> None:
    configuration.commit(listener={"proxies": ["203.0.113.1"], "xclient": True})
    with listening() as port, dialled(port) as client:
        client.hear()
        assert "XCLIENT" not in client.say(b"EHLO client.example\r\n")
        assert client.say(b"XCLIENT ADDR=127.9.9.9\r\n") == "550 5.7.0 XCLIENT is not allowed from here"
    assert not [line for line in log() if "XCLIENT" in line]


def test_the_client_of_a_proxy_header_is_no_proxy() -> None:
    configuration.commit(listener=PROXIED | {"proxies": ["127.0.0.1"], "xclient": True})
    with listening() as port, dialled(port) as client:
        assert client.say(HEADER) == "220 gw1.corp.example ESMTP"
        assert client.say(b"XCLIENT ADDR=127.0.0.1\r\n").startswith("550 ")


# -- health checks

CHECKED = {"health_checks": ["127.0.0.1"]}


def counted(port: int, expected: int) -> bool:
    """Whether the listener process says so, within 20 seconds."""
    wait_until(
        lambda: [each.health_checks for each in whereabouts.told()] == [expected],
        what="health checks counted",
        deadline_s=20,
    )
    return True


@pytest.mark.parametrize("said", [b"", b"QUIT\r\n", b"EHLO probe.example\r\nNOOP\r\nRSET\r\nQUIT\r\n", b"\r\n"])
def test_a_connection_without_mail_leaves_nothing(log: Callable[[], list[str]], redis: Any, said: bytes) -> None:
    configuration.commit(listener=CHECKED)
    with listening() as port:
        with dialled(port) as probe:
            assert probe.hear() == "220 gw1.corp.example ESMTP"
            probe.send(said)
        assert counted(port, 1)
    assert log() == []
    assert not Message.objects.exists()


def test_a_connection_with_mail_leaves_every_line_though(log: Callable[[], list[str]]) -> None:
    configuration.commit(listener=CHECKED)
    with listening() as port, dialled(port) as client:
        client.hear()
        assert client.submit() == "250 ok:  Message 1 accepted"
        assert client.say(b"QUIT\r\n") == "221 2.0.0 gw1.corp.example"
    lines = log()
    assert lines[:3] == [
        "New SMTP ICID 1 interface Data 1 (127.0.0.1) address 127.0.0.1 reverse dns host localhost verified yes",
        "ICID 1 ACCEPT SG None match ALL SBRS not enabled",
        "Start MID 1 ICID 1",
    ]
    assert lines[-1] == "ICID 1 close"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (b"MAIL FROM:<nobody>\r\n", "ICID 1 Invalid sender address: '<nobody>'"),
        (b"MAIL FROM:<a@example.net>\r\n", "Message aborted MID 1 Receiving aborted by sender"),
    ],
)
def test_whoever_begins_a_message_is_told_of(log: Callable[[], list[str]], said: bytes, line: str) -> None:
    configuration.commit(listener=CHECKED)
    with listening() as port, dialled(port) as client:
        client.hear()
        client.say(b"HELO client.example\r\n")
        client.say(said)
        client.say(b"QUIT\r\n")
    lines = log()
    assert lines[0].startswith("New SMTP ICID 1 ")
    assert line in lines


def test_a_probe_that_is_turned_away_is_counted_too(log: Callable[[], list[str]], redis: Any) -> None:
    configuration.commit(
        listener=CHECKED, host_access=[{"name": "BLOCKED_LIST", "entries": ["127.0.0.1"], "action": "reject"}]
    )
    with listening() as port:
        with dialled(port) as probe:
            assert probe.hear() == "554 5.7.1 Access denied"
            assert probe.hear() == ""
        assert counted(port, 1)
    assert log() == []


def test_a_probe_needs_no_proxy_and_a_proxy_that_probes_no_header(log: Callable[[], list[str]], redis: Any) -> None:
    configuration.commit(listener={"proxies": ["203.0.113.1"], "proxy_protocol": True} | CHECKED)
    with listening() as port:
        with dialled(port) as probe:
            assert probe.hear() == "220 gw1.corp.example ESMTP"
        configuration.commit(listener=PROXIED | CHECKED)
        running_committed()
        with dialled(port):
            pass
        with dialled(port) as probe:
            assert probe.say(b"PROXY UNKNOWN\r\n") == "220 gw1.corp.example ESMTP"
        assert counted(port, 3)
    assert log() == []


def test_a_client_that_a_probing_proxy_names_is_no_probe(log: Callable[[], list[str]]) -> None:
    configuration.commit(listener=NAMING | CHECKED)
    with listening() as port, dialled(port) as proxy:
        proxy.hear()
        assert proxy.say(b"XCLIENT ADDR=127.9.9.9\r\n") == "220 gw1.corp.example ESMTP"
        proxy.say(b"QUIT\r\n")
    assert log() == [
        "New SMTP ICID 1 interface Data 1 (127.0.0.1) address 127.0.0.1 reverse dns host localhost verified yes",
        "ICID 1 ACCEPT SG None match ALL SBRS not enabled",
        "ICID 1 XCLIENT address 127.9.9.9 reverse dns host localhost verified yes",
        "ICID 1 ACCEPT SG None match ALL SBRS not enabled",
        "ICID 1 close",
    ]


def running_committed() -> None:
    """Wait until the listener runs what was committed last."""
    number = running.newest()[1]
    wait_until(lambda: running.held().number >= number, what="the configuration runs")


# -- the page


@pytest.fixture
def browser(redis: Any) -> Client:
    configured(listener={})
    return signed_in(person())


def edit(browser: Client, **values: str) -> Any:
    return browser.post(reverse("listeners:edit"), LISTENER | values)


def test_proxies_are_submitted_in_their_plain_spelling_and_shown(browser: Client) -> None:
    edit(browser, proxies=" 10.0.0.1,\r\n2001:DB8::/32 ", proxy_protocol="on")
    shown = document.dump(pending.shown_to(person_of(browser)))["listener"]
    assert (shown["proxies"], shown["proxy_protocol"]) == (["10.0.0.1", "2001:db8::/32"], True)
    content = browser.get(reverse("listeners:show")).content.decode()
    assert '<div class="mono">2001:db8::/32</div>' in content
    assert "Only the proxies can connect." in content
    form = browser.get(reverse("listeners:edit")).context["form"]
    assert form["proxies"].value() == "10.0.0.1\n2001:db8::/32"


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"proxy_protocol": "on"}, "proxy_protocol", "Name the proxies: nobody else can connect."),
        ({"xclient": "on"}, "xclient", "Name the proxies: nobody else is believed."),
        (
            {"proxies": "lb.corp.example"},
            "proxies",
            '"lb.corp.example" is not an IP address, a range such as 192.0.2.10-20, or a network such as 192.0.2.0/24.',
        ),
    ],
)
def test_settings_that_nobody_could_use_are_refused(
    browser: Client, values: dict[str, str], field: str, words: str
) -> None:
    response = edit(browser, **values)
    assert response.status_code == 422
    assert words in response.context["form"].errors[field][0]


def test_the_page_says_how_many_health_checks_there_were(browser: Client) -> None:
    edit(browser, health_checks="10.0.0.8, 10.0.0.9")
    assert "counted since" not in browser.get(reverse("listeners:show")).content.decode()
    for name, number in (("a:1", 1_200), ("a:2", 34)):
        whereabouts.tell(name, Whereabouts(timezone.now(), Place("127.0.0.1", 25), health_checks=number))
    content = browser.get(reverse("listeners:show")).content.decode()
    assert '<div class="mono">10.0.0.9</div>' in content
    assert "1,234 connections counted since the listener started" in content


def person_of(browser: Client) -> Any:
    return browser.get(reverse("listeners:show")).wsgi_request.user
