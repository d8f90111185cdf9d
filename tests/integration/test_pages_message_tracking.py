"""Message Tracking: the search and its fields, pages of hits, and the details of one message."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from seg_console.mail.models import Message, Refusal, TrackingEvent
from seg_console.ui.searches import LONGEST_TEXT
from tests.support.pages import htmx
from tests.support.records import message
from tests.unit import sample_events

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]


def test_the_form_comes_empty_and_searches_nothing(client: Client) -> None:
    message(101)
    response = client.get(reverse("monitor:message-tracking"))
    assert "hits" not in response.context


def found(client: Client, **asked: Any) -> list[int]:
    response = client.get(reverse("monitor:message-tracking"), {"search": "1", **asked})
    assert response.status_code == 200
    return [shown.hit.mid for shown in response.context["hits"]]


@pytest.mark.parametrize(
    ("asked", "hits"),
    [
        ({}, [102, 101]),
        ({"received": "week"}, [102, 101, 103]),
        ({"sender": "ALICE"}, [101]),
        ({"sender": "alice", "sender_operator": "is"}, []),
        ({"sender": "partner", "sender_operator": "contains"}, [101]),
        ({"recipient": "bob@corp.example", "recipient_operator": "is"}, [102, 101]),
        ({"subject": "voice", "subject_operator": "contains"}, [101]),
        ({"subject_operator": "is_empty"}, [102]),
        ({"message_id": "101@partner.example"}, [101]),
        ({"mid": "102"}, [102]),
        ({"sender_ip": "192.0.2.10"}, [102, 101]),
        ({"event": "hard_bounced"}, [102]),
        ({"event": ["hard_bounced", "delivered"]}, [102, 101]),
    ],
)
def test_each_field_finds_its_messages_newest_first(client: Client, asked: dict[str, Any], hits: list[int]) -> None:
    message(101, age=timedelta(hours=2))
    message(102, sender="", subject=None, state=Message.State.BOUNCED)
    message(103, age=timedelta(days=2))
    assert found(client, **asked) == hits


def test_a_custom_range_is_in_whole_minutes_and_includes_the_last(client: Client) -> None:
    at = datetime(2026, 3, 4, 16, 40, 31, tzinfo=UTC)
    row = message(101)
    Message.objects.filter(pk=row.pk).update(received_at=at)
    span = {"received": "custom", "start": "2026-03-04T16:40", "end": "2026-03-04T16:40"}
    assert found(client, **span) == [101]
    assert found(client, **span | {"start": "2026-03-04T16:00", "end": "2026-03-04T16:39"}) == []


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            {"received": "custom", "start": "2026-03-04T16:40", "end": "2026-03-04T16:39"},
            "The end lies before the start.",
        ),
        ({"received": "custom"}, "A custom range needs a start."),
        ({"received": "custom", "start": "yesterday"}, "Enter a valid date/time."),
        ({"mid": "12x"}, "A MID is a whole number"),
        ({"mid": "9" * 19}, "A MID is a whole number"),
        ({"sender_ip": "300.1.1.1"}, "Enter an IPv4 or IPv6 address"),
        ({"sender_operator": "like"}, "Select a valid choice"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused_beside_its_field(
    client: Client, asked: dict[str, str], sentence: str
) -> None:
    response = client.get(reverse("monitor:message-tracking"), {"search": "1", **asked})
    assert response.status_code == 422
    assert sentence in response.content.decode()


def test_pages_are_turned_by_key_forth_and_back_in_a_fixed_number_of_queries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(25):
        message(101 + number, age=timedelta(minutes=number))
    url = reverse("monitor:message-tracking")
    seen: list[list[int]] = []
    address = f"{url}?search=1&items=10"
    for _page in range(3):
        # Session, user, oldest, hits, their parts, their recipients, pending set; the session's renewal.
        with django_assert_num_queries(8):
            response = client.get(address)
        seen.append([shown.hit.mid for shown in response.context["hits"]])
        address = f"{url}{response.context['next_url']}"
    assert [len(page) for page in seen] == [10, 10, 5]
    assert [mid for page in seen for mid in page] == list(range(101, 126))
    assert response.context["next_url"] == ""
    back = client.get(f"{url}{response.context['previous_url']}")
    assert [shown.hit.mid for shown in back.context["hits"]] == seen[1]


def test_a_place_changed_by_hand_in_the_address_is_the_first_page(client: Client) -> None:
    message(101)
    assert found(client, after="nonsense") == [101]
    assert found(client, after="99999999999999999999-1") == [101]


def test_a_value_narrows_the_search(client: Client) -> None:
    message(101)
    message(102, sender="carol@partner.example")
    response = client.get(reverse("monitor:message-tracking"), {"search": "1", "recipient": "bob"})
    link = response.context["hits"][0].sender_url
    narrowed = client.get(f"{reverse('monitor:message-tracking')}{link}")
    assert [shown.hit.mid for shown in narrowed.context["hits"]] == [102]
    assert 'value="bob"' in narrowed.content.decode()


def test_a_value_longer_than_its_field_is_narrowed_to_by_its_beginning(client: Client) -> None:
    subject, message_id = "Invoice " + "\u4e2d" * 300, "<" + "m" * 300 + "@partner.example>"
    message(101, subject=subject, message_id_header=message_id)
    message(102, subject="Invoice")
    url = reverse("monitor:message-tracking")
    (_short, long) = client.get(url, {"search": "1"}).context["hits"]
    narrowed = client.get(url + long.subject_url)
    assert narrowed.context["form"].cleaned_data["subject"] == subject[:LONGEST_TEXT]
    assert narrowed.context["form"].cleaned_data["subject_operator"] == "begins_with"
    assert [hit.hit.mids for hit in narrowed.context["hits"]] == [(101,)]
    asked = {"search": "1", "message_id": message_id[:LONGEST_TEXT]}
    assert [hit.hit.mids for hit in client.get(url, asked).context["hits"]] == [(101,)]
    assert client.get(url, asked | {"message_id": message_id[: LONGEST_TEXT - 1]}).context["hits"] == []


def test_hostile_subjects_are_shown_as_text_on_page_and_in_csv(client: Client) -> None:
    message(101, subject='=HYPERLINK("x")<script>alert(1)</script>')
    page = client.get(reverse("monitor:message-tracking"), {"search": "1"}).content.decode()
    assert "<script>alert" not in page
    text = client.get(reverse("monitor:message-tracking-export"), {"search": "1"}).content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[1][5].startswith("'=HYPERLINK")


def test_control_characters_of_strangers_are_written_out_on_page_and_in_csv(client: Client) -> None:
    message(101, subject="Pay \x1b]0;me\x07 now\x9b", message_id_header="<\x1b[2J@example.net>")
    Message.objects.update(reverse_dns="a\x1bb")
    TrackingEvent.objects.create(
        message_id=101, at=timezone.now(), kind="received", data=sample_events.RECEIVED.data() | {"subject": "\x1b[31m"}
    )
    found = client.get(reverse("monitor:message-tracking"), {"search": "1"})
    details = client.get(reverse("monitor:message-tracking-details", args=[101]))
    export = client.get(reverse("monitor:message-tracking-export"), {"search": "1"})
    for page in (found, details, export):
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", page.content.decode("utf-8-sig"))
        assert r"Pay \x1b]0;me\x07 now\x9b" in page.content.decode()
    (shown,) = found.context["hits"]
    narrowed = client.get(reverse("monitor:message-tracking") + shown.subject_url)
    assert [hit.hit.mid for hit in narrowed.context["hits"]] == [101]
    assert "\x1b" not in narrowed.content.decode()


def test_details_show_the_connectors_success_by_default_and_everything_on_request(client: Client) -> None:
    row = message(sample_events.MID)
    late = replace(sample_events.DELAYED, connector=True)
    happened = [sample_events.RECEIVED, sample_events.DELIVERED, late, sample_events.COPY_DELIVERED]
    TrackingEvent.objects.bulk_create(
        TrackingEvent(message=row, at=event.at, kind=event.kind, data=event.data()) for event in happened
    )
    url = reverse("monitor:message-tracking-details", args=[row.pk])
    usual = client.get(url)
    assert [line.text for line in usual.context["details"].lines if line.connector] == [
        f"TDC: Message {row.pk} successfully delivered for scanning with Cisco Secure Email Threat Defense."
    ]
    page = usual.content.decode()
    assert page.count('class="line tdc last"') == 1
    assert f"MID</dt><dd>{row.pk} " in page
    everything = client.get(url, {"events": "all"}, headers=htmx()).content.decode()
    assert everything.count("<time") > page.count("<time")
    assert everything.lstrip().startswith('<section class="box" id="processing"')


def test_details_list_the_recipients_refused_with_it_and_what_they_hold_as_text(client: Client) -> None:
    row = message(101)
    url = reverse("monitor:message-tracking-details", args=[row.pk])
    assert "Refused Recipients" not in client.get(url).content.decode()
    values = {"at": row.received_at, "icid": 1, "mid": row.pk, "reply": "5.1.1 <nobody>"}
    Refusal.objects.create(kind="invalid_recipient", recipient="<script>alert(1)</script>", code=501, **values)
    Refusal.objects.create(kind="aborted", recipient="bob@corp.example", code=421, **values)
    page = client.get(url).content.decode()
    assert page.count("<script>alert") == 0
    assert (
        '<dt>Refused Recipients</dt><dd><div>&lt;script&gt;alert(1)&lt;/script&gt; <span class="muted">'
        "(501 5.1.1 &lt;nobody&gt;)</span></div></dd>"
    ) in page


def test_details_of_a_mid_that_is_not_there_are_not_found(client: Client) -> None:
    assert client.get(reverse("monitor:message-tracking-details", args=[999])).status_code == 404
