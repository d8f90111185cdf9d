"""Trace: the answer is the mail path's own, and nothing is sent or stored for it."""

from __future__ import annotations

import base64
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email import message_from_bytes
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from redis import Redis

from policies.models import IncomingMailPolicy
from seg_console.accounts.roles import Role
from seg_console.config import pending, running
from seg_console.config.pending_set import running_of
from seg_console.delivery.kinds import Claimed, Destination, kind
from seg_console.delivery.models import Delivery
from seg_console.gateway.accept import store
from seg_console.gateway.arrival import Arrival, Peer
from seg_console.gateway.planning import Rulebook
from seg_console.gateway.protocol import Envelope, ReceivedMessage
from seg_console.gateway.spool import Spool
from seg_console.mail.models import Body
from seg_console.trace.engine import Gateway, Question, Traced, trace
from tdc.running import Reason
from tests.support import running_configuration as configuration
from tests.support.dns_server import Answer, dns_server
from tests.support.pages import person, signed_in
from tests.support.running_configuration import INTAKE, SECOND_INTAKE

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

NOW = datetime(2026, 11, 23, 16, 40, 12, tzinfo=UTC)
GATEWAY = Gateway("gw1.corp.example", UTC)
URL = "/system-administration/trace/"
CONTENT = b"From: Alice <alice@example.net>\r\nSubject: Hello\r\nMessage-ID: <1@example.net>\r\n\r\n.Hi\r\n..\r\n"
ROUTES = [
    {"domain": "corp.example", "hosts": [{"host": "127.0.0.1", "port": 2526, "priority": 0}]},
    {"domain": ".corp.example", "hosts": [{"host": "/dev/null", "port": 25, "priority": 0}]},
    {"domain": "intake.example", "hosts": [{"host": "127.0.0.1", "port": 2527, "priority": 0}]},
]
FIELDS = {
    "source_ip": "192.0.2.10",
    "source_name": "mail.example.net",
    "sender": "alice@example.net",
    "recipients": "bob@corp.example",
    "text": CONTENT.decode(),
}


@pytest.fixture(autouse=True)
def committed(db: None) -> None:
    configuration.commit(smtp_routes=ROUTES)


def traced(*recipients: str, sender: str = "alice@example.net", content: bytes = CONTENT, **more: Any) -> Traced:
    question = Question(
        source_ip=more.get("source_ip", "192.0.2.10"),
        source_name=more.get("source_name", "mail.example.net"),
        sender=sender,
        recipients=recipients,
        content=content,
    )
    return trace(question, more.get("asked") or running.current(), GATEWAY, now=NOW)


def parts(found: Traced) -> list[tuple[int, str, tuple[str, ...], str | None, Reason]]:
    assert found.message is not None
    return [
        (part.mid, part.policy_name, part.recipients, part.intake_address, part.reason) for part in found.message.parts
    ]


def test_a_message_for_several_policies_is_split_with_the_choice_and_the_reason_of_each() -> None:
    found = traced("bob@corp.example", "cfo@finance.corp.example", "news@corp.example", "staff@corp.example")
    assert parts(found) == [
        (2, "Finance", ("cfo@finance.corp.example",), SECOND_INTAKE, Reason.CUSTOM),
        (3, "Newsletters", ("news@corp.example",), None, Reason.NO_SCAN),
        (4, "Staff", ("staff@corp.example",), INTAKE, Reason.DEFAULT),
        (5, "DEFAULT", ("bob@corp.example",), INTAKE, Reason.DEFAULT),
    ]
    assert found.message
    assert [part.inherits for part in found.message.parts] == [False, False, True, False]
    assert found.answer == "250 ok:  Message 1 accepted"


def test_while_the_connector_is_off_nothing_is_copied_and_that_is_the_reason() -> None:
    configuration.commit(threat_defense_connector={"enabled": False, "message_intake_address": INTAKE})
    [part] = parts(traced("cfo@finance.corp.example"))
    assert part[3:] == (None, Reason.OFF)


def test_the_replies_are_the_listeners_own() -> None:
    configuration.commit(
        recipient_access=[
            {"recipient": "old@corp.example", "action": "reject", "response": {"code": 551, "text": "moved away"}},
            {"recipient": "corp.example", "action": "accept"},
        ]
    )
    found = traced("old@corp.example", "eve@elsewhere.example", "no address", "postmaster", "bob%x@corp.example")
    assert found.dialogue is not None
    assert found.dialogue.sender.reply == ("250 2.1.0 sender <alice@example.net> ok",)
    assert [answer.reply for answer in found.dialogue.recipients] == [
        ("551 moved away",),
        ("550 #5.1.0 Address rejected.",),
        ("501 5.1.3 Bad recipient address syntax",),
        ("250 2.1.5 recipient <postmaster> ok",),
        ("550 5.7.1 Relaying denied",),
    ]
    assert parts(found)[0][2] == ("postmaster@corp.example",)


def test_without_a_recipient_there_is_no_message() -> None:
    found = traced("eve@elsewhere.example")
    assert found.dialogue is not None
    assert (found.dialogue.content, found.message, found.answer) == (None, None, "")


def test_a_message_that_the_listener_refuses_ends_with_its_reply() -> None:
    configuration.commit(listener={"max_message_size": 1024, "bare_line_ends": "reject"})
    assert traced("bob@corp.example", content=b"x" * 2000).answer == "552 5.3.4 Message size exceeds limit"
    assert traced("bob@corp.example", content=b"a\nb\r\n").answer == "550 5.6.0 Message contains bare CR or LF"
    configuration.commit()
    looping = b"Received: from a by b\r\n" * 200 + b"\r\n"
    found = traced("bob@corp.example", content=looping)
    assert (found.answer[:9], found.message) == ("554 5.4.6", None)


def test_the_host_access_table_decides_who_may_speak_at_all() -> None:
    configuration.commit(
        host_access=[
            {"name": "BLOCKED", "entries": ["192.0.2.0/24"], "action": "reject", "response": "go away"},
            {"name": "SILENT", "entries": [".spam.example"], "action": "refuse"},
            {"name": "PARTNERS", "entries": ["198.51.100.7"], "max_recipients": 1, "tls": "required"},
        ]
    )
    rejected = traced("bob@corp.example")
    assert (rejected.client.group.name, rejected.client.group.entry) == ("BLOCKED", "192.0.2.0/24")
    assert (rejected.client.refusal, rejected.dialogue, rejected.message) == ("554 go away", None, None)
    dropped = traced("bob@corp.example", source_ip="203.0.113.1", source_name="mx.spam.example")
    assert (dropped.client.is_let_in, dropped.client.refusal, dropped.dialogue) == (False, "", None)
    limited = traced("bob@corp.example", "ann@corp.example", source_ip="198.51.100.7")
    assert limited.dialogue is not None
    assert [answer.reply[0][:3] for answer in limited.dialogue.recipients] == ["250", "452"]
    assert limited.message is not None
    assert "with ESMTPS id 1" in limited.message.headers_added
    assert traced("bob@corp.example", source_ip="203.0.113.1").client.group.name == "ALL"


def test_a_client_that_is_not_let_in_is_shown_with_its_answer(client: Client) -> None:
    configuration.commit(host_access=[{"name": "BLOCKED", "entries": ["192.0.2.10"], "action": "reject"}])
    content = client.post(URL, FIELDS).content.decode()
    assert "Sender group BLOCKED, by its entry 192.0.2.10." in content
    assert "The client is not let in." in content
    assert "HAT matched on sendergroup: BLOCKED, by 192.0.2.10" in said(
        "--source-ip", "192.0.2.10", "--recipients", "a@b.example"
    )


def test_after_too_many_errors_the_connection_is_gone_and_the_rest_is_not_asked() -> None:
    found = traced(*[f"bad {number}" for number in range(25)])
    assert found.dialogue is not None
    asked = [answer.asked for answer in found.dialogue.recipients]
    assert asked.count(True) == 20
    assert found.dialogue.recipients[19].reply[-1] == "421 4.7.0 Too many errors, closing connection"


def test_message_and_copy_are_what_acceptance_and_the_connector_make_of_it(redis: Redis) -> None:
    found = traced("cfo@finance.corp.example")
    assert found.message is not None
    helo = "mail.example.net"
    message = ReceivedMessage(
        envelope=Envelope(mid=1, sender="alice@example.net", recipients=("cfo@finance.corp.example",)),
        spool=Spool.of(CONTENT),
        helo=helo,
        esmtp=True,
        tls=False,
        body_8bitmime=False,
        declared_size=0,
    )
    peer = Peer(1, "Data 1", "", "192.0.2.10", helo, verified=True)
    rules = Rulebook.of(running.current(), hostname="gw1.corp.example", zone=UTC)
    store([Arrival(peer, NOW, message)], rules, now=NOW)
    assert bytes(Body.objects.get().content) == found.message.content
    row = Delivery.objects.get(kind="tdc")
    claimed = Claimed(
        id=2,
        mid=1,
        destination=Destination("tdc", row.domain),
        address=row.address,
        attempt=1,
        recipients=((0, row.address),),
        size=row.size,
        enqueued_at=NOW,
        expires_at=NOW,
        envelope_sender="alice@example.net",
        subject="Hello",
        message_id="<1@example.net>",
        icid=1,
        content=bytes(Body.objects.get().content),
        envelope=("cfo@finance.corp.example",),
    )
    copy = found.message.parts[0].copy
    assert copy is not None
    assert copy.content == kind("tdc").content(claimed, NOW)
    assert (copy.sender, copy.spec.address, copy.spec.domain) == ("", SECOND_INTAKE, "intake.example")
    assert message_from_bytes(copy.content)["X-MS-Journal-Report"] == ""


def test_the_next_hop_is_that_of_the_route_with_tls_and_limits() -> None:
    found = traced("bob@corp.example", "eve@sub.corp.example")
    assert found.message is not None
    shown = {
        delivery.spec.domain: (
            [(address.ip, address.port) for address in delivery.hop.addresses],
            delivery.hop.discard,
            delivery.terms.tls.mode.value,
            delivery.terms.recipients_per_transaction,
        )
        for delivery in found.message.parts[0].deliveries
    }
    assert shown == {
        "corp.example": ([("127.0.0.1", 2526)], False, "preferred", 50),
        "sub.corp.example": ([], True, "preferred", 50),
        "intake.example": ([("127.0.0.1", 2527)], False, "required_verify", 1),
    }


def test_the_dns_is_asked_and_its_failure_shown() -> None:
    zone = {("corp.example", "MX"): ["10 mx.corp.example."], ("mx.corp.example", "A"): ["192.0.2.25"]}
    with dns_server({**zone, ("sub.corp.example", "MX"): Answer.SERVFAIL}) as server:
        servers = [{"host": "127.0.0.1", "port": server.port}]
        configuration.commit(dns={"servers": servers, "timeout": 1}, smtp_routes=[])
        found = traced("bob@corp.example", "eve@sub.corp.example")
    assert found.message is not None
    first, second, copy = (delivery.hop for delivery in found.message.parts[0].deliveries)
    assert ([address.ip for address in first.addresses], first.hosts) == (["192.0.2.25"], None)
    assert (second.addresses, second.failure) == (
        (),
        "DNS Soft Error looking up sub.corp.example (MX) : ServFail",
    )
    assert copy.failure.startswith("DNS Hard Error looking up intake.example")


def test_another_set_can_be_supposed_by_one_thread_alone() -> None:
    committed = running.current()
    other = running.Running(0, committed.document)
    with ThreadPoolExecutor(1) as elsewhere, running.supposing(other):
        assert (running.current(), running.held()) == (other, other)
        assert elsewhere.submit(running.held).result() is committed
    assert running.current() is committed


def test_pending_changes_are_asked_without_being_live() -> None:
    user = person()
    pending.submit(user, remove=[_policy_row(user, "Finance")])
    own = pending.pending_of(user)
    assert own is not None
    assert [part[1] for part in parts(traced("cfo@finance.corp.example", asked=running_of(own)))] == ["DEFAULT"]
    assert [part[1] for part in parts(traced("cfo@finance.corp.example"))] == ["Finance"]


def _policy_row(user: Any, name: str) -> IncomingMailPolicy:
    return IncomingMailPolicy.objects.get(configuration=pending.shown_to(user), name=name)


# --- nothing is sent or stored


class Watched:
    """Every connection that anything opens, by address."""

    def __init__(self) -> None:
        self.connected: list[Any] = []


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    seen = Watched()
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        seen.connected.append((self.type, address))
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return seen


def everything() -> dict[str, list[Any]]:
    """All rows of all tables but those of sessions, which a request touches."""
    left_out = {"accounts_consolesession", "django_session"}
    models = [model for model in apps.get_models() if model._meta.db_table not in left_out]
    return {model._meta.db_table: list(model._default_manager.order_by("pk").values()) for model in models}


def test_a_trace_changes_no_row_no_key_and_opens_no_connection(redis: Redis, watched: Watched) -> None:
    user = person()
    client = signed_in(user)
    client.get(URL)
    before, keys = everything(), {key: redis.dump(key) for key in redis.scan_iter()}
    watched.connected.clear()
    response = client.post(URL, {**FIELDS, "recipients": "bob@corp.example, cfo@finance.corp.example"})
    assert response.status_code == 200
    assert "The message is accepted." in response.content.decode()
    assert everything() == before
    assert {key: redis.dump(key) for key in redis.scan_iter()} == keys
    assert [entry for entry in watched.connected if entry[0] == socket.SOCK_STREAM] == []


# --- the page


@pytest.fixture
def client() -> Client:
    return signed_in(person())


def test_the_page_shows_every_section_in_the_order_of_the_original(client: Client) -> None:
    content = client.post(URL, {**FIELDS, "recipients": "bob@corp.example\nnews@corp.example"}).content.decode()
    wanted = [
        "Host Access Table Processing",
        "Envelope Sender Processing",
        "Envelope Recipient Processing",
        "Mail Policy Processing: Newsletters",
        "Mail Policy Processing: Default Policy",
        "Delivery Operations",
        "Final Result",
    ]
    places = [content.index(title) for title in wanted]
    assert places == sorted(places)
    assert "The policy says No Scan." in content
    assert "X-IronPort-RemoteIP: 192.0.2.10" in content
    assert "250 2.1.5 recipient &lt;bob@corp.example&gt; ok" in content


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.OPERATOR, Role.READ_ONLY_OPERATOR])
def test_those_who_see_the_configuration_may_trace(role: Role) -> None:
    assert signed_in(person(role)).post(URL, FIELDS).status_code == 200


@pytest.mark.parametrize("role", [Role.GUEST, Role.TECHNICIAN, Role.HELP_DESK_USER])
def test_others_may_not(role: Role) -> None:
    client = signed_in(person(role))
    assert (client.get(URL).status_code, client.post(URL, FIELDS).status_code) == (403, 403)


def test_what_is_saved_is_what_was_shown(client: Client) -> None:
    content = client.post(URL, {**FIELDS, "recipients": "cfo@finance.corp.example"}).content.decode()
    again = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', content.split('id="again"')[1]))
    again.pop("csrfmiddlewaretoken", None)
    message = client.post(URL, {**again, "download": "message"})
    assert message["Content-Disposition"] == 'attachment; filename="trace-message.eml"'
    shown = re.search(r'<pre class="trace-text">(Received: .*?)</pre>', content, re.DOTALL)
    assert shown
    assert message.content.endswith(CONTENT)
    assert message.content.decode().replace("\r\n", "\n").startswith(unescape(shown[1]).strip().replace("\r\n", "\n"))
    copy = client.post(URL, {**again, "download": "copy-1"})
    assert message.content in copy.content
    assert client.post(URL, {**again, "download": "copy-7"}).status_code == 404


def test_an_uploaded_file_is_traced_and_kept_for_the_next_trace(client: Client) -> None:
    upload = SimpleUploadedFile("letter.eml", CONTENT.replace(b"\r\n", b"\n"))
    content = client.post(URL, {**FIELDS, "text": "", "upload": upload}).content.decode()
    assert f'name="kept" value="{base64.b64encode(CONTENT).decode()}"' in content
    again = {**FIELDS, "text": "", "kept": base64.b64encode(CONTENT).decode(), "download": "message"}
    assert client.post(URL, again).content.endswith(CONTENT)


def test_the_pending_changes_are_asked_unless_the_running_configuration_is_chosen() -> None:
    user = person()
    client = signed_in(user)
    pending.submit(user, remove=[_policy_row(user, "Finance")])
    asked = {**FIELDS, "recipients": "cfo@finance.corp.example"}
    own = client.post(URL, asked).content.decode()
    assert "Mail Policy Processing: Default Policy" in own
    assert "By your pending changes." in own
    live = client.post(URL, {**asked, "configuration": "committed"}).content.decode()
    assert "Mail Policy Processing: Finance" in live
    assert "By the running configuration, number" in live


HOSTILE = [
    "<script>alert(1)</script>@corp.example",
    '"><img src=x onerror=alert(1)>@corp.example',
    "\u202egpj.exe@corp.example",
    "=cmd|' /C calc'!A0@corp.example",
    "x" * 900 + "@corp.example",
    "bob@corp.example> SIZE=99999999 BODY=<x",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_addresses_are_answered_and_shown_as_text(client: Client, text: str) -> None:
    response = client.post(URL, {**FIELDS, "sender": text, "recipients": text.replace(",", "")})
    content = response.content.decode()
    assert response.status_code == 200
    result = content.split('id="result"')[1]
    assert "<script>alert" not in content
    assert "<img" not in result
    assert "\u202e" not in result
    assert "The message is not accepted." in content


@pytest.mark.parametrize("text", ["a\rMAIL FROM:<x@y.example>", "a\x00b@corp.example", "a\x1b[31m@corp.example"])
@pytest.mark.parametrize("field", ["sender", "source_name"])
def test_control_characters_are_refused_beside_their_field(client: Client, field: str, text: str) -> None:
    response = client.post(URL, {**FIELDS, field: text})
    assert response.status_code == 422
    assert f'id="id_{field}_error"' in response.content.decode()


@pytest.mark.parametrize("address", ["", "300.1.1.1", "<b>", "192.0.2.1/24", "1" * 1_000_000])
def test_a_source_that_is_no_address_is_refused_beside_its_field(client: Client, address: str) -> None:
    response = client.post(URL, {**FIELDS, "source_ip": address})
    assert response.status_code == 422
    assert 'id="id_source_ip_error"' in response.content.decode()


def test_a_paste_of_a_megabyte_is_traced_in_the_message_and_refused_among_recipients(client: Client) -> None:
    megabyte = "Subject: long\r\n\r\n" + "<b>x</b>\r\n" * 100_000
    response = client.post(URL, {**FIELDS, "text": megabyte})
    assert response.status_code == 200
    assert "<b>x</b>" not in response.content.decode().split('id="result"')[1]
    refused = client.post(URL, {**FIELDS, "recipients": ",".join(f"u{n}@corp.example" for n in range(50_000))})
    assert refused.status_code == 422
    assert "Give at most 100 recipients." in refused.content.decode()


def test_a_message_beyond_the_listeners_size_is_refused_beside_its_field(client: Client) -> None:
    configuration.commit(listener={"max_message_size": 1024})
    response = client.post(URL, {**FIELDS, "text": "", "upload": SimpleUploadedFile("big.eml", b"x" * 1025)})
    assert response.status_code == 422
    assert "larger than the listener takes: 1024 bytes" in response.content.decode()


# --- the command


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("trace", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_gives_the_same_answer_as_text(tmp_path: Path) -> None:
    letter = tmp_path / "letter.eml"
    letter.write_bytes(CONTENT)
    text = said(
        *("--source-ip", "192.0.2.10", "--source-name", "mail.example.net", "--sender", "alice@example.net"),
        *("--recipients", "bob@corp.example,cfo@finance.corp.example", "--message", str(letter)),
        *("--save", str(tmp_path / "saved")),
    )
    assert "  MID 2: Per recipient policy: Finance\n    RID 0: cfo@finance.corp.example\n" in text
    assert (
        f"    Threat Defense Connector: would be forwarded to {SECOND_INTAKE} (Custom Message Intake Address)" in text
    )
    assert "  MID 3: Per recipient policy: DEFAULT\n    RID 0: bob@corp.example\n" in text
    assert "    Next hop: SMTP route 127.0.0.1:2526, 127.0.0.1:2526\n" in text
    assert "  SMTP reply: 250 ok:  Message 1 accepted\n" in text
    saved = sorted(path.name for path in (tmp_path / "saved").iterdir())
    assert saved == ["copy-2.eml", "copy-3.eml", "message.eml"]
    assert (tmp_path / "saved" / "message.eml").read_bytes().endswith(CONTENT)


def test_the_command_asks_a_users_pending_changes() -> None:
    user = person(name="ann")
    asked = ("--source-ip", "192.0.2.10", "--source-name", "a.example", "--recipients", "cfo@finance.corp.example")
    with pytest.raises(CommandError, match="ann has no pending changes"):
        said(*asked, "--pending-of", "ann")
    pending.submit(user, remove=[_policy_row(user, "Finance")])
    assert "Per recipient policy: DEFAULT" in said(*asked, "--pending-of", "ann")
    assert "Per recipient policy: Finance" in said(*asked)


def test_the_command_refuses_what_it_cannot_ask() -> None:
    with pytest.raises(CommandError, match="source_ip: Enter the IP address of a client"):
        said("--recipients", "bob@corp.example")
