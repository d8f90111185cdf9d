"""Whom the listener turned away stands in rows, written with the batch, bounded against floods, kept like tracking."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from seg_console.config import running
from seg_console.gateway.accept import Happening, store
from seg_console.gateway.arrival import Abandoned, Arrival, Relayed, TurnedAway
from seg_console.gateway.listener import Receiving
from seg_console.gateway.planning import Rulebook
from seg_console.gateway.protocol import AbortedMessage, AbortReason, Envelope, ReceivedMessage, Refused
from seg_console.gateway.spool import KEPT, Spool
from seg_console.mail import retention, tracking
from seg_console.mail.models import Message, Refusal, RefusalOverflow, TrackingEvent
from seg_console.mail.refusals import MOST_ROWS, FloodBound
from seg_console.mail.values import RefusalKind
from tests.integration.test_accept import CONTENT, NOW, PEER
from tests.support import running_configuration as configuration
from tests.support.lines_client import dialled
from tests.support.listening import listening

pytestmark = pytest.mark.django_db
ALICE = "alice@example.net"
BOB = "bob@corp.example"
STRANGER = Refused(RefusalKind.RECIPIENT, "X@elsewhere.example", 550, "#5.1.0 Address rejected.")
MINUTE = NOW.replace(second=0)


@pytest.fixture
def committed(db: None) -> None:
    configuration.commit()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], list[str]]:
    """The lines of the mail log so far, without time and level."""
    monkeypatch.setattr(settings, "SEG_MAIL_LOG", tmp_path / "mail_logs")
    return lambda: [line[31:] for line in (tmp_path / "mail_logs").read_text().splitlines()[3:]]


def take(*happenings: Happening, bound: FloodBound | None = None, now: datetime = NOW) -> None:
    rules = Rulebook.of(running.current(), hostname="gw1.corp.example", zone=UTC)
    store(happenings, rules, now=now, bound=bound)


def arrival(mid: int, *refused: Refused) -> Arrival:
    message = ReceivedMessage(
        envelope=Envelope(mid=mid, sender=ALICE, recipients=(BOB,), refused=refused),
        spool=Spool.of(CONTENT),
        helo="client.example.net",
        esmtp=True,
        tls=False,
        body_8bitmime=False,
        declared_size=0,
    )
    return Arrival(PEER, NOW, message)


def abandoned(mid: int, *recipients: str, refused: tuple[Refused, ...] = (), **end: Any) -> Abandoned:
    envelope = Envelope(mid=mid, sender=ALICE, recipients=recipients, refused=refused)
    return Abandoned(PEER, NOW, AbortedMessage(envelope, **{"reason": AbortReason.SENDER, "helo": "c.example"} | end))


def rows(*names: str) -> list[tuple[Any, ...]]:
    return list(Refusal.objects.order_by("pk").values_list(*names))


# -- from the batch to rows


def test_a_refused_recipient_of_an_accepted_message_is_a_row(committed: None) -> None:
    take(arrival(101, STRANGER))
    row = Refusal.objects.get()
    assert Refusal.objects.values().get() == {
        "id": row.pk,
        "at": NOW,
        "kind": "recipient",
        "icid": 55,
        "mid": 101,
        "remote_ip": "192.0.2.10",
        "reverse_dns": "mail.example.net",
        "reverse_dns_verified": True,
        "helo": "client.example.net",
        "sender": ALICE,
        "recipient": "X@elsewhere.example",
        "sender_group": "",
        "code": 550,
        "reply": "#5.1.0 Address rejected.",
    }
    assert Message.objects.get().state == "queued"


ABORTED: dict[str, tuple[Abandoned, list[tuple[Any, ...]]]] = {
    "given up, with recipients": (
        abandoned(7, BOB, "c@corp.example", refused=(STRANGER,)),
        [
            ("recipient", "X@elsewhere.example", 550, "#5.1.0 Address rejected."),
            ("aborted", BOB, 0, ""),
            ("aborted", "c@corp.example", 0, ""),
        ],
    ),
    "nobody but refused ones": (
        abandoned(7, refused=(STRANGER,)),
        [("recipient", "X@elsewhere.example", 550, "#5.1.0 Address rejected.")],
    ),
    "nobody at all": (abandoned(7), [("aborted", "", 0, "")]),
    "too large": (
        abandoned(7, BOB, reason=AbortReason.TOO_BIG, code=552, text="5.3.4 Message size exceeds limit"),
        [("oversize", BOB, 552, "5.3.4 Message size exceeds limit")],
    ),
    "a loop": (abandoned(7, BOB, reason=AbortReason.LOOP, code=554, text="5.4.6"), [("loop", BOB, 554, "5.4.6")]),
    "bare line ends": (
        abandoned(7, BOB, reason=AbortReason.BARE_LINE_END, code=550, text="5.6.0"),
        [("content", BOB, 550, "5.6.0")],
    ),
    "NUL": (
        abandoned(7, BOB, reason=AbortReason.NUL, code=550, text="5.6.0"),
        [("content", BOB, 550, "5.6.0")],
    ),
    "no space": (
        abandoned(7, BOB, reason=AbortReason.NO_SPACE, code=452, text="4.3.1"),
        [("no_space", BOB, 452, "4.3.1")],
    ),
    "timed out": (
        abandoned(7, BOB, reason=AbortReason.TIMED_OUT, code=421, text="4.4.2"),
        [("aborted", BOB, 421, "4.4.2")],
    ),
}


@pytest.mark.parametrize("name", ABORTED)
def test_a_message_that_was_never_received_is_a_row_for_each_recipient(name: str, committed: None) -> None:
    happening, expected = ABORTED[name]
    take(happening)
    assert rows("kind", "recipient", "code", "reply") == expected
    assert set(rows("mid", "sender", "helo")) == {(7, ALICE, "c.example")}


def test_what_came_through_a_relay_was_refused_to_who_sent_it_as_far_as_that_is_known(committed: None) -> None:
    sender = replace(PEER, remote_ip="203.0.113.9", reverse_dns="", verified=False, sender_group="BLOCKED_LIST")
    known = Relayed("EDGE", "Received", sender, "REJECT")
    unknown = Relayed("EDGE", "Received")
    denied = abandoned(7, BOB, reason=AbortReason.DENIED, code=554, text="5.7.1")
    full = abandoned(8, BOB, reason=AbortReason.THROTTLED, code=452, text="4.7.1")
    passed = (replace(arrival(9, STRANGER), relayed=known), replace(arrival(10, STRANGER), relayed=unknown))
    take(replace(denied, relayed=known), replace(full, relayed=known), *passed)
    assert rows("kind", "mid", "recipient", "remote_ip", "sender_group", "helo", "code") == [
        ("host_rejected", 7, BOB, "203.0.113.9", "BLOCKED_LIST", "", 554),
        ("throttled", 8, BOB, "203.0.113.9", "BLOCKED_LIST", "", 452),
        ("recipient", 9, "X@elsewhere.example", "203.0.113.9", "BLOCKED_LIST", "", 550),
        ("recipient", 10, "X@elsewhere.example", "192.0.2.10", "", "client.example.net", 550),
    ]


def test_a_host_and_a_sender_are_rows_without_a_mid_and_make_no_other(committed: None) -> None:
    rejected = Refused(RefusalKind.HOST_REJECTED, "", 554, "5.7.1 Access denied")
    sender = Refused(RefusalKind.INVALID_SENDER, "<alice>", 501, "5.1.7 Bad sender address syntax")
    take(TurnedAway(PEER, NOW, rejected), TurnedAway(PEER, NOW, sender, "c.example"))
    assert rows("kind", "mid", "sender", "recipient", "helo", "code") == [
        ("host_rejected", None, "", "", "", 554),
        ("invalid_sender", None, "<alice>", "", "c.example", 501),
    ]
    assert not Message.objects.exists()
    assert not TrackingEvent.objects.exists()


@pytest.mark.parametrize("text", ["a\x00b", "\x1b[2J\r\n", "é" * 1000, "\u202e\ufeff", "\\x80"])
def test_what_is_no_address_is_stored_whatever_it_holds(text: str, committed: None) -> None:
    no_address = Refused(RefusalKind.INVALID_RECIPIENT, text, 553, "5.6.7 Only ASCII addresses are supported")
    no_sender = Refused(RefusalKind.INVALID_SENDER, text, 553, "5.6.7 Only ASCII addresses are supported")
    take(arrival(101, no_address), TurnedAway(PEER, NOW, no_sender))
    (recipient, _sender), (_recipient, sender) = rows("recipient", "sender")
    assert recipient == sender
    assert len(recipient) <= 320
    assert recipient.isprintable() or text == "\u202e\ufeff"
    assert Message.objects.get().state == "queued"


def test_a_failure_in_a_batch_leaves_no_refusal_and_counts_none(committed: None) -> None:
    bound = FloodBound(most_rows=1)
    with pytest.raises(DatabaseError):
        take(arrival(101, STRANGER), arrival(101), bound=bound)
    assert not Refusal.objects.exists()
    take(arrival(101, STRANGER), bound=bound)
    assert Refusal.objects.count() == 1
    assert not RefusalOverflow.objects.exists()


def test_a_batch_of_refusals_takes_two_queries_more_than_one_without_whatever_its_size(
    django_assert_num_queries: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch, committed: None
) -> None:
    bound = FloodBound(most_rows=5)
    take(arrival(100, STRANGER), bound=bound)  # the first of an hour also makes the hour's counters
    held = running.held()
    monkeypatch.setattr(running, "current", lambda: held)
    with CaptureQueriesContext(connection) as without:
        take(arrival(1), bound=bound)
    assert not [query for query in without if "refusal" in query["sql"]]
    with django_assert_num_queries(len(without) + 1):
        take(arrival(2, STRANGER), bound=bound)
    with django_assert_num_queries(len(without) + 2):
        take(*(arrival(mid, STRANGER, STRANGER) for mid in range(3, 13)), bound=bound)
    assert Refusal.objects.count() == 5
    assert RefusalOverflow.objects.get().more == 17


# -- floods


def test_of_a_flood_a_hundred_rows_a_minute_are_kept_and_the_rest_is_counted(committed: None) -> None:
    bound = FloodBound()
    loop = abandoned(1, BOB, reason=AbortReason.LOOP, code=554, text="5.4.6")
    for batch in range(4):
        refused = (STRANGER,) * 30
        take(TurnedAway(PEER, NOW, STRANGER), abandoned(10 + batch, refused=refused), bound=bound)
    take(loop, now=NOW + timedelta(seconds=1), bound=bound)
    assert Refusal.objects.count() == MOST_ROWS == 100
    assert list(RefusalOverflow.objects.order_by("kind").values_list("minute", "client", "kind", "more")) == [
        (MINUTE, "192.0.2.10", "loop", 1),
        (MINUTE, "192.0.2.10", "recipient", 24),
    ]
    take(arrival(30, STRANGER), now=NOW + timedelta(minutes=1), bound=bound)
    assert Refusal.objects.count() == 101


def test_two_listeners_add_to_the_same_number(committed: None) -> None:
    bounds = FloodBound(most_rows=1), FloodBound(most_rows=1)
    for mid, bound in enumerate(bounds * 2):
        take(arrival(mid, STRANGER, STRANGER), bound=bound)
    assert Refusal.objects.count() == 2
    assert RefusalOverflow.objects.get().more == 6


# -- how long they are kept


def test_refusals_go_with_tracking_in_bounded_steps(committed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    bound = FloodBound(most_rows=7)
    take(arrival(101, *(STRANGER,) * 9), bound=bound)
    late = NOW + timedelta(minutes=1)
    take(TurnedAway(PEER, late, STRANGER), bound=bound, now=late)
    Message.objects.all().delete()
    old = NOW + timedelta(days=retention.TRACKING_DAYS)
    retention.drop_old(old)
    assert (Refusal.objects.count(), RefusalOverflow.objects.count()) == (8, 0)
    after = old + timedelta(seconds=1)
    retention.drop_old(after, batches=1)
    assert Refusal.objects.count() == 5
    retention.drop_old(after)
    assert list(Refusal.objects.values_list("at", flat=True)) == [late]


# -- Message Details


def test_message_details_list_the_refused_recipients_with_their_replies(committed: None) -> None:
    moved = Refused(RefusalKind.RECIPIENT, "gone@corp.example", 553, "Moved.\nWrite to new@corp.example")
    no_address = Refused(RefusalKind.INVALID_RECIPIENT, "<bob", 501, "5.1.3 Bad recipient address syntax")
    take(
        arrival(101, STRANGER, moved, no_address),
        arrival(102),
        abandoned(103, BOB, refused=(STRANGER,), reason=AbortReason.TOO_BIG, code=552, text="5.3.4"),
    )
    shown = {mid: tracking.details(mid) for mid in (101, 102, 103)}
    told = {mid: [(each.address, each.reply) for each in found.refused] for mid, found in shown.items() if found}
    stranger = ("X@elsewhere.example", "550 #5.1.0 Address rejected.")
    assert told == {
        101: [
            stranger,
            ("gone@corp.example", "553 Moved. Write to new@corp.example"),
            ("<bob", "501 5.1.3 Bad recipient address syntax"),
        ],
        102: [],
        103: [stranger],
    }


# -- as clients meet it


def converse(port: int, *lines: bytes) -> bytes:
    """Say everything at once; what the gateway said up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"".join(line + b"\r\n" for line in lines))
        return b"".join(iter(lambda: client.recv(10_000), b""))


def ehlo_and_leave(port: int) -> None:
    """Begin a message and hang up."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(HELO + b"\r\n" + FROM_ALICE + b"\r\n" + TO_BOB + b"\r\n")
        said = b""
        while b"recipient <bob@corp.example> ok" not in said:
            said += client.recv(1000)


HELO = b"HELO client.example"
FROM_ALICE = b"MAIL FROM:<alice@example.net>"
TO_BOB = b"RCPT TO:<bob@corp.example>"
TO_STRANGER = b"RCPT TO:<x@elsewhere.example>"
LOOP = b"Received: from a by b; Mon, 23 Nov 2026 16:40:12 +0000\r\n" * 100 + b"\r\n."
OPENED = "New SMTP ICID 1 interface Data 1 (127.0.0.1) address 127.0.0.1 reverse dns host localhost verified yes"
ACCEPTED = [OPENED, "ICID 1 ACCEPT SG None match ALL SBRS not enabled"]
BEGUN = ["Start MID 1 ICID 1", "MID 1 ICID 1 From: <alice@example.net>"]
TO_RID_0 = "MID 1 ICID 1 RID 0 To: <bob@corp.example>"
END = ["Message finished MID 1 done", "ICID 1 close"]
NO_ADDRESS = "5.1.3 Bad recipient address syntax"


@dataclass(frozen=True)
class Case:
    """What is said, the rows that come of it (kind, MID, HELO, sender, recipient, code, reply) and all log lines."""

    said: tuple[bytes, ...]
    rows: tuple[tuple[str, int | None, str, str, str, int, str], ...]
    log: list[str]
    group: dict[str, Any] = field(default_factory=dict)
    listener: dict[str, Any] = field(default_factory=dict)


def in_transaction(kind: str, recipient: str, code: int, reply: str) -> tuple[str, int, str, str, str, int, str]:
    return kind, 1, "client.example", ALICE, recipient, code, reply


CASES = {
    "recipients, none accepted": Case(
        (HELO, FROM_ALICE, TO_STRANGER, b"RCPT TO:<nobody>", b"QUIT"),
        (
            in_transaction("recipient", "x@elsewhere.example", 550, "#5.1.0 Address rejected."),
            in_transaction("invalid_recipient", "<nobody>", 501, NO_ADDRESS),
        ),
        [
            *ACCEPTED,
            *BEGUN,
            "MID 1 ICID 1 To: <x@elsewhere.example> Rejected by RAT",
            "ICID 1 MID 1 Invalid recipient address: '<nobody>'",
            "Message aborted MID 1 Receiving aborted by sender",
            *END,
        ],
    ),
    "recipients beside an accepted one, then too many": Case(
        (
            HELO,
            FROM_ALICE,
            TO_STRANGER,
            TO_BOB,
            TO_BOB,
            b"RCPT TO:<c@corp.example>",
            b"RCPT TO:<d@corp.example>",
            b"QUIT",
        ),
        (
            in_transaction("recipient", "x@elsewhere.example", 550, "#5.1.0 Address rejected."),
            in_transaction("throttled", "bob@corp.example", 452, "4.7.1 Too many recipients received this hour"),
            in_transaction("throttled", "c@corp.example", 452, "4.7.1 Too many recipients received this hour"),
            in_transaction("too_many", "d@corp.example", 452, "4.5.3 Too many recipients"),
            in_transaction("aborted", "bob@corp.example", 0, ""),
        ),
        [
            *ACCEPTED,
            *BEGUN,
            TO_RID_0,
            "MID 1 ICID 1 To: <x@elsewhere.example> Rejected by RAT",
            "MID 1 ICID 1 To: <bob@corp.example> Rejected by Receiving Control",
            "MID 1 ICID 1 To: <c@corp.example> Rejected by Receiving Control",
            "Message aborted MID 1 Receiving aborted by sender",
            *END,
        ],
        group={"max_recipients_per_hour": 1, "max_recipients": 3},
    ),
    "a parameter of RCPT, which the log does not mention": Case(
        (HELO, FROM_ALICE, TO_BOB + b" NOTIFY=NEVER", b"QUIT"),
        (in_transaction("parameter", "bob@corp.example", 555, "5.5.4 Parameter not supported"),),
        [*ACCEPTED, *BEGUN, "Message aborted MID 1 Receiving aborted by sender", *END],
    ),
    "senders": Case(
        (HELO, b"MAIL FROM:<alice>", FROM_ALICE + b" SIZE=99999999999", FROM_ALICE + b" X=1", b"QUIT"),
        (
            ("invalid_sender", None, "client.example", "<alice>", "", 501, "5.1.7 Bad sender address syntax"),
            ("oversize", None, "client.example", ALICE, "", 552, "5.3.4 Message size exceeds limit"),
            ("parameter", None, "client.example", ALICE, "", 555, "5.5.4 Parameter not supported"),
        ),
        [*ACCEPTED, "ICID 1 Invalid sender address: '<alice>'", "ICID 1 close"],
    ),
    "too large": Case(
        (HELO, FROM_ALICE, TO_BOB, b"DATA", b"x" * 100_001, b".", b"QUIT"),
        (in_transaction("oversize", "bob@corp.example", 552, "5.3.4 Message size exceeds limit"),),
        [*ACCEPTED, *BEGUN, TO_RID_0, "Message aborted MID 1 Message size exceeds limit", *END],
        listener={"max_message_size": 100_000},
    ),
    "bare line ends": Case(
        (HELO, FROM_ALICE, TO_BOB, b"DATA", b"a\nb", b".", b"QUIT"),
        (in_transaction("content", "bob@corp.example", 550, "5.6.0 Message contains bare CR or LF"),),
        [*ACCEPTED, *BEGUN, TO_RID_0, "Message aborted MID 1 Bare CR or LF in message", *END],
        listener={"bare_line_ends": "reject"},
    ),
    "NUL": Case(
        (HELO, FROM_ALICE, TO_BOB, b"DATA", b"a\0b", b".", b"QUIT"),
        (in_transaction("content", "bob@corp.example", 550, "5.6.0 Message contains NUL"),),
        [*ACCEPTED, *BEGUN, TO_RID_0, "Message aborted MID 1 NUL in message", *END],
        listener={"bare_line_ends": "reject"},
    ),
    "a sender by an address for health checks": Case(
        (HELO, FROM_ALICE + b" X=1", b"QUIT"),
        (("parameter", None, "client.example", ALICE, "", 555, "5.5.4 Parameter not supported"),),
        [*ACCEPTED, "ICID 1 close"],
        listener={"health_checks": ["127.0.0.1"]},
    ),
    "a loop": Case(
        (HELO, FROM_ALICE, TO_BOB, b"DATA", LOOP, b"QUIT"),
        (
            in_transaction(
                "loop", "bob@corp.example", 554, "5.4.6 Too many hops, the message is going round in a circle"
            ),
        ),
        [
            *ACCEPTED,
            "ICID 1 Receiving Failed: Message loop",
            *BEGUN,
            TO_RID_0,
            "Message aborted MID 1 Message loop",
            *END,
        ],
    ),
    "a rejected host": Case(
        (),
        (("host_rejected", None, "", "", "", 554, "Write to postmaster@corp.example"),),
        [OPENED, "ICID 1 REJECT SG None match ALL SBRS not enabled", "ICID 1 close"],
        group={"action": "reject", "response": "Write to postmaster@corp.example"},
    ),
    "a refused host": Case(
        (),
        (("host_refused", None, "", "", "", 0, ""),),
        [OPENED, "ICID 1 TCPREFUSE SG None match ALL SBRS not enabled", "ICID 1 close"],
        group={"action": "refuse"},
    ),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", CASES)
def test_who_is_turned_away_is_found_with_what_was_said_and_the_log_reads_as_before(
    name: str, log: Callable[[], list[str]]
) -> None:
    case = CASES[name]
    configuration.commit(host_access=[{"name": "ALL", **case.group}], listener=case.listener)
    with listening() as port:
        said = converse(port, *case.said).decode("ascii").replace("\r\n", "\n")
    assert rows("kind", "mid", "helo", "sender", "recipient", "code", "reply") == list(case.rows)
    assert set(rows("icid", "remote_ip", "reverse_dns", "sender_group")) == {(1, "127.0.0.1", "localhost", "")}
    assert log() == case.log
    assert [reply for *_, code, reply in case.rows if code and f"{code} {reply}\n" not in said] == []


@pytest.mark.django_db(transaction=True)
def test_a_client_that_hangs_up_leaves_the_recipients_it_had_named() -> None:
    configuration.commit()
    with listening() as port:
        ehlo_and_leave(port)
    assert rows("kind", "mid", "recipient", "code") == [("aborted", 1, BOB, 0)]


@pytest.mark.django_db(transaction=True)
def test_the_message_too_many_and_a_sender_in_clear_are_found(tmp_path: Path) -> None:
    configuration.commit(
        host_access=[{"name": "ONE", "entries": ["127.0.0.1"], "max_messages_per_connection": 1, "tls": "required"}]
    )
    context = ssl._create_unverified_context()
    with listening(tls_folder=tmp_path / "tls") as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo("client.example")
        assert client.mail("early@example.net")[0] == 530
        client.starttls(context=context)
        client.ehlo("client.example")
        client.sendmail(ALICE, [BOB], "Subject: x\n\nx\n")
        assert client.docmd("MAIL", "FROM:<late@example.net>")[0] == 421
    assert rows("kind", "sender", "code", "reply", "sender_group", "helo") == [
        ("tls_missing", "early@example.net", 530, "5.7.0 Must issue a STARTTLS command first", "ONE", "client.example"),
        (
            "message_limit",
            "late@example.net",
            421,
            "4.7.0 Too many messages in this connection, open another one",
            "ONE",
            "client.example",
        ),
    ]


LIMITS: dict[str, tuple[dict[str, Any], str]] = {
    "of the listener": ({"listener": {"max_connections_per_client": 1}}, ""),
    "of the group": (
        {"host_access": [{"name": "SLOW", "entries": ["127.0.0.1"], "max_connections_per_client": 1}]},
        "SLOW",
    ),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", LIMITS)
def test_a_connection_too_many_is_found(name: str, log: Callable[[], list[str]]) -> None:
    changes, group = LIMITS[name]
    configuration.commit(**changes)
    with listening() as port, smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        assert converse(port) == b"421 4.7.0 Too many connections, try again later\r\n"
    assert rows("kind", "icid", "mid", "remote_ip", "reverse_dns", "sender_group", "code", "reply") == [
        (
            "connection_limit",
            2,
            None,
            "127.0.0.1",
            "localhost",
            group,
            421,
            "4.7.0 Too many connections, try again later",
        )
    ]
    assert log().count("ICID 2 Receiving Failed: Connection limit exceeded") == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("proxies", "sent", "answer", "code"),
    [
        (["203.0.113.1"], b"", "421 4.7.0 Connections are taken from the proxy only", 421),
        (["127.0.0.1"], b"EHLO client.example\r\n", "", 0),
    ],
)
def test_whoever_comes_past_the_proxy_is_found(
    log: Callable[[], list[str]], proxies: list[str], sent: bytes, answer: str, code: int
) -> None:
    configuration.commit(listener={"proxies": proxies, "proxy_protocol": True})
    with listening() as port, dialled(port) as client:
        assert (client.say(sent) if sent else client.hear()) == answer
    assert rows("kind", "icid", "mid", "remote_ip", "code", "reply") == [
        ("not_proxied", 1, None, "127.0.0.1", code, answer[4:])
    ]
    assert log() == ["ICID 1 Receiving Failed: No PROXY header from 127.0.0.1"]


@pytest.mark.django_db(transaction=True)
def test_a_client_that_a_proxy_names_is_turned_away_under_its_own_address() -> None:
    blocked = {"name": "BLOCKED_LIST", "entries": ["127.9.9.9"], "action": "reject"}
    slow = {"name": "SLOW", "entries": ["127.8.8.8"], "max_connections_per_client": 1}
    configuration.commit(listener={"proxies": ["127.0.0.1"], "xclient": True}, host_access=[blocked, slow])
    with listening() as port, dialled(port) as first, dialled(port) as second:
        for proxy in (first, second):
            proxy.hear()
        assert first.say(b"XCLIENT ADDR=127.8.8.8\r\n").startswith("220 ")
        assert second.say(b"XCLIENT ADDR=127.8.8.8\r\n") == "421 4.7.0 Too many connections, try again later"
        assert first.say(b"XCLIENT ADDR=127.9.9.9\r\n") == "554 5.7.1 Access denied"
    assert rows("kind", "icid", "mid", "remote_ip", "sender_group", "code") == [
        ("connection_limit", 2, None, "127.8.8.8", "SLOW", 421),
        ("host_rejected", 1, None, "127.9.9.9", "BLOCKED_LIST", 554),
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("changes", [{"action": "reject"}, {"action": "refuse"}])
def test_a_probe_that_is_turned_away_leaves_nothing(changes: dict[str, Any]) -> None:
    configuration.commit(listener={"health_checks": ["127.0.0.1"]}, host_access=[{"name": "ALL", **changes}])
    with listening() as port:
        converse(port)
    assert rows("kind") == []


@pytest.mark.django_db(transaction=True)
def test_who_finds_no_memory_is_found() -> None:
    configuration.commit()
    receiving = Receiving(settings.SEG_DATA_DIR, most_memory=KEPT)
    with listening(receiving=receiving) as port, dialled(port) as first, dialled(port) as second:
        for client in (first, second):
            client.hear()
            for line in (HELO, FROM_ALICE, TO_BOB):
                client.say(line + b"\r\n")
        assert first.say(b"DATA\r\n").startswith("354 ")
        assert second.say(b"DATA\r\n") == "452 4.3.1 Insufficient system storage, try again later"
        assert converse(port) == b"421 4.7.0 Too many connections, try again later\r\n"
        assert first.say(b"x\r\n.\r\n").startswith("250 ")
        second.say(b"QUIT\r\n")
    assert rows("kind", "recipient", "code", "reply") == [
        ("connection_limit", "", 421, "4.7.0 Too many connections, try again later"),
        ("no_space", BOB, 452, "4.3.1 Insufficient system storage, try again later"),
    ]


@pytest.mark.django_db(transaction=True)
def test_a_flood_over_many_connections_leaves_a_hundred_rows_and_the_number_of_the_rest() -> None:
    configuration.commit(host_access=[{"name": "ALL", "action": "reject"}])
    began = timezone.now()
    with listening() as port:
        for _connection in range(150):
            assert converse(port).startswith(b"554 ")
    kept = Refusal.objects.count()
    assert kept + sum(RefusalOverflow.objects.values_list("more", flat=True)) == 150
    # Where a minute ended meanwhile the next began anew.
    assert kept == 100 or timezone.now().minute != began.minute
