"""Overview: what is still to be done on a new system, and the summary of the mail."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from seg_console.config import running
from seg_console.mail.models import MailCounter
from tests.support.pages import configured
from tests.support.records import message, waiting

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]


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
