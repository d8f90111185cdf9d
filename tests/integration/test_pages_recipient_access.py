"""The Recipient Access Table: order, search, files. Adding and editing single rows is in test_pages_network."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from seg_console.accounts.models import User
from seg_console.config import document, pending
from seg_console.gateway.models import RecipientAccess
from tests.support.pages import configured, give_table, import_table, person, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


@pytest.fixture
def user() -> User:
    configured()
    return person()


@pytest.fixture
def client(user: User) -> Client:
    return signed_in(user)


def table(user: User) -> Any:
    return document.dump(pending.shown_to(user))["recipient_access"]


def test_rows_are_put_in_order_by_numbers(user: User, client: Client) -> None:
    uids = list(RecipientAccess.objects.filter(configuration=pending.shown_to(user)).order_by("position"))
    numbers = {str(row.uid): str(2 - at) for at, row in enumerate(uids)}
    assert client.post(reverse("recipient-access:order"), numbers)["Location"] == reverse("recipient-access:list")
    assert [row["recipient"] for row in table(user)] == ["corp.example", "old@corp.example"]


def test_what_is_exported_is_imported_again_as_the_same(user: User, client: Client) -> None:
    text = client.get(reverse("recipient-access:export")).content.decode()
    assert text == "old@corp.example REJECT 550 gone\ncorp.example ACCEPT\nALL REJECT\n"
    looked_at = give_table(client, "recipient-access:import", text)
    assert "says what the table says already" in looked_at.content.decode()
    assert pending.pending_of(user) is None


def test_a_quoted_address_with_blanks_is_a_row_of_the_file(user: User, client: Client) -> None:
    text = '"old  boys"@corp.example REJECT 550 gone away\n"taro..y"@corp.example ACCEPT\n'
    import_table(client, "recipient-access:import", text)
    assert [row["recipient"] for row in table(user)] == ['"old  boys"@corp.example', "taro..y@corp.example"]
    exported = client.get(reverse("recipient-access:export")).content.decode()
    assert exported == text.replace('"taro..y"', "taro..y") + "ALL REJECT\n"


def test_importing_replaces_the_table_and_tells_the_counts(user: User, client: Client) -> None:
    text = "# new\ncorp.example reject 450 Come again later\nNew.Example ACCEPT\n"
    response = import_table(client, "recipient-access:import", text)
    said = "2 rows were imported: 1 added, 1 changed, 0 moved, 1 removed. They take effect when you commit."
    assert said in response.content.decode()
    assert table(user) == [
        {"recipient": "corp.example", "action": "reject", "response": {"code": 450, "text": "Come again later"}},
        {"recipient": "new.example", "action": "accept", "response": None},
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("corp.example ACCEPT\n\nnot/a/domain ACCEPT", "Line 3:"),
        ("corp.example", "Line 1:"),
        ("corp.example MAYBE", "Line 1:"),
        ("corp.example REJECT 550", "Line 1:"),
        ("corp.example REJECT gone away", "Line 1:"),
        ("corp.example ACCEPT 550 no", "Line 1:"),
        ("corp.example REJECT 550 ünïcode", "Line 1:"),
        ("corp.example ACCEPT\nCORP.example REJECT", "Line 2:"),
        ("ALL ACCEPT", "Line 1:"),
        ("corp.example REJECT 421 bye", "give another code, for example 450"),
        ("<script>alert(1)</script> ACCEPT", "Line 1:"),
        ("a\u202e.example ACCEPT", "Line 1:"),
        ("=cmd() ACCEPT", "Line 1:"),
        ("x" * 400_000 + " ACCEPT", "Line 1:"),
        ("x" * 1_000_000, "longer than 500,000 characters"),
    ],
)
def test_a_faulty_file_is_told_by_line_and_changes_nothing(user: User, client: Client, text: str, fault: str) -> None:
    response = client.post(reverse("recipient-access:import"), {"pasted": text})
    assert response.status_code == 422
    assert fault in response.content.decode()
    assert "<script>alert" not in response.content.decode().replace("&lt;", "")
    assert pending.pending_of(user) is None


def test_a_long_table_is_paged_and_searched_in_a_fixed_number_of_queries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    configured(recipient_access=[{"recipient": f"d{number:03}.example", "action": "accept"} for number in range(250)])
    url, seen = reverse("recipient-access:list"), []
    for _page in range(3):
        # Session, user, pending set for page and frame, committed set, places, rows; the session's renewal.
        with django_assert_num_queries(8):
            response = client.get(url)
        seen += [(row.order, row.recipient) for row in response.context["rows"]]
        url = f"{reverse('recipient-access:list')}{response.context['next_url']}"
    assert seen == [(number + 1, f"d{number:03}.example") for number in range(250)]
    found = client.get(reverse("recipient-access:list"), {"find": "D24", "after": "x"}).context["rows"]
    assert [row.order for row in found] == list(range(241, 251))


def test_a_table_of_thousands_has_no_page_for_its_order() -> None:
    configured(recipient_access=[{"recipient": f"d{number}.example", "action": "accept"} for number in range(1_001)])
    client = signed_in(person())
    assert client.get(reverse("recipient-access:order")).status_code == 404
    assert reverse("recipient-access:order") not in client.get(reverse("recipient-access:list")).content.decode()
