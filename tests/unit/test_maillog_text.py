"""Every event's lines, in exactly the wording that readers of the mail log expect (mail-logs, TDC reference 9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from seg_console.mail import events
from seg_console.mail.maillog_text import lines, log_time
from tests.unit.sample_events import (
    ABORTED,
    AT,
    BOUNCED,
    COPY_DELIVERED,
    DELAYED,
    DELIVERED,
    RECEIVED,
    RELAYED,
    SAMPLES,
    with_changes,
)

CENTRAL = timezone(timedelta(hours=-6))


def test_the_time_is_c_time_in_the_gateways_zone_with_a_padded_day() -> None:
    assert log_time(AT, CENTRAL) == "Fri Feb 16 21:19:22 2024"
    assert log_time(datetime(2026, 1, 6, 4, 2, 11, tzinfo=UTC), UTC) == "Tue Jan  6 04:02:11 2026"


@pytest.mark.parametrize("event", [sample for sample, _ in SAMPLES], ids=lambda event: event.kind)
def test_every_event_reads_as_documented(event: events.Event) -> None:
    expected = next(texts for sample, texts in SAMPLES if sample is event)
    assert lines(event, CENTRAL) == expected


def test_every_kind_of_event_has_a_sample_and_a_line() -> None:
    assert {type(event) for event, _ in SAMPLES} == set(events.EVENTS)
    assert all(texts for _, texts in SAMPLES)


def test_a_row_from_before_transactions_were_kept_names_its_own_recipients() -> None:
    data = {name: value for name, value in BOUNCED.data().items() if name != "transaction"}
    event = events.from_row(kind="bounced", mid=BOUNCED.mid, at=AT, data=data)
    assert lines(event, UTC)[0] == "Delivery start DCID 4566149 MID 14501404 to RID [0]"


def test_a_message_without_message_id_or_subject_has_no_such_line() -> None:
    event = with_changes(RECEIVED, message_id=None, subject=None)
    assert lines(event, UTC) == [
        "Start MID 14501404 ICID 5012",
        "MID 14501404 ICID 5012 From: <alice@example.net>",
        "MID 14501404 ICID 5012 RID 0 To: <bob@example.com>",
        "MID 14501404 ICID 5012 To: <nobody@example.com> Rejected by RAT",
        "ICID 5012 MID 14501404 Invalid recipient address: 'no address'",
        "MID 14501404 ready 4096 bytes from <alice@example.net>",
    ]


def test_a_message_through_a_relay_says_whose_it_is_behind_its_recipients() -> None:
    assert lines(RELAYED, UTC)[2:6] == [
        "MID 14501404 ICID 5012 RID 0 To: <bob@example.com>",
        "MID 14501404 IncomingRelay(edge): Header Received found, IP 203.0.113.9 being used",
        "MID 14501404 ACCEPT SG PARTNERS match .partner.example SBRS not enabled",
        "MID 14501404 Message-ID '<O7afv777xxreILg2OQ@gostrt-sstp-0>'",
    ]
    assert lines(with_changes(RELAYED, client_ip=""), UTC)[3:5] == [
        "MID 14501404 IncomingRelay(edge): Header Received not found, IP of the relay being used",
        "MID 14501404 Message-ID '<O7afv777xxreILg2OQ@gostrt-sstp-0>'",
    ]
    assert lines(ABORTED, UTC)[2:] == [
        "MID 14501404 ICID 5012 RID 0 To: <bob@example.com>",
        "MID 14501404 IncomingRelay(edge): Header X-Client-IP found, IP 203.0.113.66 being used",
        "MID 14501404 REJECT SG None match ALL SBRS not enabled",
        "Message aborted MID 14501404 Rejected by Host Access Table",
        "Message finished MID 14501404 done",
    ]


def test_marks_that_turn_text_round_are_written_out() -> None:
    event = with_changes(RECEIVED, invalid=("\u202e@corp.example",), subject="x\u2066y\u200b")
    texts = lines(event, UTC)
    assert "ICID 5012 MID 14501404 Invalid recipient address: '\\u202e@corp.example'" in texts
    assert not [text for text in texts if set(text) & set("\u202e\u2066\u200b")]


def test_the_null_sender_is_a_pair_of_brackets() -> None:
    assert "MID 14501404 ICID 5012 From: <>" in lines(with_changes(RECEIVED, envelope_sender=""), UTC)


def test_a_subject_cannot_forge_a_line() -> None:
    event = with_changes(RECEIVED, subject="x'\r\nFri Feb 16 21:19:22 2024 Info: MID 1 forged")
    assert all("\r" not in text and "\n" not in text for text in lines(event, UTC))
    assert r"MID 14501404 Subject 'x'\r\nFri Feb 16 21:19:22 2024 Info: MID 1 forged'" in lines(event, UTC)


def test_a_copy_has_no_rid_and_no_response_line() -> None:
    assert lines(COPY_DELIVERED, UTC) == [
        "TDC: Delivery start DCID 4566150 MID 14501404",
        "TDC: MID 14501404 successfully delivered for scanning with Cisco Secure Email Threat Defense.",
    ]


def test_a_copy_that_met_no_tls_is_told_without_a_blank_after_the_colon() -> None:
    event = with_changes(BOUNCED, connector=True, tls=True, started=False)
    assert lines(event, UTC) == [
        "TDC: MID 14501404 delivery failed to Cisco Secure Email Threat Defense:TLS Error.",
    ]


def test_a_copy_to_a_domain_that_does_not_exist() -> None:
    reply = ("DNS Hard Error looking up esa.example.com (MX) : NXDomain",)
    event = with_changes(
        BOUNCED, connector=True, started=False, dcid=0, status="5.1.2", reason="Bad destination host", code="000",
        reply=reply,
    )  # fmt: skip
    tail = "5.1.2 - Bad destination host ('000', ['DNS Hard Error looking up esa.example.com (MX) : NXDomain'])"
    assert lines(event, UTC) == [
        f"TDC: Hard bounced - {tail}",
        "TDC: MID 14501404 delivery failed to Cisco Secure Email Threat Defense: Hard Bounced.",
        f"Bounced: DCID 0 MID 14501404 to RID 0 - Bounced by destination server with response: {tail}",
    ]


def test_an_unconfirmed_copy_is_told_apart_whatever_ended_it() -> None:
    event = with_changes(BOUNCED, connector=True, started=False, tls=True, unconfirmed=True)
    assert lines(event, UTC)[0] == (
        "TDC: MID 14501404 delivery to Cisco Secure Email Threat Defense unconfirmed: "
        "no reply after the end of the message, it may have arrived."
    )
    assert not any("TLS Error" in text or "Hard" in text for text in lines(event, UTC))


def test_a_bounce_that_an_older_build_recorded_is_a_lost_copy() -> None:
    event = with_changes(BOUNCED, connector=True)
    data = {name: value for name, value in event.data().items() if name != "unconfirmed"}
    assert events.from_row(kind=event.kind, mid=event.mid, at=event.at, data=data) == event


def test_a_copys_soft_bounce_and_expiry() -> None:
    delayed = with_changes(DELAYED, connector=True, status="4.3.0", reason="Other mail system problem", code="451")
    assert lines(delayed, UTC)[-1] == (
        "TDC: Delayed: DCID 4566149 MID 14501404 to RID 0 - 4.3.0 - Other mail system problem "
        "('451', ['Mailbox temporarily full.'])"
    )
    expired = with_changes(
        BOUNCED, connector=True, started=False, dcid=0, expired=True, status="5.4.7",
        reason="Delivery expired (message too old)", code="000", reply=("timeout",),
    )  # fmt: skip
    assert lines(expired, UTC)[0] == (
        "TDC: Hard bounced - 5.4.7 - Delivery expired (message too old) ('000', ['timeout'])"
    )


def test_ordinary_mail_that_expired_names_no_server() -> None:
    event = with_changes(
        BOUNCED, started=False, dcid=0, expired=True, status="5.4.7", reason="Delivery expired (message too old)",
        code="000", reply=("timeout",),
    )  # fmt: skip
    assert lines(event, UTC) == [
        "Bounced: DCID 0 MID 14501404 to RID 0 - 5.4.7 - Delivery expired (message too old) ('000', ['timeout'])",
    ]


def test_several_recipients_share_a_transaction_but_bounce_one_by_one() -> None:
    recipients = ("a@x.example", "b@x.example")
    delivered = with_changes(DELIVERED, rids=(0, 2), recipients=recipients)
    assert lines(delivered, UTC)[0] == "Delivery start DCID 4566149 MID 14501404 to RID [0, 2]"
    bounced = with_changes(BOUNCED, rids=(0, 2), recipients=recipients, started=False)
    assert [text.split(" - ")[0] for text in lines(bounced, UTC)] == [
        "Bounced: DCID 4566149 MID 14501404 to RID 0",
        "Bounced: DCID 4566149 MID 14501404 to RID 2",
    ]


@pytest.mark.parametrize(
    "event", [sample for sample, _ in SAMPLES if isinstance(sample, events.MessageEvent)], ids=lambda event: event.kind
)
def test_a_message_event_survives_its_tracking_row(event: events.MessageEvent) -> None:
    assert events.from_row(kind=event.kind, mid=event.mid, at=event.at, data=event.data()) == event
