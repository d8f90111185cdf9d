"""Test Connection: what a worker tries, what is kept of it, and the pages that ask and look."""

from __future__ import annotations

import asyncio
import gc
import ssl
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from kombu.exceptions import OperationalError
from redis import Redis

from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.audit.models import Act, Entry
from seg_console.config import document, pending
from seg_console.delivery import cancelling, rehearsal
from seg_console.delivery.connections import Limits
from seg_console.delivery.kinds import Terms, Timeouts
from seg_console.delivery.models import Delivery
from seg_console.delivery.nexthop import NextHop, Resolver
from seg_console.delivery.rehearsal import Plan, Rehearsal, Step, Told
from seg_console.delivery.session import Envelope
from seg_console.delivery.tls import TlsDemand, TlsMode, context_for
from tdc.models import ConnectorSettings
from tdc.test_connection import run
from tests.support.certificates import der, in_document, made
from tests.support.deliveries import configure, route
from tests.support.pages import htmx, person, signed_in
from tests.support.smtp_remote import Action, Remote, authority, smtp_remote

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]
INTAKE = "id@intake.example"
CUSTOM = "id2@second.example"
START = "/security-services/threat-defense-connector/test/"


class Sent:
    """What was handed to Celery, in place of a broker's worker; `begin` does what the worker would."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, list[Any], dict[str, Any]]] = []
        self.fails = False

    def send_task(self, name: str, args: list[Any], **options: Any) -> None:
        if self.fails:
            raise OperationalError("no broker")
        self.tasks.append((name, args, options))

    def begin(self) -> uuid.UUID:
        (_name, (key, configuration), _options) = self.tasks.pop()
        run.run(uuid.UUID(key), configuration)
        return uuid.UUID(key)


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    stand_in = Sent()
    monkeypatch.setattr(run, "_publisher", lambda: stand_in)
    return stand_in


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Remote]:
    with smtp_remote(tls=authority().server(tmp_path, "intake.example")) as remote:
        configured(remote.port)
        yield remote


def configured(port: int, **connector: Any) -> None:
    configure(
        smtp_routes=[route("intake.example", port), route("second.example", port)],
        threat_defense_connector={
            "enabled": True,
            "message_intake_address": INTAKE,
            "ca_certificates": authority().pem,
            **connector,
        },
        default_policy={"threat_defense_connector": {"mode": "custom", "address": CUSTOM}},
    )


@pytest.fixture
def user() -> User:
    return person(name="ann")


def outcome_of(sent: Sent, address: str = INTAKE, *, sends_copy: bool = False) -> run.Report:
    run.ask(address, configuration=pending.committed(), sends_copy=sends_copy)
    report = run.found(sent.begin())
    assert report is not None
    return report


def steps(report: run.Report) -> list[tuple[str, bool]]:
    return [(step["step"], step["ok"]) for step in report.steps]


ALL_WELL = ["resolve", "connect", "banner", "ehlo", "starttls", "ehlo_again", "mail", "rcpt", "quit"]


def test_every_step_is_told_with_what_the_server_said(sent: Sent, intake: Remote) -> None:
    report = outcome_of(sent)
    assert steps(report) == [(name, True) for name in ALL_WELL]
    texts = {step["step"]: step["text"] for step in report.steps}
    assert texts["resolve"] == f"127.0.0.1:{intake.port}"
    assert texts["banner"] == "220 remote.test ESMTP"
    assert texts["starttls"].startswith("TLSv1.3, TLS_")
    assert texts["rcpt"] == "250 2.1.5 Ok"
    assert (report.succeeded, report.checked, report.ended) == (True, True, True)
    assert report.certificates[0].issuer == "CN=Test CA"
    assert report.certificates[0].subject == "CN=intake.example"
    assert report.certificates[0].is_valid
    assert (intake.taken, intake.counts["DATA"]) == ([], 0)
    assert intake.commands[0][-3:] == ["RCPT TO:<id@intake.example>", "RSET", "QUIT"]


def test_an_intake_that_asks_for_a_certificate_sees_the_one_of_the_set_in_hand(
    sent: Sent, user: User, tmp_path: Path
) -> None:
    own = made("gw1.corp.example")
    tls = authority().server(tmp_path, "intake.example", asks_for=ssl.CERT_REQUIRED, trusts=own.certificate)
    with smtp_remote(tls=tls) as remote:
        configured(remote.port)
        assert not outcome_of(sent).succeeded
        content = document.dump(pending.committed())
        content["certificates"] = [in_document("Outgoing", own)]
        content["destination_control_settings"] = {"certificate": "Outgoing"}
        pending.load_pending(user, content)
        run.ask(INTAKE, configuration=pending.shown_to(user), sends_copy=False)
        report = run.found(sent.begin())
    assert report is not None
    assert report.succeeded
    assert remote.certificates == [der(own)]


def test_a_test_copy_is_one_marked_journal_copy_and_no_delivery(sent: Sent, intake: Remote) -> None:
    report = outcome_of(sent, sends_copy=True)
    assert ("copy", True) in steps(report)
    [copy] = intake.taken
    assert (copy.sender, copy.recipients, copy.tls) == ("", [INTAKE], True)
    outer = message_from_bytes(copy.content)
    assert outer["X-MS-Journal-Report"] == ""
    assert b"\r\nX-SEG-Console-Test: connection\r\n" in copy.content
    assert not Delivery.objects.exists()


def test_a_certificate_that_is_refused_is_shown_with_the_reason(sent: Sent, intake: Remote) -> None:
    configured(intake.port, ca_certificates="")
    report = outcome_of(sent)
    assert steps(report)[-1] == ("starttls", False)
    assert "certificate verify failed" in report.steps[-1]["text"]
    assert report.certificates[0].subject == "CN=intake.example"
    assert not report.succeeded


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Contexts as Python 3.13 and newer make them."""
    make = ssl.create_default_context

    def made_strict(purpose: ssl.Purpose) -> ssl.SSLContext:
        context = make(purpose)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", made_strict)
    context_for.cache_clear()
    yield
    context_for.cache_clear()


@pytest.mark.usefixtures("strict")
def test_a_certificate_that_strict_checks_refuse_is_explained(sent: Sent, client: Client, tmp_path: Path) -> None:
    server = authority().server(tmp_path, "intake.example", names_issuer_key=False)
    with smtp_remote(tls=server) as remote:
        configured(remote.port)
        key = run.ask(INTAKE, configuration=pending.committed(), sends_copy=False)
        sent.begin()
    content = client.get(reverse("tdc:connection-test", args=[key])).content.decode()
    assert "certificate verify failed: Missing Authority Key Identifier" in content
    assert "does not name its issuer&#x27;s key (Authority Key Identifier)" in content
    assert content.count("No Authority Key Identifier") == 1


@pytest.mark.usefixtures("strict")
def test_a_certificate_as_the_standard_demands_passes_strict_checks(sent: Sent, intake: Remote) -> None:
    report = outcome_of(sent)
    assert (report.succeeded, report.certificates[0].names_issuer_key) == (True, True)


def test_without_verification_any_certificate_will_do(sent: Sent, intake: Remote) -> None:
    configured(intake.port, ca_certificates="", verify_certificate=False)
    report = outcome_of(sent)
    assert (report.succeeded, report.checked) == (True, False)


@pytest.mark.parametrize(
    ("script", "last"),
    [
        ({"CONNECT": "554 go away"}, ("banner", False)),
        ({"CONNECT": Action.DROP}, ("banner", False)),
        ({"EHLO": Action.DROP}, ("ehlo", False)),
        ({"STARTTLS": "454 not now"}, ("starttls", False)),
        ({"STARTTLS": Action.NO_HANDSHAKE}, ("starttls", False)),
        ({"MAIL": "451 busy"}, ("mail", False)),
        ({"RCPT": "550 who?"}, ("rcpt", False)),
        ({"RCPT": Action.DROP}, ("rcpt", False)),
    ],
)
def test_the_first_step_that_fails_is_the_last_one(
    sent: Sent, tmp_path: Path, script: dict[str, Any], last: tuple[str, bool]
) -> None:
    with smtp_remote(script, tls=authority().server(tmp_path, "intake.example")) as remote:
        configured(remote.port)
        found = steps(outcome_of(sent))
    assert [step for step in found if step[0] != "quit"][-1] == last
    assert (found[0], found[1]) == (("resolve", True), ("connect", True))


def test_a_host_that_takes_no_connection_fails_at_connect(sent: Sent) -> None:
    with smtp_remote() as remote:
        port = remote.port
    configured(port)
    report = outcome_of(sent)
    assert steps(report) == [("resolve", True), ("connect", False)]
    assert "Connection refused" in report.steps[1]["text"]


def test_a_route_to_nowhere_fails_at_once(sent: Sent) -> None:
    configure(
        smtp_routes=[{"domain": "ALL", "hosts": [{"host": "/dev/null", "port": 25, "priority": 0}]}],
        threat_defense_connector={"enabled": True, "message_intake_address": INTAKE},
    )
    assert steps(outcome_of(sent)) == [("discard", False)]


@pytest.mark.parametrize(
    ("language", "title", "discarded", "late"),
    [
        ("en", "Resolve", "An SMTP route throws this mail away (/dev/null).", "No answer within 118 seconds."),
        ("zh-hans", "解析", "有一条 SMTP 路由丢弃此邮件（/dev/null）。", "118 秒内没有应答。"),
    ],
)
def test_what_is_ours_among_the_answers_is_said_in_the_readers_language(
    sent: Sent, client: Client, redis: Redis, language: str, title: str, discarded: str, late: str
) -> None:
    configure(
        smtp_routes=[{"domain": "ALL", "hosts": [{"host": "/dev/null", "port": 25, "priority": 0}]}],
        threat_defense_connector={"enabled": True, "message_intake_address": INTAKE},
    )
    key = run.ask(INTAKE, configuration=pending.committed(), sends_copy=False)
    report = run.found(sent.begin())
    assert report is not None
    said = {"step": "ehlo", "ok": False, "seconds": 118.2, "text": "", "ran_out": True}
    server = {"step": "banner", "ok": True, "seconds": 0.1, "text": "Resolve", "ran_out": False}
    run.keep(redis, key, replace(report, steps=(*report.steps, server, said)))
    page = client.get(reverse("tdc:connection-test", args=[key]), headers={"accept-language": language})
    content = page.content.decode()
    assert f'<td class="nowrap">{title}</td>' in content
    assert f'<td class="mono">{discarded}</td>' in content
    assert f'<td class="mono">{late}</td>' in content
    assert '<td class="mono">Resolve</td>' in content


def test_a_test_that_swallows_its_cancel_ends_in_time_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(Resolver):
        async def next_hop(self, *args: object) -> NextHop:
            while True:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(3600)

    monkeypatch.setattr(rehearsal, "WHOLE_S", 0.1)
    told: list[Told] = []
    terms = Terms(Limits(1, 1, 1), TlsDemand(TlsMode.NONE))
    plan = Plan(
        "intake.example", terms, Timeouts(), "gw.example", Envelope("", ("id@intake.example",), b"", False), False
    )
    cancelling.run(Rehearsal(plan, told.append).run(Deaf(), {}))
    assert [(each.step, each.ok, each.ran_out) for each in told] == [(Step.RESOLVE, False, True)]
    # Here and not in the middle of another test: asyncio logs what was abandoned.
    gc.collect()


def test_pending_settings_are_tested_before_they_are_live(sent: Sent, intake: Remote, user: User) -> None:
    configured(intake.port, ca_certificates="")
    row = ConnectorSettings.objects.get(configuration=pending.committed())
    row.ca_certificates = authority().pem
    pending.submit(user, row)
    run.ask(INTAKE, configuration=pending.shown_to(user), sends_copy=False)
    report = run.found(sent.begin())
    assert report is not None
    assert report.succeeded
    assert not outcome_of(sent).succeeded


def test_only_a_few_tests_run_at_once_and_a_place_is_given_back(sent: Sent, intake: Remote) -> None:
    for _ in range(run.MOST_AT_ONCE):
        run.ask(INTAKE, configuration=pending.committed(), sends_copy=False)
    with pytest.raises(run.TooMany):
        run.ask(INTAKE, configuration=pending.committed(), sends_copy=False)
    sent.begin()
    run.ask(INTAKE, configuration=pending.committed(), sends_copy=False)


def test_a_task_that_comes_twice_tests_once(sent: Sent, intake: Remote) -> None:
    key = run.ask(INTAKE, configuration=pending.committed(), sends_copy=False)
    run.run(key, None)
    run.run(key, None)
    assert intake.connections == 1


# --- the pages


def test_starting_a_test_is_recorded_and_leads_to_its_progress(sent: Sent, intake: Remote, client: Client) -> None:
    response = client.post(START, {"address": CUSTOM, "send_copy": "on"})
    assert response.status_code == 302
    [(name, _args, options)] = sent.tasks
    assert (name, options["queue"]) == ("tdc.tasks.test_connection", "tdc")
    last = Entry.objects.latest("pk")
    assert (last.act, last.username, last.target, last.detail) == (
        Act.CONNECTION_TESTED,
        "ann",
        CUSTOM,
        "One test copy is sent.",
    )
    waiting = client.get(response["Location"]).content.decode()
    assert "Testing…" in waiting
    assert 'hx-trigger="every 1s"' in waiting
    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in waiting
    sent.begin()
    part = client.get(response["Location"], headers=htmx()).content.decode()
    assert "<html" not in part
    # The certificate is for the other host.
    assert "The connection does not work." in part
    assert "hx-trigger" not in part


def test_a_connection_that_works_is_said_with_its_certificates(sent: Sent, intake: Remote, client: Client) -> None:
    response = client.post(START, {"address": INTAKE})
    sent.begin()
    content = client.get(response["Location"]).content.decode()
    assert "The connection works." in content
    assert "No copy was sent." in content
    assert "Verified: the chain leads to a trusted authority" in content
    assert "CN=intake.example" in content


def test_a_worker_that_does_not_answer_is_said_so(
    sent: Sent, intake: Remote, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = client.post(START, {"address": INTAKE})["Location"]
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 6)
    assert "No worker has begun yet" in client.get(location).content.decode()
    monkeypatch.setattr(time, "time", lambda: real() + 200)
    lost = client.get(location).content.decode()
    assert "No worker has ended the test." in lost
    assert "hx-trigger" not in lost


@pytest.mark.parametrize("address", ["", "other@elsewhere.example", "<script>alert(1)</script>", "x" * 1_000_000])
def test_only_addresses_that_are_configured_are_tested(
    sent: Sent, intake: Remote, client: Client, address: str
) -> None:
    response = client.post(START, {"address": address})
    assert response.status_code == 422
    assert "<script>alert" not in response.content.decode()
    assert (sent.tasks, Entry.objects.filter(act=Act.CONNECTION_TESTED).count()) == ([], 0)


def test_without_a_broker_the_page_says_that_nothing_was_tested(sent: Sent, intake: Remote, client: Client) -> None:
    sent.fails = True
    response = client.post(START, {"address": INTAKE})
    assert response.status_code == 503
    assert "Redis does not answer" in response.content.decode()
    assert not Entry.objects.filter(act=Act.CONNECTION_TESTED).exists()


def test_what_a_server_says_is_shown_as_text(sent: Sent, tmp_path: Path, client: Client) -> None:
    said = "220 <script>alert(1)</script>\u202e"
    with smtp_remote({"CONNECT": said}, tls=authority().server(tmp_path, "intake.example")) as remote:
        configured(remote.port)
        location = client.post(START, {"address": INTAKE})["Location"]
        sent.begin()
    content = client.get(location).content.decode()
    assert "<script>alert" not in content
    assert "&lt;script&gt;" in content
    assert "\u202e" not in content


def test_a_test_that_nobody_asked_for_is_not_found(intake: Remote, client: Client) -> None:
    assert client.get(reverse("tdc:connection-test", args=[uuid.uuid4()])).status_code == 404


def test_the_result_goes_by_itself(sent: Sent, intake: Remote, redis: Redis) -> None:
    run.ask(INTAKE, configuration=pending.committed(), sends_copy=False)
    key = sent.begin()
    assert 0 < int(redis.ttl(f"seg:connection-test:{key}")) <= run.KEPT_S


@pytest.mark.parametrize("role", [Role.READ_ONLY_OPERATOR, Role.GUEST, Role.TECHNICIAN, Role.HELP_DESK_USER])
def test_a_role_that_may_not_change_may_not_test(sent: Sent, intake: Remote, role: Role) -> None:
    client = signed_in(person(role))
    assert client.get(START).status_code == 403
    assert client.post(START, {"address": INTAKE}).status_code == 403
    assert sent.tasks == []
