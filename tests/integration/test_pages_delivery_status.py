"""Delivery Status: the destinations with mail, one of them in detail, retrying, and what is held."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from seg_console.accounts.roles import Role
from seg_console.audit.models import Act, Entry
from seg_console.delivery.models import Delivery
from seg_console.mail.models import Message
from tests.support.pages import htmx, person, signed_in
from tests.support.records import host, message, waiting

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]


def destinations(client: Client, **asked: Any) -> list[str]:
    rows = client.get(reverse("monitor:delivery-status"), asked).context["rows"]
    return [shown.row.destination for shown in rows]


def test_the_connectors_queue_is_always_listed(client: Client) -> None:
    assert destinations(client) == ["the.tdc.queue"]


def test_destinations_are_those_with_mail_waiting_or_recent_activity(client: Client) -> None:
    host("recent.example", delivered=1)
    host("quiet.example", age=timedelta(hours=4))
    host("stuck.example", age=timedelta(hours=4))
    waiting(message(101), "stuck.example")
    assert destinations(client) == ["stuck.example", "recent.example", "the.tdc.queue"]


def test_headings_sort_and_sort_back(client: Client) -> None:
    host("a.example", delivered=5, soft_bounced=1)
    host("b.example", delivered=9)
    assert destinations(client, sort="delivered")[:2] == ["b.example", "a.example"]
    assert destinations(client, sort="delivered", direction="ascending")[-1] == "b.example"
    assert destinations(client, sort="soft")[0] == "a.example"
    assert destinations(client, sort="destination")[0] == "a.example"
    content = client.get(reverse("monitor:delivery-status"), {"sort": "delivered"}).content.decode()
    assert 'aria-sort="descending"' in content
    assert "sort=delivered&amp;direction=ascending" in content


def test_several_intakes_are_one_row_and_the_last_attempt_says_the_state(client: Client) -> None:
    host("one.example", kind="tdc", destination="the.tdc.queue", status="up", delivered=4, age=timedelta(minutes=1))
    host("two.example", kind="tdc", destination="the.tdc.queue", status="down", delivered=3, expired_hard_bounced=2)
    row = client.get(reverse("monitor:delivery-status")).context["rows"][0].row
    assert (row.destination, row.status, row.delivered_recipients, row.hard_bounced_recipients) == (
        "the.tdc.queue",
        "down",
        7,
        2,
    )


def test_unconfirmed_copies_are_told_beside_the_hard_bounced_where_there_are_any(client: Client) -> None:
    host("one.example", kind="tdc", destination="the.tdc.queue", other_hard_bounced=3, unconfirmed=1)
    host("two.example", kind="tdc", destination="the.tdc.queue", expired_hard_bounced=2, unconfirmed=1)
    host("corp.example", reply_hard_bounced=4)
    response = client.get(reverse("monitor:delivery-status"))
    assert response.content.decode().count("of these unconfirmed: 2") == 1
    assert {row.row.destination: row.row.hard_bounced_recipients for row in response.context["rows"]} == {
        "the.tdc.queue": 5,
        "corp.example": 4,
    }
    details = reverse("monitor:delivery-status-details", args=["the.tdc.queue"])
    counters = {label: (depth, number) for label, depth, number in client.get(details).context["counters"]}
    assert counters["Hard Bounced Recipients"] == (1, 5)
    assert counters["Of These Unconfirmed (May Have Arrived)"] == (2, 2)
    ordinary = client.get(reverse("monitor:delivery-status-details", args=["corp.example"])).context["counters"]
    assert "Of These Unconfirmed (May Have Arrived)" not in {label for label, _depth, _number in ordinary}


def test_a_refresh_is_polled_by_the_region_itself_and_keeps_the_sort(client: Client) -> None:
    asked = {"sort": "soft", "refresh": "30"}
    page = client.get(reverse("monitor:delivery-status"), asked).content.decode()
    assert 'hx-trigger="every 30s"' in page
    region = client.get(reverse("monitor:delivery-status"), asked, headers=htmx()).content.decode()
    assert region.lstrip().startswith('<section class="box" id="destinations"')
    assert "sort=soft&amp;direction=descending&amp;items=20&amp;refresh=30" in region
    assert "<html" not in region


def test_no_refresh_means_no_polling(client: Client) -> None:
    assert 'hx-trigger="every' not in client.get(reverse("monitor:delivery-status")).content.decode()


@pytest.mark.parametrize("asked", [{"sort": "nonsense"}, {"items": "1000000"}, {"refresh": "1"}, {"direction": "x"}])
def test_an_unknown_wish_falls_back_to_the_usual(client: Client, asked: dict[str, str]) -> None:
    assert client.get(reverse("monitor:delivery-status"), asked).status_code == 200


def test_the_status_takes_a_fixed_number_of_queries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(40):
        host(f"d{number}.example")
        waiting(message(101 + number), f"d{number}.example")
    # Session, user, waiting recipients, what is held, hosts, pending set; the session's renewal.
    with django_assert_num_queries(7):
        client.get(reverse("monitor:delivery-status"))


def test_the_export_holds_every_row_and_no_formula(client: Client) -> None:
    host("=cmd.example", delivered=-1)
    text = client.get(reverse("monitor:delivery-status-export")).content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0][0] == "Destination Domain"
    assert ["'=cmd.example", "Unknown", "0", "0", "-1", "0", "0"] in rows


def test_details_show_the_counters_of_one_destination(client: Client) -> None:
    host(
        "corp.example",
        status="up",
        delivered=10,
        reply_hard_bounced=2,
        expired_hard_bounced=1,
        deleted=1,
        last_5xx_at=timezone.now(),
        last_5xx_text="550 no <such> user",
    )
    waiting(message(101), "corp.example", recipients=2, attempt=1)
    waiting(message(102), "corp.example", recipients=3)
    response = client.get(reverse("monitor:delivery-status-details", args=["corp.example"]))
    counters = {label: number for label, _depth, number in response.context["counters"]}
    assert counters["Completed Recipients"] == 14
    assert counters["Hard Bounced Recipients"] == 3
    gauges = {label: number for label, _depth, number in response.context["gauges"]}
    assert (gauges["Active Recipients"], gauges["Unattempted Recipients"], gauges["Attempted Recipients"]) == (5, 3, 2)
    assert "550 no &lt;such&gt; user" in response.content.decode()
    assert "127.0.0.1:2526" in response.content.decode()


def test_the_details_take_a_fixed_number_of_queries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(40):
        host(f"d{number}.example", kind="tdc", destination="the.tdc.queue")
    waiting(message(101), "the.tdc.queue")
    # Session, user, its console session, hosts, waiting recipients, what is held, the running set (three), pending set.
    with django_assert_num_queries(10):
        page = client.get(reverse("monitor:delivery-status-details", args=["the.tdc.queue"]))
    assert len(page.context["hosts"]) == 40


def test_an_unknown_destination_is_not_found_and_the_search_says_so(client: Client) -> None:
    assert client.get(reverse("monitor:delivery-status-details", args=["x.example"])).status_code == 404
    response = client.get(reverse("monitor:delivery-status-search"), {"domain": "<x>.example"}, follow=True)
    assert "No record of host: “&lt;x&gt;.example”." in response.content.decode()


def test_retry_makes_one_destination_due_now(client: Client) -> None:
    host("a.example")
    one, other = waiting(message(101), "a.example"), waiting(message(102), "b.example")
    client.post(reverse("monitor:delivery-status-retry", args=["a.example"]))
    one.refresh_from_db()
    other.refresh_from_db()
    assert one.due_at <= timezone.now() < other.due_at


def test_retry_all_makes_everything_due_now_and_needs_a_role_that_may(client: Client) -> None:
    row = waiting(message(101), "a.example")
    url = reverse("monitor:delivery-status-retry-all")
    assert signed_in(person(Role.GUEST)).post(url).status_code == 403
    row.refresh_from_db()
    assert row.due_at > timezone.now()
    assert client.get(url).status_code == 405
    client.post(url)
    row.refresh_from_db()
    assert row.due_at <= timezone.now()


def held(mid: int, domain: str) -> Delivery:
    row = waiting(message(mid), domain, attempt=1)
    row.state, row.last_text = Delivery.State.HELD, "outcome could not be stored: DataError"
    row.save()
    return row


def test_what_is_held_is_counted_and_explained(client: Client) -> None:
    host("a.example")
    held(101, "a.example")
    held(102, "a.example")
    assert "2 held" in client.get(reverse("monitor:delivery-status")).content.decode()
    content = client.get(reverse("monitor:delivery-status-details", args=["a.example"])).content.decode()
    assert "outcome could not be stored: DataError" in content
    assert "Retry Delivery sends them again" in content
    url = reverse("monitor:delivery-status-delete-held", args=["a.example"])
    assert f'href="{url}"' in content
    guest = signed_in(person(Role.GUEST))
    assert url not in guest.get(reverse("monitor:delivery-status-details", args=["a.example"])).content.decode()
    assert guest.post(url).status_code == 403


def test_a_retry_sends_what_is_held_again(client: Client) -> None:
    host("a.example")
    row = held(101, "a.example")
    client.post(reverse("monitor:delivery-status-retry", args=["a.example"]))
    row.refresh_from_db()
    assert (row.state, row.attempt) == ("queued", 1)
    assert row.due_at <= timezone.now()


def test_what_is_held_is_deleted_after_a_question_and_nothing_else(client: Client) -> None:
    host("a.example")
    row, other = held(101, "a.example"), waiting(message(102), "a.example")
    Message.objects.update(outstanding=1)
    url = reverse("monitor:delivery-status-delete-held", args=["a.example"])
    assert "Delete the held message for “a.example”?" in client.get(url).content.decode()
    response = client.post(url, follow=True)
    assert "1 held message was deleted." in response.content.decode()
    row.refresh_from_db()
    other.refresh_from_db()
    assert (row.state, other.state) == ("deleted", "queued")
    entry = Entry.objects.get(act=Act.DELETE_MESSAGES)
    assert (entry.target, entry.size) == ("a.example", 1)
    assert client.get(url).status_code == 302
