"""The Recipient Access Table: single rows, order, search, files."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from seg_console.accounts.models import User
from seg_console.config import pending
from seg_console.gateway.document import RECIPIENT_ACCESS
from seg_console.gateway.models import RecipientAccess
from tests.support.pages import configured, person, section, signed_in
from tests.support.table_files import RECIPIENTS, give_table, import_table, refused

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


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


def test_rows_are_put_in_order_by_numbers(user: User, client: Client) -> None:
    uids = list(RecipientAccess.objects.filter(configuration=pending.shown_to(user)).order_by("position"))
    numbers = {str(row.uid): str(2 - at) for at, row in enumerate(uids)}
    assert client.post(reverse("recipient-access:order"), numbers)["Location"] == reverse("recipient-access:list")
    assert [row["recipient"] for row in section(user, "recipient_access")] == ["corp.example", "old@corp.example"]


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


# --- Import and export


def test_what_is_exported_is_imported_again_as_the_same(user: User, client: Client) -> None:
    text = client.get(reverse("recipient-access:export")).content.decode()
    assert text == "old@corp.example REJECT 550 gone\ncorp.example ACCEPT\nALL REJECT\n"
    looked_at = give_table(client, "recipient-access:import", text)
    assert "says what the table says already" in looked_at.content.decode()
    assert pending.pending_of(user) is None


def test_a_quoted_address_with_blanks_is_a_row_of_the_file(user: User, client: Client) -> None:
    text = '"old  boys"@corp.example REJECT 550 gone away\n"taro..y"@corp.example ACCEPT\n'
    import_table(client, "recipient-access:import", text)
    assert [row["recipient"] for row in section(user, "recipient_access")] == [
        '"old  boys"@corp.example',
        "taro..y@corp.example",
    ]
    exported = client.get(reverse("recipient-access:export")).content.decode()
    assert exported == text.replace('"taro..y"', "taro..y") + "ALL REJECT\n"


def test_importing_replaces_the_table_and_tells_the_counts(user: User, client: Client) -> None:
    text = "# new\ncorp.example reject 450 Come again later\nNew.Example ACCEPT\n"
    response = import_table(client, "recipient-access:import", text)
    said = "2 rows were imported: 1 added, 1 changed, 0 moved, 1 removed. They take effect when you commit."
    assert said in response.content.decode()
    assert section(user, "recipient_access") == [
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


def test_all_faults_of_a_recipient_access_file_are_told_at_once_in_the_order_of_its_lines(client: Client) -> None:
    text = "not/a/domain ACCEPT\na.example REJECT gone\nb.example REJECT 250 No\n\nc.example ACCEPT\nC.example REJECT\n"
    found = refused(client, RECIPIENTS, text)
    assert [line for line, _message in found] == [1, 2, 3, 6]
    assert [message for _line, message in found[1:]] == [
        "give a code and a text after the action, for example: REJECT 550 Gone",
        "give a code from 400 to 599 with reject.",
        "C.example is in the list already, in line 5; give each only once.",
    ]


def test_too_many_rows_of_recipients_are_counted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RECIPIENT_ACCESS, "most", 2)
    text = "a.example ACCEPT\nb.example ACCEPT\nc.example REJECT gone\nd.example ACCEPT\n"
    assert refused(client, RECIPIENTS, text) == [
        (None, "The file has 4 rows; at most 2 can be imported."),
        (3, "give a code and a text after the action, for example: REJECT 550 Gone"),
    ]
