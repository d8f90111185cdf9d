"""A batch of finished messages becomes rows, deliveries and events, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from seg_console.config import running
from seg_console.delivery import queue
from seg_console.delivery.kinds import Destination
from seg_console.delivery.models import Delivery
from seg_console.delivery.queue import Demand
from seg_console.gateway.accept import store
from seg_console.gateway.arrival import Abandoned, Arrival, Peer
from seg_console.gateway.planning import Rulebook
from seg_console.gateway.protocol import AbortedMessage, AbortReason, Envelope, ReceivedMessage, Refused
from seg_console.gateway.spool import Spool
from seg_console.mail import tracking
from seg_console.mail.models import Body, Message, Recipient, TrackingEvent
from seg_console.mail.tracking import Match, TrackingQuery
from seg_console.mail.values import RefusalKind
from tests.support import running_configuration as configuration
from tests.support.running_configuration import INTAKE, SECOND_INTAKE

NOW = datetime(2026, 11, 23, 16, 40, 12, tzinfo=UTC)
PEER = Peer(
    icid=55,
    interface="Data 1",
    interface_ip="10.0.0.1",
    remote_ip="192.0.2.10",
    reverse_dns="mail.example.net",
    verified=True,
)
CONTENT = b"From: Alice <alice@example.net>\r\nSubject: Hello\r\nMessage-ID: <1@example.net>\r\n\r\nHi\r\n"
ABOVE = (
    b"Received: from client.example.net (mail.example.net [192.0.2.10])\r\n"
    b"  by gw1.corp.example with ESMTPS id 101\r\n"
    b"  for <bob@corp.example>;\r\n"
    b"  Mon, 23 Nov 2026 16:40:12 +0000\r\n"
    b"X-IronPort-RemoteIP: 192.0.2.10\r\n"
    b"X-IronPort-MID: 101\r\n"
)


def arrival(mid: int, *recipients: str, sender: str = "alice@example.net", content: bytes = CONTENT) -> Arrival:
    message = ReceivedMessage(
        envelope=Envelope(mid=mid, sender=sender, recipients=recipients),
        spool=Spool.of(content),
        helo="client.example.net",
        esmtp=True,
        tls=True,
        body_8bitmime=False,
        declared_size=0,
    )
    return Arrival(PEER, NOW, message)


def take(*happenings: Any) -> None:
    rules = Rulebook.of(running.current(), hostname="gw1.corp.example", zone=UTC)
    store(happenings, rules, now=NOW)


def deliveries() -> list[tuple[int, str, str, str, Any]]:
    rows = Delivery.objects.order_by("pk")
    return [(row.message_id, row.destination, row.domain, row.address, row.recipients) for row in rows]


@pytest.fixture(autouse=True)
def committed(db: None) -> None:
    configuration.commit()


def test_a_message_becomes_rows_and_two_deliveries() -> None:
    take(arrival(101, "bob@corp.example"))
    message = Message.objects.get()
    assert (message.mid, message.root_mid, message.parent_mid, message.icid) == (101, 101, None, 55)
    assert (message.envelope_sender, message.subject, message.message_id_header) == (
        "alice@example.net",
        "Hello",
        "<1@example.net>",
    )
    assert (message.policy_name, message.state, message.outstanding) == ("DEFAULT", "queued", 2)
    assert list(Recipient.objects.values_list("message_id", "rid", "address", "state")) == [
        (101, 0, "bob@corp.example", "queued")
    ]
    assert deliveries() == [
        (101, "corp.example", "corp.example", "", [[0, "bob@corp.example"]]),
        (101, "the.tdc.queue", "intake.example", INTAKE, [[0, INTAKE]]),
    ]
    assert list(TrackingEvent.objects.order_by("pk").values_list("kind", flat=True)) == ["received", "processed"]


def test_the_body_is_the_gateways_headers_and_then_the_message_byte_for_byte() -> None:
    take(arrival(101, "bob@corp.example"))
    body = Body.objects.get()
    assert bytes(body.content) == ABOVE + CONTENT
    assert Message.objects.get().size == len(ABOVE + CONTENT)


PRETENDED = b"X-IronPort-RemoteIP: 198.51.100.1\r\n" + CONTENT.replace(
    b"Subject", b"x-ironport-mid :\r\n\t7\r\nX-IRONPORT-REMOTEIP: 198.51.100.2\r\nX-IronPort-Anti-Spam: yes\r\nSubject"
)


def test_fields_named_like_ours_are_taken_out_before_ours_are_added() -> None:
    take(arrival(101, "bob@corp.example", content=PRETENDED))
    kept = CONTENT.replace(b"Subject", b"X-IronPort-Anti-Spam: yes\r\nSubject")
    assert bytes(Body.objects.get().content) == ABOVE + kept
    assert Message.objects.get().size == len(ABOVE + kept)


def test_where_ours_are_not_added_those_of_the_gateway_in_front_stay() -> None:
    configuration.commit(
        threat_defense_connector={"enabled": True, "message_intake_address": INTAKE, "add_sender_ip_header": False}
    )
    take(arrival(101, "bob@corp.example", content=PRETENDED))
    assert bytes(Body.objects.get().content).endswith(PRETENDED)


def test_the_message_id_is_the_id_alone_and_the_details_say_how_it_stood() -> None:
    raw = "(a printer) <<1@Example.net>>;"
    take(arrival(101, "bob@corp.example", content=CONTENT.replace(b"<1@example.net>", raw.encode())))
    assert Message.objects.get().message_id_header == "<1@Example.net>"
    received = TrackingEvent.objects.get(kind="received").data
    assert (received["message_id"], received["raw_message_id"]) == ("<1@Example.net>", raw)
    details = tracking.details(101)
    assert details is not None
    assert f"Message 101 contains message ID header '{raw}'." in [line.text for line in details.lines]
    assert tracking.search(TrackingQuery(message_id="1@EXAMPLE.NET")).hits[0].mid == 101


def test_the_sender_ip_headers_can_be_switched_off() -> None:
    configuration.commit(
        threat_defense_connector={"enabled": True, "message_intake_address": INTAKE, "add_sender_ip_header": False}
    )
    take(arrival(101, "bob@corp.example"))
    assert b"X-IronPort" not in bytes(Body.objects.get().content)


def test_several_recipients_are_not_told_of_each_other_by_the_received_header() -> None:
    take(arrival(101, "bob@corp.example", "carol@corp.example"))
    assert b"for <" not in bytes(Body.objects.get().content)
    assert deliveries()[0][4] == [[0, "bob@corp.example"], [1, "carol@corp.example"]]


def test_rows_have_addresses_least_quoted_and_deliveries_as_they_were_given() -> None:
    take(arrival(101, r'"b\ob"@corp.example', '"a b"@corp.example', sender='"Alice"@Example.net'))
    message = Message.objects.get()
    assert (message.envelope_sender, message.sender_as_given) == ("Alice@Example.net", '"Alice"@Example.net')
    assert [each.address for each in Recipient.objects.order_by("rid")] == ["bob@corp.example", '"a b"@corp.example']
    assert deliveries()[0][4] == [[0, r'"b\ob"@corp.example'], [1, '"a b"@corp.example']]
    [claimed] = queue.claim(Demand(Destination("ordinary", "corp.example"), rows=1, octets=10_000), now=NOW)
    assert claimed.envelope_sender == '"Alice"@Example.net'
    take(arrival(102, "bob@corp.example"))
    assert Message.objects.get(pk=102).sender_as_given == ""


SPELLINGS = ["taro..y@corp.example", '"Taro..Y"@corp.example', r'"taro\..\y"@Corp.example']


@pytest.mark.parametrize("given", SPELLINGS)
@pytest.mark.parametrize("searched", SPELLINGS)
@pytest.mark.parametrize("operator", ["is", "begins_with", "contains"])
def test_tracking_finds_every_spelling_of_an_address_by_every_other(given: str, searched: str, operator: Any) -> None:
    take(arrival(101, given, sender=given), arrival(102, "taro.y@corp.example", sender="taro.y@corp.example"))
    match = Match(operator, searched)
    for query in (TrackingQuery(sender=match), TrackingQuery(recipient=match)):
        assert [hit.mid for hit in tracking.search(query).hits] == [101]


def test_tracking_finds_an_address_as_long_as_there_are() -> None:
    longest = "srs0=" + "x" * 235 + "@corp.example"
    take(arrival(101, longest))
    assert len(longest) == 253
    assert [hit.mid for hit in tracking.search(TrackingQuery(recipient=Match("is", longest))).hits] == [101]


def test_one_delivery_for_each_recipient_domain() -> None:
    take(arrival(101, "bob@corp.example", "eve@sub.corp.example", "carol@CORP.example"))
    assert [row[1:] for row in deliveries()] == [
        ("corp.example", "corp.example", "", [[0, "bob@corp.example"], [2, "carol@CORP.example"]]),
        ("sub.corp.example", "sub.corp.example", "", [[1, "eve@sub.corp.example"]]),
        ("the.tdc.queue", "intake.example", INTAKE, [[0, INTAKE]]),
    ]
    assert Message.objects.get().outstanding == 3


def test_recipients_of_several_policies_split_the_message() -> None:
    take(arrival(101, "bob@corp.example", "cfo@finance.corp.example", "news@corp.example", "staff@corp.example"))
    root = Message.objects.get(pk=101)
    assert (root.state, root.outstanding, root.finished_at, root.body_id, root.policy_name) == (
        "split",
        0,
        NOW,
        None,
        "",
    )
    parts = list(Message.objects.filter(parent_mid=101).order_by("mid"))
    assert [(part.policy_name, part.icid, part.root_mid) for part in parts] == [
        ("Finance", 0, 101),
        ("Newsletters", 0, 101),
        ("Staff", 0, 101),
        ("DEFAULT", 0, 101),
    ]
    assert len({part.mid for part in parts} | {101}) == 5
    assert Body.objects.count() == 1
    assert {part.body_id for part in parts} == {Body.objects.get().pk}
    by_policy = {part.policy_name: part.mid for part in parts}
    copies = {row[0]: row[3] for row in deliveries() if row[1] == "the.tdc.queue"}
    # Each part makes its own choice: its own address, none, and the default twice (once inherited).
    assert copies == {by_policy["Finance"]: SECOND_INTAKE, by_policy["Staff"]: INTAKE, by_policy["DEFAULT"]: INTAKE}
    assert list(
        Recipient.objects.filter(message_id=by_policy["Finance"]).values_list("rid", "address")
    ) == [(0, "cfo@finance.corp.example")]  # fmt: skip


def test_sender_conditions_look_at_the_headers_too() -> None:
    lawyers = {"match": "following", "entries": ["@lawfirm.example"]}
    configuration.commit(incoming_mail_policies=[configuration.policy("Lawyers", mode="no_scan", senders=lawyers)])
    take(arrival(101, "bob@corp.example", sender="bounce@mailer.example"))
    from_header = CONTENT.replace(b"alice@example.net", b"bill@LawFirm.example")
    take(arrival(102, "bob@corp.example", sender="bounce@mailer.example", content=from_header))
    reply_to = b"Reply-To: bill@lawfirm.example\r\n" + CONTENT
    take(arrival(103, "bob@corp.example", sender="", content=reply_to))
    assert list(Message.objects.order_by("mid").values_list("policy_name", flat=True)) == [
        "DEFAULT",
        "Lawyers",
        "Lawyers",
    ]
    assert [row[0] for row in deliveries() if row[1] == "the.tdc.queue"] == [101]


def test_nothing_is_copied_while_the_service_is_off() -> None:
    configuration.commit(threat_defense_connector={"enabled": False, "message_intake_address": INTAKE})
    take(arrival(101, "cfo@finance.corp.example"))
    assert [row[1] for row in deliveries()] == ["finance.corp.example"]


def test_a_queued_copy_keeps_its_address_and_the_next_takes_the_new_one() -> None:
    take(arrival(101, "bob@corp.example"))
    configuration.commit(threat_defense_connector={"enabled": True, "message_intake_address": "new@elsewhere.example"})
    take(arrival(102, "bob@corp.example"))
    assert [row[2:4] for row in deliveries() if row[1] == "the.tdc.queue"] == [
        ("intake.example", INTAKE),
        ("elsewhere.example", "new@elsewhere.example"),
    ]


def test_an_abandoned_transaction_is_a_message_that_was_aborted() -> None:
    envelope = Envelope(
        mid=101,
        sender="alice@example.net",
        recipients=("bob@corp.example",),
        refused=(Refused(RefusalKind.RECIPIENT, "x@elsewhere.example", 550, "#5.1.0 Address rejected."),),
    )
    aborted = AbortedMessage(envelope, AbortReason.SENDER)
    take(Abandoned(PEER, NOW, aborted))
    message = Message.objects.get()
    assert (message.state, message.body_id, message.finished_at) == ("aborted", None, NOW)
    assert not Delivery.objects.exists()


def test_a_recipient_that_holds_nul_keeps_no_message_out() -> None:
    no_address = Refused(RefusalKind.INVALID_RECIPIENT, "<a\x00\xe9@corp.example>", 553, "5.6.7 Only ASCII")
    envelope = Envelope(mid=101, sender="", recipients=("bob@corp.example",), refused=(no_address,))
    take(replace(arrival(101), message=replace(arrival(101).message, envelope=envelope)))
    assert TrackingEvent.objects.get(kind="received").data["invalid"] == ["<a\\x00\xe9@corp.example>"]


def test_a_failure_in_a_batch_leaves_nothing_of_it() -> None:
    too_long = "a" * 400 + "@corp.example"
    good = arrival(101, "bob@corp.example")
    clash = arrival(101, too_long)
    with pytest.raises(DatabaseError):
        take(good, clash)
    for model in (Message, Recipient, Body, Delivery, TrackingEvent):
        assert not model.objects.exists()


def test_a_batch_takes_as_many_queries_as_a_single_message(
    django_assert_num_queries: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    take(arrival(100, "bob@corp.example"))  # the first of an hour also makes the hour's counters
    # The look for a newer configuration comes by the clock, not by the message.
    held = running.held()
    monkeypatch.setattr(running, "current", lambda: held)
    with CaptureQueriesContext(connection) as single:
        take(arrival(1, "bob@corp.example"))
    with django_assert_num_queries(len(single)):
        take(*(arrival(mid, "bob@corp.example", "carol@corp.example") for mid in range(2, 22)))


@pytest.mark.django_db(transaction=True)
def test_the_log_tells_the_life_of_a_message_up_to_the_queue(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "SEG_MAIL_LOG", tmp_path / "mail_logs")
    take(arrival(101, "bob@corp.example"))
    lines = [line[31:] for line in (tmp_path / "mail_logs").read_text().splitlines()[3:]]
    assert lines == [
        "Start MID 101 ICID 55",
        "MID 101 ICID 55 From: <alice@example.net>",
        "MID 101 ICID 55 RID 0 To: <bob@corp.example>",
        "MID 101 Message-ID '<1@example.net>'",
        "MID 101 Subject 'Hello'",
        f"MID 101 ready {len(ABOVE + CONTENT)} bytes from <alice@example.net>",
        "MID 101 matched all recipients for per-recipient policy DEFAULT in the inbound table",
        "TDC: MID 101 with Message-ID '<1@example.net>' enqueued for forwarding to Cisco Secure Email Threat Defense "
        "to the message intake address id@intake.example",
        "MID 101 queued for delivery",
    ]
