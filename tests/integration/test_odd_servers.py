"""Servers that answer as no standard has it, at every stage of a conversation: what they get, what is kept of what they
said, and that nobody beside them notices.

Each test is one drain over a server for each oddity and each class of reply, all with the oddity at the same stage, and
a healthy one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import settings

from seg_console.delivery.kinds import Destination
from seg_console.delivery.models import Delivery
from tests.support.deliveries import accept, configure, counters, drain, log_texts, route
from tests.support.odd_replies import KEPT, ODDITIES, Oddity, abridged, shown
from tests.support.smtp_remote import OFFERS, Remote, Script, Step, authority, smtp_remote, smtp_remotes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis", "_empty_log")]

# Around what is kept of a reply.
LONGEST_LINE = KEPT + 300
HEALTHY = "good.example"
HEALTHY_MESSAGES = 3
CLASSES = ("positive", "4xx", "5xx", "421")
POSITIVE = {"CONNECT": 220, "EHLO": 250, "STARTTLS": 220, "MAIL": 250, "RCPT": 250, "DATA": 354, "CONTENT": 250}
POSITIVE |= {"RSET": 250, "QUIT": 221}


@pytest.fixture
def _empty_log() -> None:
    settings.SEG_MAIL_LOG.unlink(missing_ok=True)


class Row(NamedTuple):
    state: str
    attempt: int
    code: str = ""
    status: str = ""
    text: str = ""


@dataclass(frozen=True)
class Trace:
    """What one destination leaves behind: its rows, its counters, its lines, and how many messages it took."""

    rows: list[Row]
    counters: dict[str, int]
    lines: list[str]
    taken: int = 0


@dataclass(frozen=True)
class Answer:
    """A reply of a destination, and the leg it concerns."""

    connector: bool
    stage: str
    code: int
    readable: tuple[str, ...]

    @property
    def kind(self) -> str:
        return "tdc" if self.connector else "ordinary"

    def opening(self) -> list[str]:
        opened = "New SMTP DCID D interface 127.0.0.1 address 127.0.0.1 port P"
        if not self.connector:
            return [opened]
        return [f"TDC: {opened}", "DCID D TLS success protocol TLSv1.3 cipher TLS_AES_256_GCM_SHA384"]

    def start(self) -> str:
        return "TDC: Delivery start DCID D MID M" if self.connector else "Delivery start DCID D MID M to RID [0]"

    def delivery(self) -> list[str]:
        if self.connector:
            lines = ["TDC: MID M successfully delivered for scanning with Cisco Secure Email Threat Defense."]
        else:
            said = " ".join(self.readable) if self.stage == "CONTENT" else "2.0.0 Ok: queued as ABC"
            lines = ["Message done DCID D MID M to RID [0] ", f"MID M RID [0] Response '{said}'"]
        return [self.start(), *lines, FINISHED]

    def delay(self, tail: str) -> list[str]:
        if self.connector:
            return [f"TDC: Delayed: DCID D MID M to RID 0 - {tail}"]
        return [f"Delayed: DCID D MID M to RID 0 - {tail} []", "MID M to RID [0] pending till T"]

    def bounce(self, tail: str) -> list[str]:
        bounced = f"Bounced: DCID D MID M to RID 0 - Bounced by destination server with response: {tail}"
        if not self.connector:
            return [f"{bounced} []", FINISHED, "MID N was generated for bounce of MID M"]
        given_up = "TDC: MID M delivery failed to Cisco Secure Email Threat Defense: Hard Bounced."
        return [f"TDC: Hard bounced - {tail}", given_up, bounced, FINISHED]

    def wording(self) -> tuple[str, str]:
        """The status without its class, and its words."""
        if self.code == 421:
            return "3.2", "Not accepting messages at this time"
        return ("1.0", "Unknown address error") if self.stage == "RCPT" else ("3.0", "Other mail system problem")

    def failure(self, state: str, digit: int) -> tuple[Row, str]:
        detail, words = self.wording()
        row = Row(state, 1, str(self.code), f"{digit}.{detail}", " ".join(self.readable))
        return row, f"{digit}.{detail} - {words} ('{self.code}', {shown(self.readable)})"

    def connection_error(self) -> str:
        prefix, domain = ("TDC: ", "the.tdc.queue") if self.connector else ("", "X.example")
        return (
            f"{prefix}Connection Error: DCID D domain: {domain} IP: 127.0.0.1 port: P "
            f"details: {f'{self.code} {self.readable[0]}'.strip()} interface: 127.0.0.1 "
            "reason: unexpected SMTP response"
        )


FINISHED = "Message finished MID M done"
CLOSED = "DCID D close"
TLS_FAILED = ["TDC: MID M delivery failed to Cisco Secure Email Threat Defense:TLS Error.", FINISHED]
NOBODY = "5.1.0 - Unknown address error ('550', ['5.1.1 nobody'])"


def taken(answer: Answer) -> Trace:
    return Trace([Row("delivered", 1)], {"delivered": 1}, [*answer.opening(), *answer.delivery(), CLOSED], taken=1)


def unreachable(answer: Answer) -> Trace:
    row, tail = answer.failure("queued", 4)
    return Trace([row], {"soft_bounced": 1}, [answer.connection_error(), *answer.delay(tail)])


def unreachable_for_good(answer: Answer) -> Trace:
    row, tail = answer.failure("bounced", 5)
    return Trace([row], {"reply_hard_bounced": 1}, [answer.connection_error(), *answer.bounce(tail)])


def delayed(answer: Answer) -> Trace:
    row, tail = answer.failure("queued", 4)
    return Trace([row], {"soft_bounced": 1}, [*answer.opening(), answer.start(), *answer.delay(tail), CLOSED])


def refused(answer: Answer) -> Trace:
    row, tail = answer.failure("bounced", 5)
    return Trace([row], {"reply_hard_bounced": 1}, [*answer.opening(), answer.start(), *answer.bounce(tail), CLOSED])


def without_tls(answer: Answer) -> Trace:
    row = Row("bounced", 1, "000", "5.7.5", "STARTTLS is not offered")
    failed = "DCID D IP 127.0.0.1 TLS was required but could not be successfully negotiated"
    return Trace([row], {"other_hard_bounced": 1}, [answer.opening()[0], failed, CLOSED, *TLS_FAILED])


def tls_refused(answer: Answer) -> Trace:
    row = Row("bounced", 1, str(answer.code), "5.7.5", " ".join(answer.readable))
    failed = "DCID D TLS failed: STARTTLS unexpected response"
    return Trace([row], {"other_hard_bounced": 1}, [answer.opening()[0], failed, CLOSED, *TLS_FAILED])


def taken_after_a_refusal(answer: Answer) -> Trace:
    """The second message, on the same connection."""
    return _after_a_refusal(answer, [])


def taken_anew_after_a_refusal(answer: Answer) -> Trace:
    """The second message, on a connection of its own: nobody knows what the first one is good for."""
    return _after_a_refusal(answer, [CLOSED, *answer.opening()])


def _after_a_refusal(answer: Answer, between: list[str]) -> Trace:
    return Trace(
        [Row("bounced", 1, "550", "5.1.0", "5.1.1 nobody"), Row("delivered", 1)],
        {"delivered": 1, "reply_hard_bounced": 1},
        [*answer.opening(), answer.start(), *answer.bounce(NOBODY), *between, *answer.delivery(), CLOSED],
        taken=1,
    )


Fate = Callable[[Answer], Trace]
# What follows from a positive reply, 4xx, 5xx and 421 at each stage.
ORDINARY: dict[str, tuple[Fate, ...]] = {
    "CONNECT": (taken, unreachable, unreachable, unreachable),
    "EHLO": (taken, taken, taken, unreachable),
    "MAIL": (taken, delayed, refused, delayed),
    "RCPT": (taken, delayed, refused, delayed),
    "DATA": (taken, delayed, refused, delayed),
    "CONTENT": (taken, delayed, refused, delayed),
    "RSET": (taken_after_a_refusal, *[taken_anew_after_a_refusal] * 3),
    "QUIT": (taken, taken, taken, taken),
}
CONNECTOR = ORDINARY | {
    "CONNECT": (taken, unreachable, unreachable_for_good, unreachable),
    "EHLO": (taken, without_tls, without_tls, unreachable),
    "STARTTLS": (taken, tls_refused, tls_refused, tls_refused),
}


@pytest.mark.parametrize("stage", ORDINARY)
def test_an_original_fares_as_the_code_says_and_nobody_beside_it_notices(stage: str) -> None:
    cases = list(_cases(stage, ORDINARY[stage], connector=False))
    with ExitStack() as servers:
        remotes = servers.enter_context(smtp_remotes({case.name: case.script for case in cases}))
        healthy = servers.enter_context(smtp_remote())
        sender = servers.enter_context(smtp_remote(offers=()))
        _configure({**remotes, "good": healthy}, route("example.net", sender.port))
        mids = {case.name: [accept([f"bob@{case.name}.example"]) for _ in case.expected.rows] for case in cases}
        for _ in range(HEALTHY_MESSAGES):
            accept([f"bob@{HEALTHY}"])
        drain(*_destinations("ordinary", cases))
        found = {case.name: _trace(case, remotes[case.name], mids[case.name]) for case in cases}
        bounced = sum(row.state == "bounced" for trace in found.values() for row in trace.rows)
        drain(Destination("ordinary", "example.net"))
    assert found == {case.name: case.expected for case in cases}
    _assert_nobody_noticed(healthy, "ordinary")
    assert len(sender.taken) == bounced
    assert all(report.content.isascii() for report in sender.taken)


@pytest.mark.parametrize("stage", CONNECTOR)
def test_a_copy_fares_as_the_code_says_and_nobody_beside_it_notices(stage: str, tmp_path: Path) -> None:
    cases = list(_cases(stage, CONNECTOR[stage], connector=True))
    names = [f"{case.name}.example" for case in cases]
    tls = authority().server(tmp_path, HEALTHY, *names)
    with ExitStack() as servers:
        remotes = servers.enter_context(smtp_remotes({case.name: case.script for case in cases}, tls=tls))
        healthy = servers.enter_context(smtp_remote(tls=tls))
        _configure({**remotes, "good": healthy})
        mids = {case.name: [_copy(f"{case.name}.example") for _ in case.expected.rows] for case in cases}
        for _ in range(HEALTHY_MESSAGES):
            _copy(HEALTHY)
        drain(*_destinations("tdc", cases), name="tdc")
        found = {case.name: _trace(case, remotes[case.name], mids[case.name]) for case in cases}
    assert found == {case.name: case.expected for case in cases}
    _assert_nobody_noticed(healthy, "tdc")


@dataclass(frozen=True)
class Case:
    name: str
    kind: str
    script: Script
    expected: Trace


def _cases(stage: str, fates: Iterable[Fate], *, connector: bool) -> Iterable[Case]:
    """One for each oddity and class of reply."""
    for name, oddity in ODDITIES.items():
        for number, (class_name, fate) in enumerate(zip(CLASSES, fates, strict=True)):
            code = (POSITIVE[stage], 450, 550, 421)[number]
            answer = Answer(connector, stage, code, oddity.readable)
            script: Script = {stage: _reply(stage, code, oddity, connector=connector)}
            if stage == "RSET":
                script = {**script, "RCPT": ["550 5.1.1 nobody", "250 2.1.5 Ok"]}
            yield Case(f"{name}-{class_name}", answer.kind, script, fate(answer))


def _reply(stage: str, code: int, oddity: Oddity, *, connector: bool) -> Step | list[Step]:
    if stage != "EHLO" or code != POSITIVE[stage]:
        return oddity.reply(code)
    secured = oddity.reply(code, *OFFERS)
    return [oddity.reply(code, *OFFERS, "STARTTLS"), secured] if connector else secured


def _configure(remotes: Mapping[str, Remote], *routes: dict[str, object]) -> None:
    """One connection each, so that the lines have one order."""
    domains = {f"{name}.example": remote.port for name, remote in remotes.items()}
    configure(
        smtp_routes=[*routes, *(route(domain, port) for domain, port in domains.items())],
        destination_controls=[{"domain": domain, "max_connections": 1} for domain in domains],
        threat_defense_connector={"ca_certificates": authority().pem},
    )


def _copy(domain: str) -> int:
    return accept(intake=f"id@{domain}", original=False)


def _destinations(kind: str, cases: Iterable[Case]) -> list[Destination]:
    return [Destination(kind, f"{case.name}.example") for case in cases] + [Destination(kind, HEALTHY)]


def _assert_nobody_noticed(healthy: Remote, kind: str) -> None:
    assert len(healthy.taken) == HEALTHY_MESSAGES
    rows = Delivery.objects.filter(domain=HEALTHY).values_list("state", "attempt")
    assert list(rows) == [("delivered", 1)] * HEALTHY_MESSAGES
    assert counters(Destination(kind, HEALTHY)) == {"delivered": HEALTHY_MESSAGES}
    lines = log_texts()
    assert [line for line in lines if not line.isprintable()] == []
    assert max(map(len, lines)) <= LONGEST_LINE


def _trace(case: Case, remote: Remote, mids: list[int]) -> Trace:
    domain = f"{case.name}.example"
    rows = Delivery.objects.filter(domain=domain).order_by("pk")
    return Trace(
        [Row(row.state, row.attempt, row.last_code, row.last_status, _kept(row.last_text)) for row in rows],
        counters(Destination(case.kind, domain)),
        [_without_numbers(line, domain) for line in _lines_of(remote.port, mids)],
        taken=len(remote.taken),
    )


def _kept(text: str) -> str:
    return abridged(text).strip() if len(text) <= KEPT else f"{len(text)} characters"


def _lines_of(port: int, mids: list[int]) -> list[str]:
    """The log's lines about a server and these messages, from the first connection on."""
    texts = log_texts()
    dcids = {number for text in texts if re.search(rf"port:? {port}\b", text) for number in _numbers("DCID", text)}
    found: list[str] = []
    for text, following in zip(texts, [*texts[1:], ""], strict=True):
        # This line alone names nothing; it stands before the one with the MID.
        named = following if text.startswith("TDC: Hard bounced") else text
        if _numbers("DCID", named) & dcids or _numbers("MID", named) & {*map(str, mids)}:
            found.append(text)
    return [text for text in found if not re.search(r"queued for delivery|enqueued|matched all", text)]


def _numbers(name: str, text: str) -> set[str]:
    return set(re.findall(rf"\b{name} (\d+)", text))


def _without_numbers(line: str, domain: str) -> str:
    """Without what differs from run to run, and from one server to the next."""
    line = re.sub(r"^MID \d+ was generated", "MID N was generated", line)
    line = re.sub(r"\b(?:(D)CID|(M)ID) \d+", lambda found: "DCID D" if found[1] else "MID M", line)
    line = re.sub(r"(port:?) \d+", r"\1 P", re.sub(r"pending till .*", "pending till T", line))
    return abridged(line.replace(domain, "X.example"))
