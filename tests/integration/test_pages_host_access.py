"""HAT Overview in the browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from seg_console.accounts.models import User
from seg_console.config import document, pending
from seg_console.gateway.document import HOST_ACCESS
from seg_console.gateway.models import ALL_UID, SenderGroup
from seg_console.gateway.tables_text import read_host_access, write_host_access
from tests.support.configurations import FULL
from tests.support.pages import configured, person, signed_in
from tests.support.table_files import HOSTS, give_table, import_table, refused

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

GROUP = {
    "name": "PARTNERS",
    "order": "1",
    "entries": "192.0.2.1, .partner.example",
    "action": "accept",
    "tls": "required",
}
HOSTILE = ["<script>alert(1)</script>", "a\x00b", "x\u202ey", "=HYPERLINK(1)", "w" * 1_000_000]


def groups(user: User) -> Any:
    return document.dump(pending.shown_to(user))["host_access"]


def names(user: User) -> list[str]:
    return [group["name"] for group in groups(user)]


def uid(user: User, name: str) -> Any:
    return SenderGroup.objects.get(configuration=pending.shown_to(user), name=name).uid


def rows(client: Client, **query: str) -> dict[str, Any]:
    return {row.name: row for row in client.get(reverse("host-access:list"), query).context["rows"]}


def test_a_group_is_added_at_its_place(user: User, client: Client) -> None:
    data = GROUP | {"comment": "Who we buy from", "max_recipients_per_hour": "500"}
    assert client.post(reverse("host-access:add"), data)["Location"] == reverse("host-access:list")
    assert names(user) == ["PARTNERS", "BLOCKED_LIST", "ALL"]
    assert groups(user)[0] == {
        "name": "PARTNERS",
        "comment": "Who we buy from",
        "entries": ["192.0.2.1", ".partner.example"],
        "action": "accept",
        "response": "",
        "max_connections_per_client": None,
        "max_messages_per_connection": None,
        "max_recipients": None,
        "max_recipients_per_hour": 500,
        "tls": "required",
    }
    row = rows(client)["PARTNERS"]
    assert row.is_pending
    assert row.settings == ("At most 500 recipients per hour from one IP address", "TLS: Required")


def test_a_group_is_edited_moved_and_deleted_after_a_question(user: User, client: Client) -> None:
    client.post(reverse("host-access:add"), GROUP)
    edit = reverse("host-access:edit", args=[uid(user, "PARTNERS")])
    assert "192.0.2.1\n.partner.example" in client.get(edit).content.decode()
    client.post(edit, GROUP | {"order": "2", "entries": "10.0.0.0/8", "action": "reject", "response": "Go away"})
    assert names(user) == ["BLOCKED_LIST", "PARTNERS", "ALL"]
    assert (groups(user)[1]["entries"], groups(user)[1]["response"]) == (["10.0.0.0/8"], "Go away")
    delete = reverse("host-access:delete", args=[uid(user, "PARTNERS")])
    assert "Delete sender group “PARTNERS”?" in client.get(delete).content.decode()
    assert "PARTNERS" in names(user)
    client.post(delete)
    assert names(user) == ["BLOCKED_LIST", "ALL"]


def test_the_last_row_is_edited_and_neither_deleted_nor_moved(user: User, client: Client) -> None:
    edit = reverse("host-access:edit", args=[ALL_UID])
    assert 'name="entries"' not in client.get(edit).content.decode()
    client.post(edit, {"action": "reject", "tls": "preferred", "response": "Partners only"})
    assert groups(user)[-1] == FULL["host_access"][-1] | {
        "action": "reject",
        "response": "Partners only",
        **dict.fromkeys(key for key in FULL["host_access"][-1] if key.startswith("max_")),
    }
    assert client.post(reverse("host-access:delete", args=[ALL_UID])).status_code == 404
    assert str(ALL_UID) not in client.get(reverse("host-access:order")).content.decode()


def test_the_last_row_set_back_to_what_a_new_system_has_is_no_change() -> None:
    configured(host_access=[])
    user = person()
    client = signed_in(user)
    edit = reverse("host-access:edit", args=[ALL_UID])
    client.post(edit, {"action": "refuse", "tls": "preferred"})
    assert [change.action for change in pending.pending_changes(user)] == ["changed"]
    client.post(edit, {"action": "accept", "tls": "preferred"})
    assert pending.pending_of(user) is None


def test_groups_are_put_in_order_by_numbers(user: User, client: Client) -> None:
    client.post(reverse("host-access:add"), GROUP)
    numbers = {str(uid(user, "PARTNERS")): "2", str(uid(user, "BLOCKED_LIST")): "1"}
    assert client.post(reverse("host-access:order"), numbers)["Location"] == reverse("host-access:list")
    assert names(user) == ["BLOCKED_LIST", "PARTNERS", "ALL"]


@pytest.mark.parametrize(
    ("asked", "group", "why"),
    [
        (
            "203.0.113.9",
            "BLOCKED_LIST",
            "falls to sender group BLOCKED_LIST (number 1), because of its entry 203.0.113.0/24.",
        ),
        ("mx.bad.example", "BLOCKED_LIST", "because of its entry .bad.example."),
        ("192.0.2.7", "ALL", "192.0.2.7 falls to the last row, ALL"),
        ("2001:db8::1", "ALL", "2001:db8::1 falls to the last row, ALL"),
    ],
)
def test_finding_a_sender_says_which_group_and_why(client: Client, asked: str, group: str, why: str) -> None:
    assert why in client.get(reverse("host-access:list"), {"find": asked}).content.decode()
    assert [name for name, row in rows(client, find=asked).items() if row.is_found] == [group]


@pytest.mark.parametrize("asked", ["", "two words", "203.0.113.0/24", HOSTILE[0], *HOSTILE[2:4]])
def test_what_is_no_host_is_refused_and_shown_safely(client: Client, asked: str) -> None:
    response = client.get(reverse("host-access:list"), {"find": asked})
    assert response.status_code == 422
    assert "<script>alert" not in response.content.decode()


@pytest.mark.parametrize(
    "change",
    [
        {"name": "blocked_list"},
        {"name": "ALL"},
        {"name": "none"},
        {"name": "two words"},
        {"order": "0"},
        {"order": "9"},
        {"entries": "192.0.2.300"},
        {"entries": "ALL"},
        {"action": "relay"},
        {"response": "with accept"},
        {"action": "reject", "response": "two\nlines"},
        {"action": "reject", "response": "ünïcode"},
        {"action": "reject", "response": "550 not from here"},
        {"max_recipients": "0"},
        {"max_recipients_per_hour": "1.5"},
        {"tls": "maybe"},
        *({field: value} for field in ("name", "comment", "entries", "response") for value in HOSTILE[1:3]),
        *({field: HOSTILE[0]} for field in ("name", "entries", "max_recipients")),
        *({field: HOSTILE[4]} for field in ("name", "comment", "entries", "response", "order")),
    ],
)
def test_a_bad_group_is_refused_and_nothing_is_pending(user: User, client: Client, change: dict[str, str]) -> None:
    response = client.post(reverse("host-access:add"), GROUP | change)
    assert response.status_code == 422
    assert "<script>alert" not in response.content.decode()
    assert pending.pending_of(user) is None


def test_markup_in_a_comment_is_shown_as_it_was_typed(user: User, client: Client) -> None:
    client.post(reverse("host-access:add"), GROUP | {"comment": HOSTILE[0]})
    content = client.get(reverse("host-access:list")).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content
    assert HOSTILE[0] not in content


def test_bad_entries_are_named_by_line(client: Client) -> None:
    content = client.post(reverse("host-access:add"), GROUP | {"entries": "192.0.2.1\n\n192.0.2.300"}).content.decode()
    assert "Line 3: &quot;192.0.2.300&quot; is not an IP address" in content


def test_what_is_exported_is_imported_again_as_the_same(user: User, client: Client) -> None:
    response = client.get(reverse("host-access:export"))
    assert response["Content-Disposition"] == 'attachment; filename="host-access-table.txt"'
    text = response.content.decode()
    assert text.splitlines()[:7] == [
        "group BLOCKED_LIST",
        "  comment Seen in March <b>",
        "  action reject",
        "  response Not from there",
        "  tls preferred",
        "  203.0.113.0/24",
        "  .bad.example",
    ]
    assert "says what the table says already" in give_table(client, "host-access:import", text).content.decode()
    assert pending.pending_of(user) is None


def test_importing_replaces_the_table_and_tells_the_counts(user: User, client: Client) -> None:
    text = "# new\ngroup BLOCKED_LIST\naction refuse\n  198.51.100.0/24 # seen today\ngroup PARTNERS\n.p.example\n"
    response = import_table(client, "host-access:import", text)
    said = "3 rows were imported: 1 added, 2 changed, 0 moved, 0 removed. They take effect when you commit."
    assert said in response.content.decode()
    assert names(user) == ["BLOCKED_LIST", "PARTNERS", "ALL"]
    assert groups(user)[0]["entries"] == ["198.51.100.0/24"]
    assert groups(user)[-1]["max_recipients"] is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("192.0.2.1", "Line 1:"),
        ("group A\n  192.0.2.300", "Line 2:"),
        ("group A\n\n# x\n  action relay", "Line 4:"),
        ("group A\n  max_recipients many", "Line 2:"),
        ("group A\n  max_recipients 0", "Line 2:"),
        ("group A\n  tls none\n  tls none", "Line 3:"),
        ("group A\n  192.0.2.1 192.0.2.2", "Line 2:"),
        ("group A\n  192.0.2.1\n  192.0.2.1", "Line 1:"),
        ("group A\ngroup a", "Line 2:"),
        ("group ALL\ngroup A", "Line 1:"),
        ("group ALL\n  192.0.2.1", "Line 1:"),
        ("group two words", "Line 1:"),
        ("group A\n  comment a\x07b", "Line 2:"),
        (f"group A\n  comment {HOSTILE[1]}", "Null characters are not allowed."),
        (f"group A\n  {HOSTILE[2]}", "Line 2:"),
        (f"group {HOSTILE[0]}", "Line 1:"),
    ],
)
def test_a_faulty_file_is_told_by_line_and_changes_nothing(user: User, client: Client, text: str, fault: str) -> None:
    response = client.post(reverse("host-access:import"), {"pasted": text})
    content = response.content.decode()
    assert response.status_code == 422
    assert fault in content
    assert "<script>alert" not in content
    assert pending.pending_of(user) is None


def test_a_group_with_a_host_named_like_a_word_of_the_file_survives_it() -> None:
    configured(host_access=[{"name": "ODD", "entries": ["comment", "group", "entry", "tls"]}])
    value = document.document_of(pending.committed()).plain(HOST_ACCESS)
    text = write_host_access(value).decode()
    assert read_host_access(text).items[0]["entries"] == ["comment", "group", "entry", "tls"]


def test_thousands_of_entries_take_no_more_queries(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    many = [f"10.{number // 250}.{number % 250}.0/24" for number in range(5_000)]
    configured(host_access=[{"name": f"G{number}", "entries": many[number::20]} for number in range(20)])
    # Session, user, pending set for page and frame, committed set, groups; the session's renewal.
    with django_assert_num_queries(7):
        response = client.get(reverse("host-access:list"))
    assert "and 247 more" in response.content.decode()


def test_all_faults_of_a_host_access_file_are_told_at_once_in_the_order_of_its_lines(client: Client) -> None:
    text = (
        "group A\n  max_recipients -1\n  192.0.2.300\n  192.0.2.1 192.0.2.2\ngroup B\n  max_recipients many\ngroup a\n"
    )
    found = refused(client, HOSTS, text)
    assert [line for line, _message in found] == [2, 3, 4, 6, 7]
    assert [found[index][1] for index in (0, 2, 3, 4)] == [
        "give 1 or more.",
        "“192.0.2.1 192.0.2.2” is neither an entry nor a value.",
        "give a whole number after max_recipients.",
        "a is in the list already, in line 1; give each only once.",
    ]
