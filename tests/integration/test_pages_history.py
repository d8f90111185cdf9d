"""Configuration History: the list, what differs between any two, the way back, the export."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.config import document, pending
from seg_console.config.blocks import blocks
from seg_console.config.changes import MOST_SHOWN, Action, Size, compare
from seg_console.config.models import CommittedSection, Configuration, GeneralSettings
from tests.support.configurations import full, policy, route
from tests.support.pages import change_choice, person, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


def history(client: Client, **query: int) -> str:
    return client.get(reverse("configuration:history"), query).content.decode()


def compared(client: Client, before: int, after: int) -> str:
    return client.get(reverse("configuration:history-compare"), {"from": before, "to": after}).content.decode()


def test_history_lists_number_author_and_comment_and_marks_the_running_one(user: User, client: Client) -> None:
    change_choice(user, client)
    client.post(reverse("configuration:commit"), {"comment": "<i>third</i>"})
    content = client.get(reverse("configuration:history")).content.decode()
    assert "&lt;i&gt;third&lt;/i&gt;" in content
    assert "for the test" in content
    assert content.count(">running<") == 1


def test_rolling_back_shows_the_difference_and_makes_it_pending(user: User, client: Client) -> None:
    change_choice(user, client, policy="Finance")
    client.post(reverse("configuration:commit"), {})
    url = reverse("configuration:roll-back", args=[2])
    assert "<ins>Custom Message Intake Address</ins>" in client.get(url).content.decode()
    assert client.post(url)["Location"] == reverse("configuration:uncommitted-changes")
    shown = pending.pending_of(user)
    assert shown is not None
    assert document.dump(shown) == full()
    assert pending.committed().number == 3


def test_rolling_back_to_a_number_that_never_was_is_not_found(client: Client) -> None:
    assert client.post(reverse("configuration:roll-back", args=[99])).status_code == 404


def test_rolling_back_needs_the_right_to_change_and_a_reader_is_not_offered_it(user: User) -> None:
    reader = signed_in(person(Role.READ_ONLY_OPERATOR))
    assert reverse("configuration:roll-back", args=[1]) not in history(reader)
    assert reader.get(reverse("configuration:roll-back", args=[1])).status_code == 403


def test_rolling_back_over_pending_changes_warns_and_replaces_them(user: User, client: Client) -> None:
    change_choice(user, client)
    url = reverse("configuration:roll-back", args=[1])
    assert "Your present pending changes will be replaced." in client.get(url).content.decode()
    client.post(url)
    shown = pending.pending_of(user)
    assert shown is not None
    assert document.dump(shown) == document.initial()


def test_the_size_of_a_change_is_kept_with_its_commit(user: User, client: Client) -> None:
    pending.commit_document(full(smtp_routes=[route("new.example"), route("corp.example")]), "routes")
    newest = pending.committed()
    assert (newest.objects_added, newest.objects_changed, newest.objects_removed) == (1, 1, 1)
    change_choice(user, client)
    client.post(reverse("configuration:commit"), {})
    newest = pending.committed()
    assert (newest.objects_added, newest.objects_changed, newest.objects_removed) == (0, 1, 0)
    first = Configuration.objects.get(number=1)
    assert (first.objects_added, first.objects_changed, first.objects_removed) == (0, 0, 0)


def test_the_list_is_paged_by_number_with_the_persons_rows(user: User, client: Client) -> None:
    for number in range(3, 14):
        pending.commit_document(full(dns={"timeout": number}), f"comment {number}")
    User.objects.filter(pk=user.pk).update(rows=10)
    content = history(client)
    assert "comment 13" in content
    assert "comment 4<" in content
    assert "comment 3<" not in content
    assert 'href="?before=4"' in content
    older = history(client, before=4)
    assert "comment 3<" in older
    assert "comment 4<" not in older
    assert f'href="{reverse("configuration:history")}"' in older


@pytest.mark.parametrize("entries", [2, 9])
def test_the_list_takes_the_same_number_of_queries_whatever_its_length(
    user: User, client: Client, entries: int
) -> None:
    for number in range(entries):
        pending.commit_document(full(dns={"timeout": number + 3}), "again")
    with CaptureQueriesContext(connection) as captured:
        history(client)
    asked = [query["sql"] for query in captured if "config_" in query["sql"]]
    # The page's rows, the running one, and the frame's look at pending sets.
    assert len(asked) == 3


def test_any_two_are_compared_in_either_direction(user: User, client: Client) -> None:
    pending.commit_document(full(dns={"timeout": 3}), "third")
    pending.commit_document(full(dns={"timeout": 4}), "fourth")
    content = compared(client, 2, 4)
    assert "From Configuration 2 to 4" in content
    assert "<del>2</del>" in content
    assert "<ins>4</ins>" in content
    assert "?from=4&amp;to=2" in content
    assert "<del>4</del>" in compared(client, 4, 2)
    assert "Nothing differs." in compared(client, 3, 3)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [(2, 99, "There is no configuration 99."), ("x", 2, "Enter a whole number."), (2, "", "This field is required.")],
)
def test_numbers_that_name_no_configuration_are_refused_beside_their_field(
    client: Client, before: str | int, after: str | int, said: str
) -> None:
    response = client.get(reverse("configuration:history-compare"), {"from": before, "to": after})
    assert response.status_code == 422
    assert said in response.content.decode()


def test_the_changes_of_one_commit_are_a_link_away(client: Client) -> None:
    pending.commit_document(full(dns={"timeout": 3}), "third")
    url = reverse("configuration:history-changes", args=[3])
    assert url in history(client)
    content = client.get(url).content.decode()
    assert "From Configuration 2 to 3" in content
    assert "<ins>3</ins>" in content
    first = client.get(reverse("configuration:history-changes", args=[1]), follow=True)
    assert "Configuration 1 is the first; nothing was before it." in first.content.decode()


def test_any_configuration_is_exported_as_the_document_that_loads_again(client: Client) -> None:
    response = client.get(reverse("configuration:history-export", args=[1]))
    assert response["Content-Disposition"] == 'attachment; filename="configuration-1.json"'
    assert json.loads(response.content) == document.initial()


def test_a_very_large_difference_is_shown_by_its_beginning_and_counted(client: Client) -> None:
    many = MOST_SHOWN + 50
    routes = [route(f"d{number:04}.example") for number in range(many)]
    pending.commit_document(
        full(smtp_routes=routes, incoming_mail_policies=[policy("Only", "a@")]), "routes and policies"
    )
    two, three = Configuration.objects.get(number=2), pending.committed()
    found = compare(two, three)
    assert len(found.shown) == MOST_SHOWN
    # Nothing is lost behind the many: the policies, their users and choices are all there.
    assert {change.name for change in found.shown if change.label == "Incoming Mail Policy"} == {
        "Finance",
        "Board",
        "Only",
    }
    # Three policies, four users, the custom choice; two routes of before, and the many.
    assert found.size.added + found.size.changed + found.size.removed == MOST_SHOWN + found.left_out
    assert f"{found.left_out} more objects differ." in compared(client, 2, 3)
    assert (three.objects_added, three.objects_removed) == (found.size.added, found.size.removed)


def test_comparing_asks_the_same_number_of_queries_whatever_differs(client: Client) -> None:
    def queries() -> int:
        newest = Configuration.objects.committed()[:2]
        with CaptureQueriesContext(connection) as captured:
            compare(newest[1], newest[0])
        return len(captured)

    pending.commit_document(full(smtp_routes=[route("one.example")]), "one")
    few = queries()
    pending.commit_document(full(smtp_routes=[route(f"d{number}.example") for number in range(30)]), "many")
    assert queries() == few


def test_a_place_in_a_long_list_is_shown_as_its_number(user: User, client: Client) -> None:
    names = ["A", "B", "C", "D"]
    pending.commit_document(full(incoming_mail_policies=[policy(name, f"{name.lower()}@") for name in names]), "four")
    moved = ["D", "A", "B", "C"]
    pending.commit_document(full(incoming_mail_policies=[policy(name, f"{name.lower()}@") for name in moved]), "moved")
    newest = pending.committed()
    before = Configuration.objects.get(number=3)
    (found,) = compare(before, newest).shown
    assert (found.name, [(field.old, field.new) for field in found.fields]) == ("D", [("4", "1")])
    assert compare(before, newest).size == Size(added=0, changed=1, removed=0)


def test_what_belongs_to_one_policy_is_read_as_one_block(user: User, client: Client) -> None:
    wide = policy("Renamed", "a@") | {"members": policy("x", "a@")["members"] * 11}
    wide |= {"threat_defense_connector": {"mode": "no_scan", "address": ""}}
    pending.commit_document(full(incoming_mail_policies=[wide, policy("Board", "b@")]), "renamed")
    found = blocks(compare(Configuration.objects.get(number=2), pending.committed()).shown)
    of_policies = [block for block in found if block.label == "Incoming Mail Policy"]
    assert [(block.name, block.action) for block in of_policies] == [
        ("Board", Action.CHANGED),
        ("Finance", Action.REMOVED),
        ("Renamed", Action.ADDED),
    ]
    renamed = of_policies[-1]
    assert [part.label for part in renamed.parts].count("User") == 11
    assert [part.name for part in renamed.parts if part.label == "User"] == [str(n) for n in range(1, 12)]
    assert "Threat Defense Connector" in [part.label for part in renamed.parts]
    content = compared(client, 2, 3)
    assert content.count("Incoming Mail Policy “") == 3
    assert "<b>User 11</b></td>" in content


def test_a_part_of_what_has_no_row_is_told_under_its_name(user: User, client: Client) -> None:
    choice = {"threat_defense_connector": {"mode": "no_scan", "address": ""}}
    pending.commit_document(full(default_policy=choice), "default")
    [block] = blocks(compare(Configuration.objects.get(number=2), pending.committed()).shown)
    assert (block.label, block.name, block.whole) == ("Default Policy", "Default Policy", None)
    assert ">Default Policy<small>changed</small></th>" in compared(client, 2, 3)


def test_a_set_older_than_a_section_says_its_initial_values(user: User) -> None:
    old = Configuration.objects.get(number=1)
    GeneralSettings.objects.filter(configuration=old).delete()
    CommittedSection.objects.filter(configuration=old, key="general_settings").delete()
    assert [
        change.label for change in compare(old, pending.committed()).shown if change.label == "General Settings"
    ] == []
