"""The Recipient Access Table and SMTP Routes in the browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from seg_console.accounts.models import User
from seg_console.config import document, pending
from seg_console.delivery.models import SmtpRoute
from seg_console.gateway.models import RecipientAccess
from tests.support.configurations import route
from tests.support.pages import configured, person, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


@pytest.fixture
def user() -> User:
    configured()
    return person()


@pytest.fixture
def client(user: User) -> Client:
    return signed_in(user)


def section(user: User, key: str) -> Any:
    return document.dump(pending.shown_to(user))[key]


def hosts(*rows: tuple[str, str, str]) -> dict[str, str]:
    data = {"host-TOTAL_FORMS": str(len(rows)), "host-INITIAL_FORMS": "0"}
    for number, (priority, host, port) in enumerate(rows):
        data |= {f"host-{number}-priority": priority, f"host-{number}-host": host, f"host-{number}-port": port}
    return data


def test_a_recipient_is_added_at_its_place(user: User, client: Client) -> None:
    data = {"order": "2", "recipient": "New.Example", "action": "accept"}
    assert client.post(reverse("recipient-access:add"), data)["Location"] == reverse("recipient-access:list")
    assert [row["recipient"] for row in section(user, "recipient_access")] == [
        "old@corp.example",
        "new.example",
        "corp.example",
    ]


def test_a_recipient_is_edited_and_moved(user: User, client: Client) -> None:
    row = RecipientAccess.objects.get(configuration=pending.shown_to(user), recipient="corp.example")
    data = {
        "order": "1",
        "recipient": "corp.example",
        "action": "reject",
        "response_code": "450",
        "response_text": "later",
    }
    client.post(reverse("recipient-access:edit", args=[row.uid]), data)
    assert section(user, "recipient_access")[0] == {
        "recipient": "corp.example",
        "action": "reject",
        "response": {"code": 450, "text": "later"},
    }
    rows = {row.recipient: row for row in client.get(reverse("recipient-access:list")).context["rows"]}
    assert rows["corp.example"].is_pending


def test_a_recipient_is_deleted_after_a_question(user: User, client: Client) -> None:
    row = RecipientAccess.objects.get(configuration=pending.shown_to(user), recipient="corp.example")
    url = reverse("recipient-access:delete", args=[row.uid])
    client.get(url)
    assert pending.pending_of(user) is None
    client.post(url)
    assert [row["recipient"] for row in section(user, "recipient_access")] == ["old@corp.example"]


@pytest.mark.parametrize(
    "change",
    [
        {"recipient": "CORP.example"},
        {"recipient": "not a domain"},
        {"recipient": "*.example"},
        {"order": "0"},
        {"order": "9"},
        {"action": "maybe"},
        {"response_code": "550", "response_text": "no"},
        {"response_text": "no code"},
        {"response_code": "250", "response_text": "ünïcode"},
    ],
)
def test_a_bad_recipient_is_refused_and_nothing_is_pending(user: User, client: Client, change: dict[str, str]) -> None:
    data = {"order": "1", "recipient": "new.example", "action": "accept"} | change
    assert client.post(reverse("recipient-access:add"), data).status_code == 422
    assert pending.pending_of(user) is None


def test_a_route_is_added_with_its_filled_rows(user: User, client: Client) -> None:
    data = {"domain": ".New.example"} | hosts(("5", "192.0.2.1", "2525"), ("", "", ""), ("", "mx.new.example", ""))
    assert client.post(reverse("smtp-routes:add"), data)["Location"] == reverse("smtp-routes:list")
    assert section(user, "smtp_routes")[0] == {
        "domain": ".new.example",
        "hosts": [
            {"host": "192.0.2.1", "port": 2525, "priority": 5},
            {"host": "mx.new.example", "port": 25, "priority": 0},
        ],
    }


def test_a_route_is_edited_and_deleted(user: User, client: Client) -> None:
    found = SmtpRoute.objects.get(configuration=pending.shown_to(user), domain="corp.example")
    edit = reverse("smtp-routes:edit", args=[found.uid])
    assert "mx.corp.example" in client.get(edit).content.decode()
    client.post(edit, {"domain": "corp.example"} | hosts(("0", "USEDNS", "25")))
    shown = client.get(reverse("smtp-routes:list")).context
    (row,) = shown["rows"]
    assert (row["domain"], row["is_pending"]) == ("corp.example", True)
    assert row["hosts"] == [{"host": "USEDNS", "port": 25, "priority": 0}]
    assert (shown["others"]["domain"], shown["others"]["is_pending"]) == ("All Other Domains", False)
    client.post(reverse("smtp-routes:delete", args=[found.uid]))
    assert [row["domain"] for row in section(user, "smtp_routes")] == ["ALL"]


@pytest.mark.parametrize(
    "data",
    [
        {"domain": "corp.example"} | hosts(("0", "192.0.2.1", "25")),
        {"domain": "bad domain"} | hosts(("0", "192.0.2.1", "25")),
        {"domain": "new.example"} | hosts(("", "", "")),
        {"domain": "new.example"} | hosts(("0", "two words", "25")),
        {"domain": "new.example"} | hosts(("0", "192.0.2.1", "0")),
        {"domain": "new.example"} | hosts(("0", "192.0.2.1", "25"), ("1", "192.0.2.1", "25")),
        {"domain": "new.example"} | hosts(("0", "USEDNS", "25"), ("0", "192.0.2.1", "25")),
    ],
)
def test_a_bad_route_is_refused_with_its_reason(user: User, client: Client, data: dict[str, str]) -> None:
    response = client.post(reverse("smtp-routes:add"), data)
    assert response.status_code == 422
    assert "Errors have occurred" in response.content.decode()
    assert pending.pending_of(user) is None


def test_many_routes_are_paged_by_domain_in_a_fixed_number_of_queries(
    user: User, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    configured(smtp_routes=[route(f"d{number:03}.example") for number in range(250)])
    url = reverse("smtp-routes:list")
    seen = []
    for _page in range(3):
        # Session, user, pending set for page and frame, committed set, routes, the last row; the session's renewal.
        with django_assert_num_queries(8):
            response = client.get(url)
        seen += [row["domain"] for row in response.context["rows"]]
        url = f"{reverse('smtp-routes:list')}{response.context['next_url']}"
    assert seen == [f"d{number:03}.example" for number in range(250)]
    found = client.get(reverse("smtp-routes:list"), {"find": "D24"}).context["rows"]
    assert [row["domain"] for row in found] == [f"d24{digit}.example" for digit in range(10)]


def test_an_empty_table_says_what_that_means(client: Client) -> None:
    configured(recipient_access=[], smtp_routes=[])
    assert "The gateway accepts no mail." in client.get(reverse("recipient-access:list")).content.decode()
    assert "No routes have been defined." in client.get(reverse("smtp-routes:list")).content.decode()
