"""Message Tracking's questions against real rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from seg_console.mail import tracking
from seg_console.mail.models import Message, Recipient
from seg_console.mail.record import record
from seg_console.mail.tracking import Match, TrackingQuery
from tests.integration.test_record import message
from tests.unit.sample_events import AT, COPY_DELIVERED, DELAYED, DELIVERED, MID, RECEIVED, with_changes

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def messages() -> None:
    add(1, "Alice@Example.net", ["bob@corp.example"], "Invoice 7", "<a@example.net>", "delivered", "192.0.2.1")
    add(2, "carol@other.example", ["bob@corp.example", "Dave@corp.example"], "", "<b@other.example>", "bounced")
    add(3, "", ["erin@corp.example"], None, "", "queued")


def add(
    mid: int, sender: str, to: list[str], subject: str | None, header: str, state: str, remote_ip: str = "192.0.2.9"
) -> None:
    message(
        mid=mid,
        received_at=AT + timedelta(minutes=mid),
        envelope_sender=sender,
        subject=subject,
        message_id_header=header,
        state=state,
        remote_ip=remote_ip,
    )
    Recipient.objects.bulk_create(Recipient(message_id=mid, rid=rid, address=address) for rid, address in enumerate(to))


def found(**conditions: Any) -> list[int]:
    return [hit.mid for hit in tracking.search(TrackingQuery(**conditions)).hits]


@pytest.mark.parametrize(
    ("conditions", "mids"),
    [
        ({}, [3, 2, 1]),
        ({"sender": Match("begins_with", "alice@")}, [1]),
        ({"sender": Match("is", "ALICE@example.net")}, [1]),
        ({"sender": Match("is", "alice@example")}, []),
        ({"sender": Match("contains", "example")}, [2, 1]),
        ({"recipient": Match("is", "BOB@corp.example")}, [2, 1]),
        ({"recipient": Match("begins_with", "dave")}, [2]),
        ({"recipient": Match("contains", "corp")}, [3, 2, 1]),
        ({"subject": Match("contains", "INVOICE")}, [1]),
        ({"subject": Match("is_empty")}, [3, 2]),
        ({"message_id": "a@example.net"}, [1]),
        ({"message_id": " <a@example.net> "}, [1]),
        ({"message_id": "<a@EXAMPLE.Net>"}, [1]),
        ({"message_id": "a@EXAMPLE.NET"}, [1]),
        ({"message_id": "<<a@example.net>>;"}, [1]),
        ({"message_id": "<a@example.net> (added by us)"}, [1]),
        ({"message_id": "<A@example.net>"}, []),
        ({"message_id": "example.net"}, []),
        ({"message_id": "<A@EX", "message_id_goes_on": True}, [1]),
        ({"message_id": "a@ex", "message_id_goes_on": True}, [1]),
        ({"mid": 2}, [2]),
        ({"mid": 99}, []),
        ({"remote_ip": "192.0.2.1"}, [1]),
        ({"delivered": True}, [1]),
        ({"delivered": True, "hard_bounced": True}, [2, 1]),
        ({"since": AT + timedelta(minutes=2)}, [3, 2]),
        ({"until": AT + timedelta(minutes=2)}, [1]),
        ({"sender": Match("contains", "example"), "recipient": Match("is", "dave@corp.example")}, [2]),
        ({"sender": Match("contains", "%")}, []),
        ({"sender": Match("contains", "_")}, []),
    ],
)
def test_conditions_join_by_and_and_events_by_or(conditions: dict[str, Any], mids: list[int]) -> None:
    assert found(**conditions) == mids


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        ("4@Other.Example", "<4@other.example>"),
        ("<No.Domain>", "No.Domain"),
        ("no.domain", "<no.domain>"),
        ("<Bär@Corp.Example>", "Bär@corp.example"),
        ('<"a b"@Corp.Example>', '"a b"@corp.example'),
        # As long as an id is kept, of letters that do not compress.
        ("<" + "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(300)) + "@X.example>", None),
    ],
)
def test_a_message_id_is_found_however_it_is_written(header: str, asked: str | None) -> None:
    add(4, "x@example.net", [], None, header, "queued")
    assert found(message_id=asked or header.lower()) == [4]


def test_soft_bounces_of_the_copy_do_not_count_as_the_messages() -> None:
    record([with_changes(DELAYED, mid=1), with_changes(DELAYED, mid=2, connector=True)])
    assert found(soft_bounced=True) == [1]


def test_pages_follow_each_other_without_gap_or_repeat() -> None:
    for mid in range(10, 17):
        message(mid=mid, received_at=AT)
    seen: list[int] = []
    page = tracking.search(TrackingQuery(), limit=3)
    seen += [hit.mid for hit in page.hits]
    while page.following is not None:
        page = tracking.search(TrackingQuery(), after=page.following, limit=3)
        seen += [hit.mid for hit in page.hits]
    assert seen == [3, 2, 1, 16, 15, 14, 13, 12, 11, 10]


def test_a_split_message_is_one_hit_with_all_its_parts() -> None:
    Message.objects.filter(pk=1).update(state="split")
    for mid, policy in ((21, "Finance"), (22, "DEFAULT")):
        message(mid=mid, root_mid=1, parent_mid=1, received_at=AT + timedelta(minutes=1), policy_name=policy)
    Message.objects.filter(pk=21).update(state="delivered")
    Recipient.objects.create(message_id=21, rid=0, address="bob@corp.example")
    hit = tracking.search(TrackingQuery(mid=22)).hits[0]
    assert (hit.mid, hit.mids, hit.policies) == (1, (1, 21, 22), ("Finance", "DEFAULT"))
    assert hit.states == {1: "Split", 21: "Delivered", 22: "Queued for Delivery"}
    assert (hit.last_state, hit.recipients) == ("Queued for Delivery", ("bob@corp.example",))


def test_a_page_takes_three_queries_whatever_its_size(django_assert_num_queries: Callable[[int], Any]) -> None:
    with django_assert_num_queries(3):
        tracking.search(TrackingQuery(sender=Match("contains", "example")), limit=1)
    with django_assert_num_queries(3):
        tracking.search(TrackingQuery(sender=Match("contains", "example")), limit=100)


def test_details_tell_everything_oldest_first_with_the_last_line_marked() -> None:
    message(mid=MID)
    record([RECEIVED, with_changes(DELIVERED, at=AT + timedelta(seconds=1))])
    details = tracking.details(MID)
    assert details is not None
    assert [line.text for line in details.lines][-2:] == [
        "Delivery connection (DCID 4566149) successfully accepted TLS protocol TLSv1.3 cipher TLS_AES_256_GCM_SHA384.",
        "Message 14501404 sent to recipient bob@example.com. Message response: 2.0.0 Ok: queued as 3jjSKk4fyqz1Vvjv",
    ]
    assert [line.last for line in details.lines] == [False] * (len(details.lines) - 1) + [True]


def test_of_the_connector_only_the_hand_over_is_shown_unless_all_is_asked_for() -> None:
    message(mid=MID)
    record([with_changes(DELAYED, connector=True), COPY_DELIVERED])
    handed_over = "TDC: Message 14501404 successfully delivered for scanning with Cisco Secure Email Threat Defense."
    default = tracking.details(MID)
    everything = tracking.details(MID, all_connector_events=True)
    assert default is not None
    assert everything is not None
    assert [line.text for line in default.lines] == [handed_over]
    assert len(everything.lines) == 4
    assert everything.lines[-1].text == handed_over


def test_details_of_a_mid_that_does_not_exist() -> None:
    assert tracking.details(99) is None
