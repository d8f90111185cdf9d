"""Incoming Mail Policies and the connector's choices in the browser: what each act changes, and nothing else."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from policies.matching import DEFAULT_POLICY_UID
from policies.models import IncomingMailPolicy, PolicyMember
from seg_console.accounts.models import User
from seg_console.config import pending
from tdc.models import ConnectorSettings, PolicyChoice
from tests.support.configurations import policy
from tests.support.pages import configuration_queries, configured, htmx, person, policy_uid, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


@pytest.fixture
def user() -> User:
    configured()
    return person()


@pytest.fixture
def client(user: User) -> Client:
    return signed_in(user)


def member(number: int = 0, **values: str) -> dict[str, str]:
    given = {"sender_match": "any", "recipient_match": "following", "join": "any", "recipient_entries": "a@x.example"}
    return {f"member-{number}-{name}": value for name, value in (given | values).items()}


def policy_form(*members: dict[str, str], name: str = "New", before: str = "") -> dict[str, str]:
    counts = {"member-TOTAL_FORMS": str(len(members)), "member-INITIAL_FORMS": "0"}
    whole = {"name": name, "before": before} | counts
    for each in members:
        whole |= each
    return whole


def names(user: User) -> list[str]:
    rows = IncomingMailPolicy.objects.filter(configuration=pending.shown_to(user))
    return list(rows.order_by("position").values_list("name", flat=True))


def choice_of(user: User, uid: UUID) -> tuple[str, str]:
    row = PolicyChoice.objects.get(configuration=pending.shown_to(user), policy_uid=uid)
    return row.mode, row.address


def test_the_table_shows_each_state_of_a_cell_and_the_default_policy_last(client: Client) -> None:
    content = client.get(reverse("policies:list")).content.decode()
    assert content.index("Finance") < content.index("Board") < content.index("Default Policy</b>")
    assert "id2@intake.example" in content
    assert "(use default)" in content
    assert "No Changes Pending" in content


NOT_CUSTOM = "The address counts only with Custom Message Intake Address: choose that, or empty the field."


@pytest.mark.parametrize("mode", ["use_default", "no_scan", "default"])
@pytest.mark.parametrize("headers", [{}, htmx()], ids=["page", "cell"])
def test_an_address_typed_beside_another_choice_is_refused(
    user: User, client: Client, mode: str, headers: dict[str, str]
) -> None:
    url = reverse("tdc:policy-choice", args=[policy_uid(user, "Board")])
    response = client.post(url, {"mode": mode, "address": "id9@intake.example"}, headers=headers)
    assert response.status_code == 422
    assert response.context["form"].errors == {"address": [NOT_CUSTOM]}
    assert "id9@intake.example" in response.content.decode()
    assert pending.pending_of(user) is None


def test_an_address_typed_beside_another_choice_for_several_policies_is_refused(user: User, client: Client) -> None:
    ticked = str(policy_uid(user, "Board"))
    for step in ({}, {"submit": "1"}):
        asked = {"policy": [ticked], "mode": "no_scan", "address": "id9@intake.example", **step}
        response = client.post(reverse("tdc:change-policies"), asked)
        assert response.status_code == 422
        assert response.context["form"].errors == {"address": [NOT_CUSTOM]}
    assert pending.pending_of(user) is None


def test_the_address_of_the_choice_that_is_given_up_goes_and_is_told(user: User, client: Client) -> None:
    uid = policy_uid(user, "Finance")
    asked = {"mode": "no_scan", "address": "id2@intake.example"}
    content = client.post(reverse("tdc:policy-choice", args=[uid]), asked, headers=htmx()).content.decode()
    assert "The custom address id2@intake.example went with the choice that it belonged to." in content
    assert choice_of(user, uid) == ("no_scan", "")


@pytest.mark.parametrize("count", [1, 60])
def test_the_table_takes_a_fixed_number_of_queries(user: User, client: Client, count: int) -> None:
    configured(incoming_mail_policies=[policy(f"P{number}", f"u{number}@") for number in range(count)])
    # Pending set for page and for frame, committed set; policies, members, address lists, choices, settings.
    assert configuration_queries(client, reverse("policies:list")) == 8


def test_choosing_in_the_cell_changes_that_policy_alone_and_answers_cell_button_and_messages(
    user: User, client: Client
) -> None:
    uid = policy_uid(user, "Board")
    url = reverse("tdc:policy-choice", args=[uid])
    opened = client.get(url, headers=htmx()).content.decode()
    assert opened.lstrip().startswith("<td")
    assert "33" not in opened or "<html" not in opened
    answer = client.post(url, {"mode": "custom", "address": "Own@Intake.Example"}, headers=htmx()).content.decode()
    assert answer.count("<td") == 1
    assert 'id="commit"' in answer
    assert "Commit Changes" in answer
    assert answer.count('hx-swap-oob="true"') == 2
    assert choice_of(user, uid) == ("custom", "Own@intake.example")
    changed = pending.pending_changes(user)
    assert [(change.model, change.within) for change in changed] == [("tdc.PolicyChoice", "Board")]


def test_the_same_address_works_as_a_page_without_htmx(user: User, client: Client) -> None:
    uid = policy_uid(user, "Finance")
    url = reverse("tdc:policy-choice", args=[uid])
    assert "<h1>Mail Policies: Threat Defense Connector</h1>" in client.get(url).content.decode()
    assert client.post(url, {"mode": "no_scan"})["Location"] == reverse("policies:list")
    assert choice_of(user, uid) == ("no_scan", "")


@pytest.mark.parametrize("address", ["", "no-at-sign", "a b@x.example", "a@", "a@x.example, b@x.example"])
def test_a_bad_custom_address_is_refused_beside_its_field_and_nothing_is_pending(
    user: User, client: Client, address: str
) -> None:
    url = reverse("tdc:policy-choice", args=[policy_uid(user, "Finance")])
    response = client.post(url, {"mode": "custom", "address": address}, headers=htmx())
    assert response.status_code == 422
    assert "field-error" in response.content.decode()
    assert pending.pending_of(user) is None


def test_of_the_choices_the_one_that_holds_takes_the_focus(user: User, client: Client) -> None:
    content = client.get(reverse("tdc:policy-choice", args=[policy_uid(user, "Board")])).content.decode()
    assert re.findall(r'<input type="radio" name="mode" value="(\w+)"[^>]* autofocus', content) == ["use_default"]


def test_the_default_policy_cannot_inherit(user: User, client: Client) -> None:
    url = reverse("tdc:policy-choice", args=[DEFAULT_POLICY_UID])
    assert client.post(url, {"mode": "use_default"}).status_code == 422
    assert client.post(url, {"mode": "no_scan"}).status_code == 302
    assert choice_of(user, UUID(DEFAULT_POLICY_UID)) == ("no_scan", "")


def test_custom_for_a_policy_that_takes_every_recipient_warns(user: User, client: Client) -> None:
    url = reverse("tdc:policy-choice", args=[policy_uid(user, "Board")])
    answer = client.post(url, {"mode": "custom", "address": "own@intake.example"}, headers=htmx()).content.decode()
    assert "matches every recipient" in answer


def test_cells_say_not_available_while_the_service_is_off(client: Client) -> None:
    configured(threat_defense_connector={"enabled": False, "message_intake_address": ""})
    content = client.get(reverse("policies:list")).content.decode()
    assert content.count("Not Available") == 3
    assert reverse("tdc:settings") in content


def test_undoing_a_choice_leaves_nothing_pending(user: User, client: Client) -> None:
    url = reverse("tdc:policy-choice", args=[policy_uid(user, "Finance")])
    client.post(url, {"mode": "no_scan"})
    assert pending.pending_of(user) is not None
    client.post(url, {"mode": "custom", "address": "id2@intake.example"})
    assert pending.pending_of(user) is None


def test_a_policy_is_added_where_it_was_asked_for_with_its_users(user: User, client: Client) -> None:
    first = policy_uid(user, "Board")
    users = member(0, sender_match="not", sender_entries="@bulk.example", except_entries="c@x.example, d@")
    response = client.post(reverse("policies:add"), policy_form(users, before=str(first)))
    assert response["Location"] == reverse("policies:list")
    assert names(user) == ["Finance", "New", "Board"]
    row = PolicyMember.objects.get(configuration=pending.shown_to(user), policy_uid=policy_uid(user, "New"))
    assert row.values() == {
        "senders": {"match": "not", "entries": ["@bulk.example"]},
        "recipients": {
            "match": "following",
            "join": "any",
            "entries": ["a@x.example"],
            "except": ["c@x.example", "d@"],
        },
    }


def test_editing_keeps_the_identity_of_policy_and_users(user: User, client: Client) -> None:
    uid = policy_uid(user, "Finance")
    shown = pending.shown_to(user)
    before = set(PolicyMember.objects.filter(configuration=shown, policy_uid=uid).values_list("uid", flat=True))
    data = policy_form(
        member(0), member(1, recipient_entries="b@"), name="Treasury", before=str(policy_uid(user, "Board"))
    )
    assert client.post(reverse("policies:edit", args=[uid]), data).status_code == 302
    shown = pending.shown_to(user)
    after = set(PolicyMember.objects.filter(configuration=shown, policy_uid=uid).values_list("uid", flat=True))
    assert after == before
    assert names(user) == ["Treasury", "Board"]


def test_a_row_of_users_taken_away_is_gone(user: User, client: Client) -> None:
    uid = policy_uid(user, "Finance")
    client.post(reverse("policies:edit", args=[uid]), policy_form(member(0), name="Finance"))
    assert PolicyMember.objects.filter(configuration=pending.shown_to(user), policy_uid=uid).count() == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "finance"}, "A policy of this name exists already."),
        ({"name": "Default Policy"}, "Default Policy"),
        ({"name": "<script>"}, "Use letters, digits"),
        ({"name": ""}, "required"),
        ({"member-0-recipient_entries": "a@x.example, *@x.example"}, "*@x.example"),
        ({"member-0-recipient_entries": ""}, "Give at least one recipient"),
        ({"member-0-sender_match": "following"}, "Give at least one sender"),
        ({"member-TOTAL_FORMS": "0"}, "at least one row of users"),
    ],
)
def test_a_bad_policy_is_refused_with_its_reason(
    user: User, client: Client, change: dict[str, str], sentence: str
) -> None:
    response = client.post(reverse("policies:add"), policy_form(member(0)) | change)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert pending.pending_of(user) is None


def test_add_user_shows_one_more_row_and_keeps_what_was_typed(user: User, client: Client) -> None:
    data = policy_form(member(0, recipient_entries="typed@"), name="Half") | {"add-member": "1"}
    content = client.post(reverse("policies:add"), data).content.decode()
    assert "typed@" in content
    assert 'value="Half"' in content
    assert 'name="member-1-sender_match"' in content
    assert "field-error" not in content
    assert pending.pending_of(user) is None


def test_deleting_asks_first_and_takes_the_users_and_the_choice_along(user: User, client: Client) -> None:
    uid = policy_uid(user, "Finance")
    url = reverse("policies:delete", args=[uid])
    assert "Delete policy “Finance”?" in client.get(url).content.decode()
    assert pending.pending_of(user) is None
    client.post(url)
    shown = pending.shown_to(user)
    assert names(user) == ["Board"]
    assert not PolicyMember.objects.filter(configuration=shown, policy_uid=uid).exists()
    assert not PolicyChoice.objects.filter(configuration=shown, policy_uid=uid).exists()


@pytest.mark.parametrize(
    ("numbers", "order"),
    [
        ({"D": 1}, "DABC"),
        ({"A": 3}, "BCAD"),
        ({"A": 4, "B": 3, "C": 2, "D": 1}, "DCBA"),
        ({"A": 99}, "BCDA"),
        ({}, "ABCD"),
    ],
)
def test_policies_are_ordered_by_numbers(user: User, client: Client, numbers: dict[str, int], order: str) -> None:
    configured(incoming_mail_policies=[policy(name, f"{name}@") for name in "ABCD"])
    data: dict[str, Any] = {
        str(policy_uid(user, name)): numbers.get(name, place) for place, name in enumerate("ABCD", start=1)
    }
    client.post(reverse("policies:order"), data)
    assert "".join(names(user)) == order


@pytest.mark.parametrize(
    ("side", "address", "found"),
    [
        ("recipient", "joe@finance.corp.example", {"Finance"}),
        ("recipient", "cfo@anywhere.example", {"Finance"}),
        ("recipient", "joe@sub.finance.corp.example", set()),
        ("sender", "CEO@corp.example", {"Board"}),
        ("sender", "x@a.partner.example", {"Finance"}),
    ],
)
def test_find_policies_lists_those_with_a_matching_entry_and_always_the_default_policy(
    client: Client, side: str, address: str, found: set[str]
) -> None:
    response = client.get(reverse("policies:list"), {"address": address, "side": side})
    rows = {row.name for row in response.context["rows"]}
    assert rows == found | {"Default Policy"}


def test_a_changed_policy_and_a_changed_cell_are_marked_pending(user: User, client: Client) -> None:
    client.post(reverse("tdc:policy-choice", args=[policy_uid(user, "Board")]), {"mode": "no_scan"})
    rows = {row.name: row for row in client.get(reverse("policies:list")).context["rows"]}
    assert {name for name, row in rows.items() if any(cell.is_pending for cell in row.cells)} == {"Board"}
    assert not any(row.is_pending for row in rows.values())
    data = policy_form(member(0), name="Treasury", before=str(policy_uid(user, "Board")))
    client.post(reverse("policies:edit", args=[policy_uid(user, "Finance")]), data)
    rows = {row.name: row for row in client.get(reverse("policies:list")).context["rows"]}
    assert {name for name, row in rows.items() if row.is_pending} == {"Treasury"}


def test_a_policy_inserted_first_gives_the_others_new_numbers_and_changes_none(user: User, client: Client) -> None:
    client.post(reverse("policies:add"), policy_form(member(0), before=str(policy_uid(user, "Finance"))))
    rows = client.get(reverse("policies:list")).context["rows"]
    assert [(row.name, row.is_pending) for row in rows[:3]] == [("New", True), ("Finance", False), ("Board", False)]


def test_the_connector_settings_are_submitted_whole(user: User, client: Client) -> None:
    data = {
        "enabled": "on",
        "message_intake_address": "new@Intake.example",
        "messages_per_connection": "25",
        "verify_certificate": "on",
    }
    response = client.post(reverse("tdc:edit-settings"), data)
    assert response["Location"] == reverse("tdc:settings")
    row = ConnectorSettings.objects.get(configuration=pending.shown_to(user))
    assert (row.message_intake_address, row.messages_per_connection) == ("new@intake.example", 25)
    assert (row.enabled, row.verify_certificate, row.add_sender_ip_header) == (True, True, False)


@pytest.mark.parametrize(
    "change",
    [
        {"message_intake_address": ""},
        {"message_intake_address": "two@x.example, three@x.example"},
        {"messages_per_connection": "0"},
        {"ca_certificates": "not PEM"},
    ],
)
def test_bad_connector_settings_are_refused(user: User, client: Client, change: dict[str, str]) -> None:
    good = {"enabled": "on", "message_intake_address": "new@intake.example", "messages_per_connection": "25"}
    assert client.post(reverse("tdc:edit-settings"), good | change).status_code == 422
    assert pending.pending_of(user) is None


def test_markup_in_an_entry_is_shown_as_text(client: Client) -> None:
    users = member(0, recipient_entries="<b>x</b>@corp.example")
    content = client.post(reverse("policies:add"), policy_form(users)).content.decode()
    assert "<b>x</b>" not in content
