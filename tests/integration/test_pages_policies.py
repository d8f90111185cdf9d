"""Incoming Mail Policies, the table: cells, marks, order of the rows, Find Policies, deleting, and its size."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from policies.models import IncomingMailPolicy, PolicyMember
from seg_console.accounts.models import User
from seg_console.config import pending, running
from tdc.models import PolicyChoice
from tests.support.configurations import full, policy
from tests.support.forms import member, policy_form
from tests.support.pages import configuration_queries, configured, policy_names, policy_uid

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


def test_the_table_shows_each_state_of_a_cell_and_the_default_policy_last(client: Client) -> None:
    content = client.get(reverse("policies:list")).content.decode()
    assert content.index("Finance") < content.index("Board") < content.index("Default Policy</b>")
    assert "id2@intake.example" in content
    assert "(use default)" in content
    assert "No Changes Pending" in content


def test_cells_say_not_available_while_the_service_is_off(client: Client) -> None:
    configured(threat_defense_connector={"enabled": False, "message_intake_address": ""})
    content = client.get(reverse("policies:list")).content.decode()
    assert content.count("Not Available") == 3
    assert reverse("tdc:settings") in content


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


def test_a_moved_policy_is_marked_at_its_number_and_a_deleted_one_is_told(user: User, client: Client) -> None:
    configured(incoming_mail_policies=[policy(name, f"{name}@") for name in "ABCD"])
    numbers = {str(policy_uid(user, name)): place for name, place in zip("ABCD", (4, 1, 2, 3), strict=True)}
    client.post(reverse("policies:order"), numbers)
    rows = client.get(reverse("policies:list")).context["rows"]
    assert [(row.name, row.order_is_pending, row.is_pending) for row in rows[:4]] == [
        ("B", False, False),
        ("C", False, False),
        ("D", False, False),
        ("A", True, False),
    ]
    client.post(reverse("policies:delete", args=[policy_uid(user, "B")]))
    assert client.get(reverse("policies:list")).context["removed"] == ["B"]


def marks(client: Client) -> dict[str, str]:
    rows = client.get(reverse("policies:list")).context["rows"]
    return {row.name: row.never_reached for row in rows if row.never_reached}


def test_a_policy_all_of_whose_mail_an_earlier_one_takes_is_marked_with_its_name(user: User, client: Client) -> None:
    lists = [{"name": "Partners", "description": "", "entries": ["@partner.example", "joe@corp.example"]}]
    rows = [policy("Wide", "list:Partners"), policy("Narrow", "ann@partner.example"), policy("Other", "ann@x.example")]
    configured(address_lists=lists, incoming_mail_policies=rows)
    assert marks(client) == {"Narrow": "Never reached: “Wide” takes this mail first."}
    assert "Never reached: “Wide” takes this mail first.</p>" in client.get(reverse("policies:list")).content.decode()
    order = client.get(reverse("policies:order"))
    assert [said for _bound, said in order.context["rows"]] == ["", marks(client)["Narrow"], ""]
    # Moved without script: the marks are of the order shown.
    uids = [str(policy_uid(user, name)) for name in ("Wide", "Narrow", "Other")]
    moved = client.post(
        reverse("policies:order"), {uid: place for place, uid in enumerate(uids, start=1)} | {"up": uids[1]}
    )
    assert [said for _bound, said in moved.context["rows"]] == ["", "", ""]


def test_deleting_asks_first_and_takes_the_users_and_the_choice_along(user: User, client: Client) -> None:
    uid = policy_uid(user, "Finance")
    url = reverse("policies:delete", args=[uid])
    assert "Delete policy “Finance”?" in client.get(url).content.decode()
    assert pending.pending_of(user) is None
    client.post(url)
    shown = pending.shown_to(user)
    assert policy_names(user) == ["Board"]
    assert not PolicyMember.objects.filter(configuration=shown, policy_uid=uid).exists()
    assert not PolicyChoice.objects.filter(configuration=shown, policy_uid=uid).exists()


@pytest.mark.parametrize("count", [1, 60])
def test_the_table_takes_a_fixed_number_of_queries(user: User, client: Client, count: int) -> None:
    configured(incoming_mail_policies=[policy(f"P{number}", f"u{number}@") for number in range(count)])
    # Pending set for page and for frame, committed set; policies, members, address lists, choices, settings.
    assert configuration_queries(client, reverse("policies:list")) == 8


@pytest.mark.parametrize("count", [1, 200])
def test_every_page_of_two_hundred_policies_is_quick_and_takes_as_many_queries_as_one_of_one(
    user: User, client: Client, count: int
) -> None:
    large = [policy(f"P{n}", *(f"user{e}@part{n}.corp.example" for e in range(50))) for n in range(count)]
    configured(incoming_mail_policies=large)
    last = policy_uid(user, f"P{count - 1}")
    asked = {"envelope_sender": "", "recipients": f"user1@part{count - 1}.corp.example\nx@y.example"}
    pages: list[tuple[str, dict[str, str], int]] = [
        (reverse("policies:list"), {}, 8),
        (reverse("policies:list"), {"address": "user1@part0.corp.example", "side": "recipient"}, 8),
        (reverse("policies:add"), {}, 5),
        (reverse("policies:edit", args=[last]), {}, 7),
        (reverse("policies:copy", args=[last]), {}, 5),
        (reverse("policies:order"), {}, 6),
        (reverse("policies:explain"), asked, 7),
        (reverse("tdc:change-policies"), {}, 6),
        (reverse("tdc:policy-choice", args=[last]), {}, 6),
        (reverse("address-lists:list"), {}, 6),
        (reverse("mail-policy-settings:view"), {}, 4),
    ]
    client.get(reverse("policies:list"))
    explain = reverse("policies:explain")
    found = {
        url + str(query): configuration_queries(client, url, posts=url == explain, **query)
        for url, query, _count in pages
    }
    assert found == {url + str(query): expected for url, query, expected in pages}


def test_two_hundred_policies_are_committed_and_decide_at_once(user: User, client: Client) -> None:
    large = [policy(f"P{n}", *(f"user{e}@part{n}.corp.example" for e in range(50))) for n in range(200)]
    pending.load_pending(user, full(incoming_mail_policies=large))
    pending.commit(user, "large")
    assert IncomingMailPolicy.objects.filter(configuration=pending.committed()).count() == 200
    assert running.current().number == pending.committed().number
