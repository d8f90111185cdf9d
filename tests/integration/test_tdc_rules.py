"""The connector's whole retry table against real servers: rows, counters and the exact lines (TDC reference 6, 9)."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from seg_console.delivery import queue
from seg_console.delivery.kinds import Destination
from seg_console.delivery.models import Delivery, HostStatus
from seg_console.mail.models import Message, Recipient, TrackingEvent
from tests.support.deliveries import INTAKE, accept, configure, copies, counters, drain, log_texts, make_due, route
from tests.support.dns_server import Answer, dns_server
from tests.support.smtp_remote import Action, Remote, Script, authority, smtp_remote

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis", "_empty_log")]

TDC = Destination("tdc", "intake.example")
ONE_CONNECTION = [{"domain": "intake.example", "max_connections": 1}]
UNCONFIRMED = (
    "TDC: MID 1 delivery to Cisco Secure Email Threat Defense unconfirmed: "
    "no reply after the end of the message, it may have arrived."
)
DELIVERED = "TDC: MID 1 successfully delivered for scanning with Cisco Secure Email Threat Defense."
GIVEN_UP = "TDC: MID 1 delivery failed to Cisco Secure Email Threat Defense: Hard Bounced."
BOUNCED = "Bounced: DCID D MID 1 to RID 0 - Bounced by destination server with response: "
OPENED = "TDC: New SMTP DCID D interface 127.0.0.1 address 127.0.0.1 port P"
SECURED = "DCID D TLS success protocol TLSv1.3 cipher TLS_AES_256_GCM_SHA384"
STARTED = "TDC: Delivery start DCID D MID 1"
FINISHED = "Message finished MID 1 done"
CLOSED = "DCID D close"


@pytest.fixture
def _empty_log() -> None:
    settings.SEG_MAIL_LOG.unlink(missing_ok=True)


@dataclass(frozen=True)
class Case:
    """What the intake does, and what each attempt leaves: lines, and counters after the last."""

    script: Script
    attempts: Sequence[Sequence[str]]
    counters: dict[str, int]
    state: str = "bounced"


def hard(tail: str) -> list[str]:
    return [f"TDC: Hard bounced - {tail}", GIVEN_UP, BOUNCED + tail, FINISHED]


def unconfirmed(tail: str) -> list[str]:
    return [UNCONFIRMED, BOUNCED + tail, FINISHED]


def delayed(tail: str) -> str:
    return f"TDC: Delayed: DCID D MID 1 to RID 0 - {tail}"


def retried(step: str, reply: str, status: str, wording: str) -> Case:
    """A reply that is retried once."""
    code, text = reply.split(" ", 1)
    tail = f".{status} - {wording} ('{code}', ['{text}'])"
    begun = [OPENED, SECURED, STARTED]
    return Case(
        {step: reply},
        [[*begun, delayed("4" + tail), CLOSED], [*begun, *hard("5" + tail), CLOSED]],
        {"soft_bounced": 1, "reply_hard_bounced" if code[0] == "5" else "other_hard_bounced": 1},
    )


def refused(step: str, reply: str, status: str, wording: str) -> Case:
    """A reply that is final."""
    code, text = reply.split(" ", 1)
    tail = f"5.{status} - {wording} ('{code}', ['{text}'])"
    return Case({step: reply}, [[OPENED, SECURED, STARTED, *hard(tail), CLOSED]], {"reply_hard_bounced": 1})


OTHER = ("3.0", "Other mail system problem")
ADDRESS = ("1.0", "Unknown address error")
REPLIES = {
    "451 after the body": retried("CONTENT", "451 4.3.0 later", *OTHER),
    "452 at MAIL": retried("MAIL", "452 4.3.1 full", *OTHER),
    "450 at RCPT": retried("RCPT", "450 4.2.1 busy", "2.1", "Mailbox disabled"),
    "450 at RCPT without a status": retried("RCPT", "450 busy", *ADDRESS),
    "452 at RCPT": retried("RCPT", "452 enough", "5.3", "Too many recipients"),
    "503 at DATA": retried("DATA", "503 5.5.1 sequence", *OTHER),
    "552 after the body": retried("CONTENT", "552 5.2.2 over quota", *OTHER),
    "421 at MAIL": retried("MAIL", "421 4.3.2 going", "3.2", "Not accepting messages at this time"),
    "550 at RCPT": refused("RCPT", "550 5.1.1 nobody", *ADDRESS),
    "554 after the body": refused("CONTENT", "554 5.7.1 no", *OTHER),
    "550 at MAIL": refused("MAIL", "550 5.7.1 no", *OTHER),
    "lost before the final dot": Case(
        {"DATA": Action.DROP},
        [
            [OPENED, SECURED, STARTED, delayed("4.4.1 - No answer from host ('000', ['EOF'])"), CLOSED],
            [OPENED, SECURED, STARTED, *hard("5.4.1 - No answer from host ('000', ['EOF'])"), CLOSED],
        ],
        {"soft_bounced": 1, "other_hard_bounced": 1},
    ),
    "lost after the final dot": Case(
        {"CONTENT": Action.TAKE_AND_DROP},
        [
            [OPENED, SECURED, STARTED, delayed("4.4.2 - Bad connection ('000', ['EOF'])"), CLOSED],
            [OPENED, SECURED, STARTED, *unconfirmed("5.4.2 - Bad connection ('000', ['EOF'])"), CLOSED],
        ],
        {"soft_bounced": 1, "other_hard_bounced": 1, "unconfirmed": 1},
    ),
    "lost after the final dot, then refused for good": Case(
        {"CONTENT": [Action.TAKE_AND_DROP, "554 5.7.1 no"]},
        [
            [OPENED, SECURED, STARTED, delayed("4.4.2 - Bad connection ('000', ['EOF'])"), CLOSED],
            [
                *(OPENED, SECURED, STARTED),
                *unconfirmed("5.3.0 - Other mail system problem ('554', ['5.7.1 no'])"),
                CLOSED,
            ],
        ],
        {"soft_bounced": 1, "reply_hard_bounced": 1, "unconfirmed": 1},
    ),
    "lost after the final dot, then taken": Case(
        {"CONTENT": [Action.TAKE_AND_DROP, "250 2.0.0 Ok"]},
        [
            [OPENED, SECURED, STARTED, delayed("4.4.2 - Bad connection ('000', ['EOF'])"), CLOSED],
            [OPENED, SECURED, STARTED, DELIVERED, FINISHED, CLOSED],
        ],
        {"soft_bounced": 1, "delivered": 1},
        state="delivered",
    ),
    "451 once": Case(
        {"CONTENT": ["451 4.3.0 later", "250 2.0.0 Ok"]},
        [
            [OPENED, SECURED, STARTED, delayed("4.3.0 - Other mail system problem ('451', ['4.3.0 later'])"), CLOSED],
            [OPENED, SECURED, STARTED, DELIVERED, FINISHED, CLOSED],
        ],
        {"soft_bounced": 1, "delivered": 1},
        state="delivered",
    ),
}


@pytest.mark.parametrize("case", REPLIES.values(), ids=REPLIES.keys())
def test_each_answer_of_the_intake_has_its_rows_counters_and_lines(case: Case, tmp_path: Path) -> None:
    with smtp_remote(case.script, tls=authority().server(tmp_path, "intake.example")) as remote:
        _configure(remote.port)
        accept(intake=INTAKE, original=False)
        before = len(log_texts())
        for number, expected in enumerate(case.attempts, start=1):
            drain(TDC, name="tdc")
            lines = _plain(log_texts()[before:], remote)
            before = len(log_texts())
            assert lines == list(expected)
            row = Delivery.objects.get()
            last = number == len(case.attempts)
            assert (row.state, row.attempt) == (case.state if last else "queued", number)
            if not last:
                delayed_at = TrackingEvent.objects.filter(kind="delayed").latest("pk").at
                assert row.due_at - delayed_at == timedelta(seconds=60)
                make_due()
        drain(TDC, name="tdc")
    assert counters(TDC) == case.counters
    assert copies() == _copies(case.counters)
    assert Message.objects.count() == 1  # no report to anybody
    assert Message.objects.get().outstanding == 0
    assert Recipient.objects.get().state == "queued"  # the copy is no recipient's business


TLS_FAILED = "TDC: MID 1 delivery failed to Cisco Secure Email Threat Defense:TLS Error."
NOT_NEGOTIATED = "DCID D IP 127.0.0.1 TLS was required but could not be successfully negotiated"


@pytest.mark.parametrize("fault", ["not offered", "refused", "handshake", "certificate", "expired", "name"])
def test_a_tls_failure_of_any_kind_is_final_and_never_clear_text(fault: str, tmp_path: Path) -> None:
    ca = authority()
    context = ca.server(tmp_path, "other.example" if fault == "name" else "intake.example", expired=fault == "expired")
    scripts: dict[str, Script] = {
        "refused": {"STARTTLS": "454 4.7.0 not now"},
        "handshake": {"STARTTLS": Action.NO_HANDSHAKE},
    }
    script = scripts.get(fault, {})
    with smtp_remote(script, tls=None if fault == "not offered" else context) as remote:
        _configure(remote.port, trust="" if fault == "certificate" else ca.pem)
        accept(intake=INTAKE, original=False)
        before = len(log_texts())
        drain(TDC, name="tdc")
    detail = "DCID D TLS failed: STARTTLS unexpected response" if fault == "refused" else NOT_NEGOTIATED
    assert _plain(log_texts()[before:], remote) == [OPENED, detail, CLOSED, TLS_FAILED, FINISHED]
    row = Delivery.objects.get()
    assert (row.state, row.attempt) == ("bounced", 1)
    assert counters(TDC) == {"other_hard_bounced": 1}
    assert remote.taken == []
    assert HostStatus.objects.get().last_tls_text


def test_an_unverified_intake_is_taken_when_the_check_is_switched_off(tmp_path: Path) -> None:
    with smtp_remote(tls=authority().server(tmp_path, "other.example")) as remote:
        _configure(remote.port, trust="", verify=False)
        accept(intake=INTAKE, original=False)
        drain(TDC, name="tdc")
    assert len(remote.taken) == 1


def test_an_intake_that_refuses_connections_costs_one_copy_an_attempt_and_the_others_none() -> None:
    port = _closed_port()
    _configure(port, limit=None)
    for _ in range(5):
        accept(intake=INTAKE, original=False)
    drain(TDC, name="tdc")
    assert sorted(Delivery.objects.values_list("state", "attempt")) == [("queued", 0)] * 4 + [("queued", 1)]
    host = HostStatus.objects.get()
    assert host.status == "down"
    assert host.next_probe_at is not None
    assert queue.due(timezone.now()) == []
    line = (
        "TDC: Connection Error: DCID 1 domain: the.tdc.queue IP: 127.0.0.1 port: P details: "
        "[Errno 111] Connection refused interface: 127.0.0.1 reason: network error"
    )
    assert line in [text.replace(f"port: {port}", "port: P") for text in log_texts()]


def test_a_host_that_is_down_gets_one_probe_at_a_time() -> None:
    _configure(_closed_port(), limit=None)
    for _ in range(5):
        accept(intake=INTAKE, original=False)
    drain(TDC, name="tdc")
    Delivery.objects.filter(attempt=1).update(due_at=timezone.now())
    HostStatus.objects.update(next_probe_at=timezone.now())
    drain(TDC, name="tdc")
    assert sum(Delivery.objects.values_list("attempt", flat=True)) == 2
    assert sum(text.startswith("TDC: Connection Error") for text in log_texts()) <= 4


def test_copies_that_waited_for_a_dead_intake_go_out_when_it_is_back(tmp_path: Path) -> None:
    port = _closed_port()
    _configure(port, limit=None)
    for _ in range(5):
        accept(intake=INTAKE, original=False)
    drain(TDC, name="tdc")
    with smtp_remote(tls=authority().server(tmp_path, "intake.example"), port=port) as remote:
        make_due()
        drain(TDC, name="tdc")
    assert len(remote.taken) == 5
    assert HostStatus.objects.get().status == "up"


def test_an_unknown_domain_is_a_hard_bounce_at_once() -> None:
    with dns_server({("corp.example", "A"): ["127.0.0.1"]}) as resolver:
        configure(dns={"servers": [{"host": "127.0.0.1", "port": resolver.port}], "timeout": 2})
        accept(intake=INTAKE, original=False)
        before = len(log_texts())
        drain(TDC, name="tdc")
    tail = "5.1.2 - Bad destination host ('000', ['DNS Hard Error looking up intake.example (MX) : NXDomain'])"
    assert log_texts()[before:] == [
        "DNS Error intake.example MX - NXDomain",
        f"TDC: Hard bounced - {tail}",
        GIVEN_UP,
        f"Bounced: DCID 0 MID 1 to RID 0 - Bounced by destination server with response: {tail}",
        FINISHED,
    ]
    assert Delivery.objects.get().state == "bounced"
    assert counters(TDC) == {"dns_hard_bounced": 1}


def test_every_copy_for_an_unknown_domain_gets_the_same_answer_at_once() -> None:
    with dns_server({}) as resolver:
        configure(dns={"servers": [{"host": "127.0.0.1", "port": resolver.port}], "timeout": 2})
        for _ in range(30):
            accept(intake=INTAKE, original=False)
        drain(TDC, name="tdc")
    assert list(Delivery.objects.values_list("state", "attempt").distinct()) == [("bounced", 1)]
    assert counters(TDC) == {"dns_hard_bounced": 30}


def test_a_resolver_without_an_answer_is_retried_once() -> None:
    with dns_server({("intake.example", "MX"): Answer.SERVFAIL}) as resolver:
        configure(dns={"servers": [{"host": "127.0.0.1", "port": resolver.port}], "timeout": 1})
        accept(intake=INTAKE, original=False)
        drain(TDC, name="tdc")
        assert Delivery.objects.get().state == "queued"
        make_due()
        drain(TDC, name="tdc")
    assert (Delivery.objects.get().state, Delivery.objects.get().attempt) == ("bounced", 2)
    assert "DNS Temporary Failure intake.example MX - ServFail" in log_texts()
    assert counters(TDC) == {"soft_bounced": 1, "dns_hard_bounced": 1}


def test_a_copy_older_than_120_seconds_is_never_sent(tmp_path: Path) -> None:
    with smtp_remote(tls=authority().server(tmp_path, "intake.example")) as remote:
        _configure(remote.port)
        accept(intake=INTAKE, original=False, now=timezone.now() - timedelta(seconds=121))
        before = len(log_texts())
        drain(TDC, name="tdc")
        assert remote.connections == 0
        assert queue.expire(timezone.now()) == 1
    tail = "5.4.7 - Delivery expired (message too old) ('000', ['timeout'])"
    assert [text.replace("DCID 0", "DCID D") for text in log_texts()[before:]] == hard(tail)
    assert (Delivery.objects.get().state, Delivery.objects.get().attempt) == ("expired", 0)
    assert counters(TDC) == {"expired_hard_bounced": 1}


def test_a_copy_that_waits_for_its_retry_expires_with_its_life(tmp_path: Path) -> None:
    now = timezone.now()
    accept(intake=INTAKE, original=False, now=now - timedelta(seconds=119))
    Delivery.objects.update(due_at=now + timedelta(seconds=60))
    assert queue.expire(now) == 0
    assert queue.expire(now + timedelta(seconds=1)) == 1


def test_a_retry_has_the_same_outer_message_id(tmp_path: Path) -> None:
    script: Script = {"CONTENT": [Action.TAKE_AND_DROP, "250 Ok"]}
    with smtp_remote(script, tls=authority().server(tmp_path, "intake.example")) as remote:
        _configure(remote.port)
        accept(intake=INTAKE, original=False)
        drain(TDC, name="tdc")
        make_due()
        drain(TDC, name="tdc")
    first, second = (re.findall(rb"^Message-ID: .*", each.content, re.M)[0] for each in remote.taken)
    assert first == second


def test_eight_bit_content_goes_as_it_is_to_an_intake_that_does_not_offer_it(tmp_path: Path) -> None:
    content = "Subject: x\r\n\r\nGrüße\r\n".encode()
    with smtp_remote(tls=authority().server(tmp_path, "intake.example"), offers=("SIZE",)) as remote:
        _configure(remote.port)
        accept(intake=INTAKE, original=False, content=content)
        drain(TDC, name="tdc")
    assert content in remote.taken[0].content
    assert "BODY=" not in remote.taken[0].mail_line
    assert Delivery.objects.get().state == "delivered"


@pytest.mark.parametrize("trouble", ["closed", "refuses", "hangs"])
def test_the_original_is_unaffected_by_the_intakes_trouble(trouble: str, tmp_path: Path) -> None:
    with ExitStack() as servers:
        mailbox = servers.enter_context(smtp_remote())
        scripts: dict[str, Script] = {"refuses": {"CONNECT": "554 no"}, "hangs": {"CONNECT": Action.HANG}}
        intake = servers.enter_context(smtp_remote(scripts.get(trouble, {})))
        port = _closed_port() if trouble == "closed" else intake.port
        configure(smtp_routes=[route("corp.example", mailbox.port), route("intake.example", port)])
        accept(intake=INTAKE)
        drain(Destination("ordinary", "corp.example"))
    assert len(mailbox.taken) == 1
    assert Recipient.objects.get().state == "delivered"
    assert Message.objects.get().outstanding == 1
    assert Delivery.objects.get(kind="tdc").attempt == 0


def test_only_the_success_is_meant_for_the_tracking_page(tmp_path: Path) -> None:
    with smtp_remote(tls=authority().server(tmp_path, "intake.example")) as remote:
        _configure(remote.port)
        mid = accept(intake=INTAKE, original=False)
        drain(TDC, name="tdc")
    assert list(
        TrackingEvent.objects.filter(message=mid, kind="delivered").values_list("data__connector", flat=True)
    ) == [True]


def _copies(counted: dict[str, int]) -> dict[str, int]:
    """What the hourly counters of copies must hold beside these of the destination."""
    unconfirmed, delivered = counted.get("unconfirmed", 0), counted.get("delivered", 0)
    found = {
        "copies_queued": 1,
        "copies_delayed": counted.get("soft_bounced", 0),
        "copies_delivered": delivered,
        "copies_unconfirmed": unconfirmed,
        "copies_failed": 1 - unconfirmed - delivered,
    }
    return {name: count for name, count in found.items() if count}


def _configure(port: int, *, trust: str | None = None, verify: bool = True, limit: int | None = 1) -> None:
    configure(
        smtp_routes=[route("intake.example", port)],
        destination_controls=[{"domain": "intake.example", "max_connections": limit}] if limit else [],
        threat_defense_connector={
            "ca_certificates": authority().pem if trust is None else trust,
            "verify_certificate": verify,
        },
    )


def _plain(lines: Sequence[str], remote: Remote) -> list[str]:
    """Without what differs from run to run."""
    return [re.sub(r"DCID \d+", "DCID D", line).replace(f"port {remote.port}", "port P") for line in lines]


def _closed_port() -> int:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return int(closed.getsockname()[1])
