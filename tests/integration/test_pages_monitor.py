"""Overview, Delivery Status and Message Tracking in the browser, and the commands that show the same."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from redis import Redis

from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.audit.models import Act, Entry
from seg_console.config import running
from seg_console.delivery.models import Delivery, HostStatus
from seg_console.mail.models import MailCounter, Message, Recipient, TrackingEvent
from tests.support.pages import configured, htmx, person, signed_in
from tests.unit import sample_events

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]


@pytest.fixture
def user() -> User:
    configured()
    return person()


@pytest.fixture
def client(user: User) -> Client:
    return signed_in(user)


def message(
    mid: int, *, age: timedelta = timedelta(minutes=5), sender: str = "alice@partner.example", **values: Any
) -> Message:
    given: dict[str, Any] = {
        "subject": "Invoice",
        "message_id_header": f"<{mid}@partner.example>",
        "state": Message.State.DELIVERED,
    }
    row = Message.objects.create(
        mid=mid,
        root_mid=mid,
        icid=7,
        direction=Message.Direction.INCOMING,
        received_at=timezone.now() - age,
        interface="IncomingMail",
        interface_ip="127.0.0.1",
        remote_ip="192.0.2.10",
        reverse_dns="mx.partner.example",
        envelope_sender=sender,
        size=8313,
        policy_name="Finance",
        **given | values,
    )
    Recipient.objects.create(message=row, rid=0, address="bob@corp.example", state=Recipient.State.DELIVERED)
    return row


def host(
    domain: str, *, kind: str = "ordinary", destination: str = "", age: timedelta = timedelta(), **values: Any
) -> None:
    at = timezone.now() - age
    HostStatus.objects.create(
        kind=kind, domain=domain, destination=destination or domain, active_at=at, last_attempt_at=at, **values
    )


def waiting(row: Message, domain: str, *, recipients: int = 1, attempt: int = 0) -> Delivery:
    now = timezone.now()
    return Delivery.objects.create(
        message=row,
        kind="ordinary",
        destination=domain,
        domain=domain,
        recipients=[[0, "bob@corp.example"]],
        recipient_count=recipients,
        size=1,
        attempt=attempt,
        enqueued_at=now,
        due_at=now + timedelta(hours=1),
        expires_at=now + timedelta(days=1),
    )


def destinations(client: Client, **asked: Any) -> list[str]:
    rows = client.get(reverse("monitor:delivery-status"), asked).context["rows"]
    return [shown.row.destination for shown in rows]


# Overview


def test_an_empty_system_is_told_what_to_do_next_with_links(client: Client) -> None:
    configured(
        recipient_access=[],
        smtp_routes=[],
        incoming_mail_policies=[],
        default_policy={},
        threat_defense_connector={"enabled": False},
    )
    response = client.get(reverse("monitor:overview"))
    assert [step.done for step in response.context["steps"]] == [False] * 5
    for view in ("recipient-access:add", "smtp-routes:add", "tdc:edit-settings", "policies:list"):
        assert reverse(view) in response.content.decode()
    assert "swaks --server 127.0.0.2:2626" in response.content.decode()


def test_the_checklist_follows_the_running_configuration_and_goes_when_mail_has_come(client: Client) -> None:
    response = client.get(reverse("monitor:overview"))
    assert [step.done for step in response.context["steps"]] == [True, True, True, True, False]
    assert "--to test@corp.example" in response.content.decode()
    message(101)
    assert client.get(reverse("monitor:overview")).context["steps"] == []


def test_the_summary_adds_up_the_hours_of_the_range(client: Client) -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    MailCounter.objects.create(hour=hour, shard=1, received_messages=3, copies_delivered=2, copies_unconfirmed=17)
    MailCounter.objects.create(hour=hour, shard=2, received_messages=4)
    MailCounter.objects.create(hour=hour - timedelta(days=3), shard=1, received_messages=100)
    response = client.get(reverse("monitor:overview"))
    assert response.context["summary"].received_messages == 7
    unconfirmed = 'Copies Unconfirmed <span class="muted">(may have arrived)</span></td><td class="number">17</td>'
    assert unconfirmed in response.content.decode()
    week = client.get(reverse("monitor:overview"), {"range": "week"}).context["summary"]
    assert (week.received_messages, week.copies_delivered) == (107, 2)


def test_the_overview_takes_a_fixed_number_of_queries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.get(reverse("monitor:overview"))
    for mid in range(101, 110):
        waiting(message(mid), "corp.example")
    running.look_again()
    # Session, user, whether the session goes on, initial set, the running configuration's look, oldest message, queue,
    # counters, pending set.
    with django_assert_num_queries(9):
        client.get(reverse("monitor:overview"))


# Delivery Status


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


# Message Tracking


def found(client: Client, **asked: Any) -> list[int]:
    response = client.get(reverse("monitor:message-tracking"), {"search": "1", **asked})
    assert response.status_code == 200
    return [shown.hit.mid for shown in response.context["hits"]]


def test_the_form_comes_empty_and_searches_nothing(client: Client) -> None:
    message(101)
    response = client.get(reverse("monitor:message-tracking"))
    assert "hits" not in response.context


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
    assert narrowed.context["form"].cleaned_data["subject"] == subject[:200]
    assert narrowed.context["form"].cleaned_data["subject_operator"] == "begins_with"
    assert [hit.hit.mids for hit in narrowed.context["hits"]] == [(101,)]
    asked = {"search": "1", "message_id": message_id[:200]}
    assert [hit.hit.mids for hit in client.get(url, asked).context["hits"]] == [(101,)]
    assert client.get(url, asked | {"message_id": message_id[:199]}).context["hits"] == []


def test_hostile_subjects_are_shown_as_text_on_page_and_in_csv(client: Client) -> None:
    message(101, subject='=HYPERLINK("x")<script>alert(1)</script>')
    page = client.get(reverse("monitor:message-tracking"), {"search": "1"}).content.decode()
    assert "<script>alert" not in page
    text = client.get(reverse("monitor:message-tracking-export"), {"search": "1"}).content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[1][5].startswith("'=HYPERLINK")


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


def test_details_of_a_mid_that_is_not_there_are_not_found(client: Client) -> None:
    assert client.get(reverse("monitor:message-tracking-details", args=[999])).status_code == 404


# The command line shows the same numbers


def command(*words: str) -> str:
    out = io.StringIO()
    call_command("cli", *words, stdout=out)
    return out.getvalue()


def test_tophosts_asks_nothing_without_a_terminal_and_takes_the_default(redis: Redis) -> None:
    host("corp.example", delivered=3, status="down")
    waiting(message(101), "corp.example", recipients=4)
    lines = command("tophosts").splitlines()
    assert lines[1].startswith("Status as of:                   ")
    assert lines[7].split() == ["1*", "corp.example", "4", "0", "3", "0", "0"]
    assert lines[8].split() == ["2", "the.tdc.queue", "0", "0", "0", "0", "0"]
    assert len(lines) == 9


def test_tophosts_takes_its_key_from_the_line_and_refuses_an_unknown_one() -> None:
    host("a.example", delivered=3)
    assert command("tophosts", "delivered_rcpts").splitlines()[7].split()[1] == "a.example"
    with pytest.raises(CommandError, match="no sort key 'size'"):
        command("tophosts", "size")


def test_hoststatus_shows_one_host_and_knows_no_other() -> None:
    host("corp.example", status="up", delivered=3)
    assert "Host up/down:         up" in command("hoststatus", "Corp.Example")
    with pytest.raises(CommandError, match=r"No record of host: 'x\.example'\."):
        command("hoststatus", "x.example")


def test_an_unknown_command_is_refused_in_the_words_of_the_shell() -> None:
    with pytest.raises(CommandError, match="Unknown command or missing feature key: foo"):
        command("foo")
    assert "tophosts" in command("help")
    assert "Version: " in command("version")
