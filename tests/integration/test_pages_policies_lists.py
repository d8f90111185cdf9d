"""Address Lists, Mail Policy Settings and the change of several policies in the browser."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from policies.matching import DEFAULT_POLICY_UID
from policies.models import AddressList, MailPolicySettings, PolicyMember
from policies.running import policy_table
from seg_console.accounts.models import User
from seg_console.config import pending, running
from seg_console.config.problems import InvalidConfiguration
from tdc.models import PolicyChoice
from tests.integration.test_pages_policies import member, policy_form
from tests.integration.test_pages_policies_more import HOSTILE
from tests.support.configurations import full, policy
from tests.support.pages import configured, person, policy_uid, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]
SETTINGS_FIELDS = {"envelope_sender": "1", "from": "2", "reply_to": "3", "sender": ""}


@pytest.fixture
def user() -> User:
    configured(incoming_mail_policies=[policy("P", "a@", "list:Partners"), policy("Q", "b@")])
    return person()


@pytest.fixture
def client(user: User) -> Client:
    return signed_in(user)


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
        *({"name": value} for value in ("", "partners", *HOSTILE)),
        *({"description": value} for value in ("two\nlines", "a\x00b", "a\u202eb", "x" * 201)),
        *({"entries": value} for value in ("", " \n,", "list:Partners", *HOSTILE)),
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


def test_header_priorities_are_set_shared_and_left_out(user: User, client: Client) -> None:
    data = {"envelope_sender": "3", "from": "1", "reply_to": "", "sender": "1"}
    response = client.post(reverse("mail-policy-settings:edit"), data, follow=True)
    row = MailPolicySettings.objects.get(configuration=pending.shown_to(user))
    assert row.sender_headers == [["from", "sender"], ["envelope_sender"]]
    assert row.display("sender_headers") == ("P1: From, Sender", "P2: Envelope Sender")
    assert response.context["is_pending"]
    assert response.context["unused"] == ["Reply-To"]
    initial = client.get(reverse("mail-policy-settings:edit")).context["form"].initial
    assert initial == {"from": "1", "sender": "1", "envelope_sender": "2"}
    pending.commit(user, "headers")
    assert running.current().value(policy_table).priorities == (("from", "sender"), ("envelope_sender",))


@pytest.mark.parametrize("change", [dict.fromkeys(SETTINGS_FIELDS, ""), {"from": "5"}, {"from": "<b>"}])
def test_bad_header_priorities_are_refused(user: User, client: Client, change: dict[str, str]) -> None:
    assert client.post(reverse("mail-policy-settings:edit"), SETTINGS_FIELDS | change).status_code == 422
    assert pending.pending_of(user) is None


# --- several policies at once


def several(user: User, *names: str, **data: str) -> dict[str, Any]:
    uids = [DEFAULT_POLICY_UID if name == "Default Policy" else str(policy_uid(user, name)) for name in names]
    return {"policy": uids} | data


def choices(user: User) -> dict[UUID, tuple[str, str]]:
    rows = PolicyChoice.objects.filter(configuration=pending.shown_to(user))
    return {row.policy_uid: (row.mode, row.address) for row in rows}


URL = "/mail-policies/incoming/threat-defense-connector/"


def test_ticked_policies_are_previewed_and_then_changed_as_one(user: User, client: Client) -> None:
    ticked = client.post(URL, several(user, "P", "Default Policy", choose="1")).context["rows"]
    assert [row.name for row in ticked if row.is_ticked] == ["P", "Default Policy"]
    data = several(user, "P", "Default Policy", mode="custom", address="Own@Intake.example")
    preview = client.post(URL, data)
    assert [(row.name, row.old, row.new, row.is_changed) for row in preview.context["rows"]] == [
        ("P", "(use default)", "Enabled, Own@intake.example", True),
        ("Default Policy", "Enabled, Default address", "Enabled, Own@intake.example", True),
    ]
    assert pending.pending_of(user) is None
    response = client.post(URL, data | {"submit": "1"}, follow=True)
    chosen = ("custom", "Own@intake.example")
    assert choices(user) == {policy_uid(user, "P"): chosen, UUID(DEFAULT_POLICY_UID): chosen}
    content = response.content.decode()
    assert "The Threat Defense Connector of 2 policies was changed." in content
    assert "Policy “Default Policy” matches every recipient" in content


def test_a_policy_that_has_the_choice_already_stays_as_it_is(user: User, client: Client) -> None:
    data = several(user, "Default Policy", mode="default", address="")
    assert [row.is_changed for row in client.post(URL, data).context["rows"]] == [False]
    assert "nothing was changed" in client.post(URL, data | {"submit": "1"}, follow=True).content.decode()
    assert pending.pending_of(user) is None


@pytest.mark.parametrize("step", [{"choose": "1"}, {"mode": "no_scan"}, {"mode": "no_scan", "submit": "1"}])
def test_nothing_ticked_is_said(user: User, client: Client, step: dict[str, str]) -> None:
    for ticks in ({}, {"policy": ["no-policy", "00000000-0000-0000-0000-000000000009"]}):
        response = client.post(URL, step | ticks)
        assert response.status_code == 422
        assert "No policy is ticked." in response.content.decode()
    assert pending.pending_of(user) is None


@pytest.mark.parametrize(
    ("names", "choice", "sentence"),
    [
        (("Q", "Default Policy"), {"mode": "use_default"}, "The Default Policy has nothing to inherit"),
        (("Q",), {"mode": ""}, "required"),
        (("Q",), {"mode": "custom", "address": ""}, "Enter the message intake address"),
        (("Q",), {"mode": "custom", "address": "a@x.example, b@x.example"}, "exactly one address"),
        (("Q",), {"mode": "custom", "address": "Intake <a@x.example>"}, "without a name and angle brackets"),
    ],
)
def test_a_bad_choice_for_several_is_refused_with_the_ticks_kept(
    user: User, client: Client, names: tuple[str, ...], choice: dict[str, str], sentence: str
) -> None:
    response = client.post(URL, several(user, *names, **choice) | {"submit": "1"})
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert [row.name for row in response.context["rows"] if row.is_ticked] == list(names)
    assert pending.pending_of(user) is None


def test_back_from_the_preview_keeps_ticks_and_choice(user: User, client: Client) -> None:
    response = client.post(URL, several(user, "Q", mode="no_scan", change="1"))
    assert [row.name for row in response.context["rows"] if row.is_ticked] == ["Q"]
    assert response.context["form"]["mode"].value() == "no_scan"


def test_the_pages_of_a_choice_say_that_the_service_is_off_and_lead_to_its_settings(user: User, client: Client) -> None:
    configured(threat_defense_connector={"enabled": False, "message_intake_address": ""})
    for url in (URL, reverse("tdc:policy-choice", args=[policy_uid(user, "Finance")])):
        content = client.get(url).content.decode()
        assert "is not enabled: no policy's mail is copied until it is." in content.replace("&#x27;", "'")
        assert f'<a href="{reverse("tdc:settings")}">' in content


@pytest.mark.parametrize(
    ("address", "kept"),
    [("Id@Bücher.example", "Id@xn--bcher-kva.example"), ("id@[192.0.2.1]", "id@[192.0.2.1]")],
)
def test_a_custom_address_may_have_an_international_domain(user: User, client: Client, address: str, kept: str) -> None:
    uid = policy_uid(user, "Q")
    client.post(reverse("tdc:policy-choice", args=[uid]), {"mode": "custom", "address": address})
    assert choices(user)[uid] == ("custom", kept)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("Intake <id@intake.example>", "without a name and angle brackets"),
        ("id@intake.example; id2@intake.example", "exactly one address"),
        ("id@intake.example id2@intake.example", "exactly one address"),
        ("a" * 65 + "@intake.example", "too long before the @"),
        ("id@" + "a" * 64 + ".example", "more than 63 characters"),
        ("id@" + ".".join(["abcdefgh"] * 30), "too long"),
        ("id@xn--\u202e.example", "\\u202e"),
        *((value, "field-error") for value in HOSTILE),
    ],
)
def test_a_bad_custom_address_is_refused_with_a_sentence_that_fits(
    user: User, client: Client, address: str, sentence: str
) -> None:
    url = reverse("tdc:policy-choice", args=[policy_uid(user, "Q")])
    response = client.post(url, {"mode": "custom", "address": address})
    assert response.status_code == 422
    content = response.content.decode()
    assert sentence in content
    assert "<script>alert" not in content
    assert pending.pending_of(user) is None


def test_the_whole_document_keeps_lists_and_settings(user: User) -> None:
    pending.commit_document(full(), "again")
    assert pending.committed().number == 3
