"""Address Lists: adding, renaming and deleting one, and the policies that use it."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from policies.models import AddressList, PolicyMember
from policies.running import policy_table
from seg_console.accounts.models import User
from seg_console.config import pending, running
from seg_console.config.problems import InvalidConfiguration
from tests.support.configurations import full, policy
from tests.support.forms import member, policy_form
from tests.support.hostile import HOSTILE_TEXTS
from tests.support.pages import configured, person, policy_uid, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


@pytest.fixture
def user() -> User:
    configured(incoming_mail_policies=[policy("P", "a@", "list:Partners"), policy("Q", "b@")])
    return person()


def list_uid(user: User, name: str) -> UUID:
    return AddressList.objects.get(configuration=pending.shown_to(user), name=name).uid


def lists(user: User) -> dict[str, list[str]]:
    rows = AddressList.objects.filter(configuration=pending.shown_to(user))
    return dict(rows.values_list("name", "entries"))


def entries(user: User, name: str) -> list[str]:
    row = PolicyMember.objects.get(configuration=pending.shown_to(user), policy_uid=policy_uid(user, name))
    return list(row.recipient_entries)


def test_a_list_is_added_from_a_paste(user: User, client: Client) -> None:
    data = {"name": "VIP", "description": "Bosses", "entries": "Boss@\n@board.corp.example, boss@"}
    response = client.post(reverse("address-lists:add"), data, follow=True)
    content = response.content.decode()
    assert "Address list “VIP” was added." in content
    assert "1 entry stood there twice and was dropped." in content
    assert lists(user) == {"Partners": ["@.partner.example"], "VIP": ["boss@", "@board.corp.example"]}
    rows = {row.name: row for row in response.context["rows"]}
    assert (rows["VIP"].is_pending, rows["Partners"].is_pending) == (True, False)
    assert [use.label for use in rows["Partners"].used_by] == ["P"]
    assert rows["VIP"].used_by == ()


def test_a_renamed_list_keeps_its_uses(user: User, client: Client) -> None:
    data = {"name": "Our Partners", "description": "", "entries": "@new.example"}
    client.post(reverse("address-lists:edit", args=[list_uid(user, "Partners")]), data)
    assert entries(user, "P") == ["a@", "list:Our Partners"]
    assert entries(user, "Q") == ["b@"]
    pending.commit(user, "renamed")
    table = running.current().value(policy_table)
    assert table.policies[0].members[0].recipients.entries == ("a@", "@new.example")


def test_a_list_in_use_is_not_deleted_and_the_page_says_where_it_is_used(user: User, client: Client) -> None:
    url = reverse("address-lists:delete", args=[list_uid(user, "Partners")])
    for response in (client.get(url), client.post(url)):
        content = response.content.decode()
        assert "is in use and cannot be deleted" in content
        assert reverse("policies:edit", args=[policy_uid(user, "P")]) in content
    assert pending.pending_of(user) is None


def test_a_list_that_nothing_uses_is_deleted_after_a_question(user: User, client: Client) -> None:
    client.post(reverse("policies:delete", args=[policy_uid(user, "P")]))
    url = reverse("address-lists:delete", args=[list_uid(user, "Partners")])
    assert "Delete address list “Partners”?" in client.get(url).content.decode()
    assert lists(user)
    client.post(url)
    assert lists(user) == {}


def test_a_list_deleted_here_and_used_there_is_found_at_commit(user: User, client: Client) -> None:
    configured(incoming_mail_policies=[policy("P", "a@"), policy("Q", "b@")])
    other = person(name="other")
    client.post(reverse("address-lists:delete", args=[list_uid(user, "Partners")]))
    data = policy_form(member(0, recipient_entries="list:Partners"), name="P", before="")
    signed_in(other).post(reverse("policies:edit", args=[policy_uid(other, "P")]), data)
    pending.commit(other, "uses the list")
    with pytest.raises(InvalidConfiguration) as refused:
        pending.commit(user, "deletes the list")
    (problem,) = refused.value.problems
    assert problem.path.endswith(".members[0].recipients.entries[0]")
    assert "there is no address list Partners" in problem.message


def test_a_member_takes_the_lists_own_spelling_and_no_unknown_list(user: User, client: Client) -> None:
    users = member(0, recipient_entries="LIST: partners, x@")
    assert client.post(reverse("policies:add"), policy_form(users)).status_code == 302
    assert entries(user, "New") == ["list:Partners", "x@"]
    response = client.post(reverse("policies:add"), policy_form(member(0, recipient_entries="list:Nobody"), name="N"))
    assert response.status_code == 422
    assert "Line 1, “list:Nobody”: There is no address list Nobody." in response.content.decode()


def test_find_policies_looks_into_lists(user: User, client: Client) -> None:
    response = client.get(reverse("policies:list"), {"address": "x@a.partner.example", "side": "recipient"})
    assert [row.name for row in response.context["rows"]] == ["P", "Default Policy"]


def test_a_bad_list_is_refused_beside_its_field(user: User, client: Client) -> None:
    good = {"name": "VIP", "description": "", "entries": "a@"}
    bad: list[dict[str, str]] = [
        *({"name": value} for value in ("", "partners", *HOSTILE_TEXTS)),
        *({"description": value} for value in ("two\nlines", "a\x00b", "a\u202eb", "x" * 201)),
        *({"entries": value} for value in ("", " \n,", "list:Partners", *HOSTILE_TEXTS)),
    ]
    for change in bad:
        response = client.post(reverse("address-lists:add"), good | change)
        assert response.status_code == 422, change
        content = response.content.decode()
        assert "field-error" in content
        assert "<script>alert" not in content
    assert pending.pending_of(user) is None


def test_a_description_is_shown_as_text(user: User, client: Client) -> None:
    data = {"name": "VIP", "description": "<b>=1+1</b>", "entries": "a@"}
    content = client.post(reverse("address-lists:add"), data, follow=True).content.decode()
    assert "&lt;b&gt;=1+1&lt;/b&gt;" in content


def test_the_whole_document_keeps_lists_and_settings(user: User) -> None:
    pending.commit_document(full(), "again")
    assert pending.committed().number == 3
