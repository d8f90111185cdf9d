"""Mail through incoming relays as the listener takes it, and Network > Incoming Relays."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from seg_console.accounts.models import User
from seg_console.config import document, pending, running
from seg_console.gateway.models import IncomingRelay
from seg_console.gateway.reverse_dns import ClientName, ReverseDns
from seg_console.gateway.running import incoming_relays
from seg_console.mail import tracking
from seg_console.mail.models import Body, Message, TrackingEvent
from seg_console.mail.tracking import TrackingQuery
from tests.support import running_configuration as configuration
from tests.support.configurations import full
from tests.support.lines_client import MESSAGE, dialled
from tests.support.listening import listening
from tests.support.pages import configured, person, signed_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore:No directory at")]
EDGE = {"name": "EDGE", "address": "127.0.0.0/8"}
BY_HEADER = EDGE | {"client_in": "header", "header": "X-Client-IP"}
# Loopback has a name without asking anybody.
OWN = b"Received: from x.example (x.example [127.9.9.9])\r\n\tby edge.corp.example; Tue, 1 Dec 2026 04:00:00 +0000\r\n"
FORGED = b"Received: from y.example (y.example [127.8.8.8]) by z.example; Tue, 1 Dec 2026 03:00:00 +0000\r\n"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[str]]:
    """The lines of the mail log so far, without time and level."""
    monkeypatch.setattr(settings, "SEG_MAIL_LOG", tmp_path / "mail_logs")
    return lambda: [line[31:] for line in (tmp_path / "mail_logs").read_text().splitlines()[3:]]


def commit(*relays: dict[str, Any], enabled: bool = True, **sections: Any) -> None:
    intake = {"enabled": True, "message_intake_address": "id@intake.example", "add_sender_ip_header": True}
    configuration.commit(
        incoming_relay_settings={"enabled": enabled},
        incoming_relays=list(relays),
        threat_defense_connector=intake,
        **sections,
    )


def hand_over(port: int, *contents: bytes, recipients: tuple[str, ...] = ("bob@corp.example",)) -> list[str]:
    """Send messages over one connection; the answers to their ends."""
    with dialled(port) as relay:
        relay.hear()
        answers = [relay.submit(content=content, recipients=recipients) for content in contents]
        relay.say(b"QUIT\r\n")
        return answers


def test_the_sender_that_the_relay_names_is_the_messages_everywhere(log: Callable[[], list[str]]) -> None:
    groups = [{"name": "PARTNERS", "entries": ["127.9.9.9"]}, {"name": "RELAYS", "entries": ["127.0.0.1"]}]
    commit(EDGE, host_access=groups)
    with listening() as port:
        assert hand_over(port, OWN + FORGED + MESSAGE) == ["250 ok:  Message 1 accepted"]
    assert log()[:7] == [
        "New SMTP ICID 1 interface Data 1 (127.0.0.1) address 127.0.0.1 reverse dns host localhost verified yes",
        "ICID 1 ACCEPT SG RELAYS match 127.0.0.1 SBRS not enabled",
        "Start MID 1 ICID 1",
        "MID 1 ICID 1 From: <alice@example.net>",
        "MID 1 ICID 1 RID 0 To: <bob@corp.example>",
        "MID 1 IncomingRelay(EDGE): Header Received found, IP 127.9.9.9 being used",
        "MID 1 ACCEPT SG PARTNERS match 127.9.9.9 SBRS not enabled",
    ]
    assert Message.objects.get().remote_ip == "127.9.9.9"
    assert [hit.mid for hit in tracking.search(TrackingQuery(remote_ip="127.9.9.9")).hits] == [1]
    details = tracking.details(1)
    assert details is not None
    assert details.sender_group == "PARTNERS"
    said = [line.text for line in details.lines]
    assert "Message 1 came through incoming relay EDGE: header Received found, sender IP 127.9.9.9 is used." in said
    assert "Sender IP 127.9.9.9 of message 1 falls to sender group PARTNERS, match 127.9.9.9." in said
    content = bytes(Body.objects.get().content)
    # Who connected is the relay; who sent it is for the intake.
    assert content.startswith(b"Received: from client.example (localhost [127.0.0.1])\r\n")
    assert b"X-IronPort-RemoteIP: 127.9.9.9\r\n" in content


def test_a_message_of_a_rejected_sender_is_refused_at_its_end_and_the_next_one_taken(
    log: Callable[[], list[str]],
) -> None:
    blocked = {"name": "BLOCKED_LIST", "entries": ["127.9.9.0/24"], "action": "reject", "response": "Not from there"}
    commit(BY_HEADER, host_access=[blocked])
    bad, good = b"X-Client-IP: [127.9.9.9]\r\n" + MESSAGE, b"X-Client-IP: 127.8.8.8\r\n" + MESSAGE
    with listening() as port:
        assert hand_over(port, bad, good) == ["554 Not from there", "250 ok:  Message 2 accepted"]
    lines = log()
    assert lines[2:9] == [
        "Start MID 1 ICID 1",
        "MID 1 ICID 1 From: <alice@example.net>",
        "MID 1 ICID 1 RID 0 To: <bob@corp.example>",
        "MID 1 IncomingRelay(EDGE): Header X-Client-IP found, IP 127.9.9.9 being used",
        "MID 1 REJECT SG BLOCKED_LIST match 127.9.9.0/24 SBRS not enabled",
        "Message aborted MID 1 Rejected by Host Access Table",
        "Message finished MID 1 done",
    ]
    assert list(Message.objects.order_by("mid").values_list("state", "remote_ip")) == [
        ("aborted", "127.9.9.9"),
        ("queued", "127.8.8.8"),
    ]
    assert list(Body.objects.values_list("mid", flat=True)) == [2]


def test_a_group_that_drops_connections_refuses_messages() -> None:
    commit(EDGE, host_access=[{"name": "BLOCKED_LIST", "entries": ["127.9.9.9"], "action": "refuse"}])
    with listening() as port:
        assert hand_over(port, OWN + MESSAGE) == ["554 5.7.1 Access denied"]


def test_recipients_in_an_hour_are_the_senders(log: Callable[[], list[str]]) -> None:
    slow = {"name": "SLOW", "entries": ["127.9.9.9", "127.9.9.10"], "max_recipients_per_hour": 2}
    commit(BY_HEADER, host_access=[slow])
    first, second = (f"X-Client-IP: 127.9.9.{last}\r\n".encode() + MESSAGE for last in (9, 10))
    with listening() as port:
        # A message is taken whole or not at all: the third recipient comes with it, and then the hour is full.
        three = ("a@corp.example", "b@corp.example", "c@corp.example")
        assert hand_over(port, first, recipients=three) == ["250 ok:  Message 1 accepted"]
        answers = hand_over(port, first, second, second, second)
    full_hour = "452 4.7.1 Too many recipients received this hour"
    assert answers == [full_hour, "250 ok:  Message 3 accepted", "250 ok:  Message 4 accepted", full_hour]
    assert "Message aborted MID 2 Rejected by Receiving Control" in log()


def test_a_header_that_tells_nothing_leaves_the_relay(log: Callable[[], list[str]]) -> None:
    commit(EDGE | {"hop": 2}, host_access=[{"name": "RELAYS", "entries": ["127.0.0.1"]}])
    with listening() as port:
        assert hand_over(port, OWN + MESSAGE) == ["250 ok:  Message 1 accepted"]
    assert log()[5] == "MID 1 IncomingRelay(EDGE): Header Received not found, IP of the relay being used"
    assert Message.objects.get().remote_ip == "127.0.0.1"
    details = tracking.details(1)
    assert details is not None
    assert details.sender_group == "RELAYS"
    said = "Message 1 came through incoming relay EDGE: header Received not found, its own IP is used."
    assert said in [line.text for line in details.lines]


@pytest.mark.parametrize(
    ("relays", "enabled"), [([EDGE], False), ([EDGE | {"address": "192.0.2.1"}], True), ([], True)]
)
def test_whoever_is_no_relay_is_not_believed(
    log: Callable[[], list[str]], relays: list[dict[str, Any]], enabled: bool
) -> None:
    blocked = {"name": "BLOCKED_LIST", "entries": ["127.9.9.9"], "action": "reject"}
    commit(*relays, enabled=enabled, host_access=[blocked])
    with listening() as port:
        assert hand_over(port, OWN + MESSAGE) == ["250 ok:  Message 1 accepted"]
    assert not [line for line in log() if "IncomingRelay" in line]
    assert TrackingEvent.objects.get(kind="received").data["relay"] == ""


def test_a_name_is_looked_up_before_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up(names: ReverseDns, address: str, *, now: float) -> ClientName:
        return ClientName("mx.partner.example", verified=True)

    monkeypatch.setattr(ReverseDns, "look_up", look_up)
    commit(BY_HEADER, host_access=[{"name": "PARTNERS", "entries": [".partner.example"]}])
    with listening() as port:
        assert hand_over(port, b"X-Client-IP: 203.0.113.9\r\n" + MESSAGE) == ["250 ok:  Message 1 accepted"]
    message = Message.objects.get()
    assert (message.remote_ip, message.reverse_dns, message.reverse_dns_verified) == (
        "203.0.113.9",
        "mx.partner.example",
        True,
    )
    assert TrackingEvent.objects.get(kind="received").data["client_group"] == "PARTNERS"


def test_trouble_with_a_name_is_ours_and_the_relay_comes_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def look_up(names: ReverseDns, address: str, *, now: float) -> ClientName:
        raise ValueError("broken on purpose")

    monkeypatch.setattr(ReverseDns, "look_up", look_up)
    commit(BY_HEADER)
    with listening() as port, dialled(port) as relay:
        relay.hear()
        answer = relay.submit(content=b"X-Client-IP: 203.0.113.9\r\n" + MESSAGE)
        assert answer == "421 4.3.0 Internal error, closing connection"
        assert relay.hear() == ""
    assert "broken on purpose" in caplog.text
    assert not Body.objects.exists()


def test_the_client_of_a_proxy_may_be_a_relay() -> None:
    proxied = {"proxies": ["127.0.0.1"], "proxy_protocol": True}
    commit(EDGE | {"address": "127.7.7.7"}, listener=proxied)
    with listening() as port, dialled(port) as relay:
        assert relay.say(b"PROXY TCP4 127.7.7.7 127.0.0.1 4711 25\r\n") == "220 gw1.corp.example ESMTP"
        assert relay.submit(content=OWN + MESSAGE) == "250 ok:  Message 1 accepted"
    assert Message.objects.get().remote_ip == "127.9.9.9"


# -- the page

FORM = {"name": "EDGE", "address": " 192.0.2.0/24 ", "client_in": "received", "hop": "2", "header": ""}


@pytest.fixture
def user() -> User:
    configured(incoming_relays=[], incoming_relay_settings={})
    return person()


@pytest.fixture
def client(user: User) -> Client:
    return signed_in(user)


def section(user: User, key: str) -> Any:
    return document.dump(pending.shown_to(user))[key]


def test_a_relay_is_added_changed_and_deleted(user: User, client: Client) -> None:
    listed = reverse("incoming-relays:list")
    assert "No incoming relays have been defined." in client.get(listed).content.decode()
    assert client.post(reverse("incoming-relays:add"), FORM)["Location"] == listed
    row = {"name": "EDGE", "address": "192.0.2.0/24", "client_in": "received", "header": "", "hop": 2}
    assert section(user, "incoming_relays") == [row]
    [shown] = client.get(listed).context["rows"]
    assert (shown["client_in"], shown["is_pending"]) == ("Received header, hop 2", True)
    assert "Incoming Relays are not enabled" in client.get(listed).content.decode()

    edit = reverse("incoming-relays:edit", args=[IncomingRelay.objects.get(configuration=pending.shown_to(user)).uid])
    assert client.get(edit).context["form"]["hop"].value() == 2
    client.post(edit, FORM | {"client_in": "header", "header": "X-Client-IP"})
    assert section(user, "incoming_relays") == [row | {"client_in": "header", "header": "X-Client-IP"}]

    client.post(edit + "delete/")
    assert section(user, "incoming_relays") == []


def test_relays_hold_from_the_commit_on_while_they_are_enabled(user: User, client: Client) -> None:
    client.post(reverse("incoming-relays:add"), FORM)
    client.post(reverse("incoming-relays:edit-global-settings"), {"enabled": "on"})
    assert "Incoming Relays are not enabled" not in client.get(reverse("incoming-relays:list")).content.decode()
    running.look_again()
    assert running.current().value(incoming_relays).match("192.0.2.9").policy is None
    pending.commit(user, "relays")
    found = running.current().value(incoming_relays).match("192.0.2.9").policy
    assert found is not None
    assert found.name == "EDGE"


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"name": "a b"}, "name", "Use the letters A to Z, digits, hyphens and underscores."),
        ({"address": "mail.example"}, "address", '"mail.example" is not an IP address, a range such as 192.0.2.10-20,'),
        ({"client_in": "header"}, "header", "Name the header that holds the address."),
        ({"client_in": "header", "header": "X-A:"}, "header", "Give the name of a header without its colon, for"),
        ({"client_in": "header", "header": "received"}, "header", "Choose the Received header and its hop instead."),
        ({"hop": "0"}, "hop", "Ensure this value is greater than or equal to 1."),
        ({"name": "other"}, "__all__", "An incoming relay of that name exists already."),
        ({"address": "192.0.2.7"}, "__all__", "An incoming relay of that IP address exists already."),
    ],
)
def test_what_cannot_be_is_refused(client: Client, values: dict[str, str], field: str, words: str) -> None:
    client.post(reverse("incoming-relays:add"), FORM | {"name": "OTHER", "address": "192.0.2.7"})
    response = client.post(reverse("incoming-relays:add"), FORM | values)
    assert response.status_code == 422
    assert words in " ".join(str(error) for errors in response.context["form"].errors.values() for error in errors)


@pytest.mark.parametrize(
    ("relays", "words"),
    [
        ([EDGE, EDGE | {"name": "edge"}], "incoming_relays[1].name: edge is in the list already"),
        ([EDGE, EDGE | {"name": "TWO"}], "incoming_relays[1].address: 127.0.0.0/8 is in the list already"),
        ([BY_HEADER | {"header": ""}], "incoming_relays[0].header: name the header that holds the address."),
        ([EDGE | {"header": "X-A"}], "incoming_relays[0].header: a header of its own goes with Custom Header only."),
        ([EDGE | {"hop": 51}], "incoming_relays[0].hop: give 50 or less."),
    ],
)
def test_a_file_is_held_to_the_same(user: User, tmp_path: Path, relays: list[dict[str, Any]], words: str) -> None:
    file, said = tmp_path / "configuration.json", StringIO()
    file.write_text(json.dumps(full(incoming_relays=relays)))
    with pytest.raises(CommandError):
        call_command("loadconfig", str(file), stderr=said)
    assert said.getvalue().startswith(words)


def test_trace_goes_by_the_sender_too(user: User, client: Client) -> None:
    blocked = {"name": "BLOCKED_LIST", "entries": ["127.9.9.9"], "action": "reject", "response": "Not from there"}
    commit(EDGE, host_access=[blocked])
    response = client.post(
        reverse("trace:run"),
        {
            "source_ip": "127.0.0.1",
            "source_name": "",
            "sender": "a@example.net",
            "recipients": "bob@corp.example",
            "text": (OWN + MESSAGE.removesuffix(b".\r\n")).decode(),
            "configuration": "committed",
        },
    )
    content = response.content.decode()
    assert "header Received found, sender IP 127.9.9.9, sender group BLOCKED_LIST" in content
    assert "554 Not from there" in content
