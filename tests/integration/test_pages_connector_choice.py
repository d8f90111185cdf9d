"""What a policy does with copies for the connector, chosen in its cell or on the page of that choice."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from policies.matching import DEFAULT_POLICY_UID
from seg_console.accounts.models import User
from seg_console.config import pending
from tdc.models import PolicyChoice
from tests.support.hostile import HOSTILE_TEXTS
from tests.support.pages import configured, htmx, policy_uid

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

NOT_CUSTOM = "The address counts only with Custom Message Intake Address: choose that, or empty the field."


def choice_of(user: User, uid: UUID) -> tuple[str, str]:
    row = PolicyChoice.objects.get(configuration=pending.shown_to(user), policy_uid=uid)
    return row.mode, row.address


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


def test_undoing_a_choice_leaves_nothing_pending(user: User, client: Client) -> None:
    url = reverse("tdc:policy-choice", args=[policy_uid(user, "Finance")])
    client.post(url, {"mode": "no_scan"})
    assert pending.pending_of(user) is not None
    client.post(url, {"mode": "custom", "address": "id2@intake.example"})
    assert pending.pending_of(user) is None


def test_the_pages_of_a_choice_say_that_the_service_is_off_and_lead_to_its_settings(user: User, client: Client) -> None:
    configured(threat_defense_connector={"enabled": False, "message_intake_address": ""})
    for url in (reverse("tdc:change-policies"), reverse("tdc:policy-choice", args=[policy_uid(user, "Finance")])):
        content = client.get(url).content.decode()
        assert "is not enabled: no policy's mail is copied until it is." in content.replace("&#x27;", "'")
        assert f'<a href="{reverse("tdc:settings")}">' in content


# --- The custom address


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


@pytest.mark.parametrize("address", ["", "no-at-sign", "a b@x.example", "a@", "a@x.example, b@x.example"])
def test_a_bad_custom_address_is_refused_beside_its_field_and_nothing_is_pending(
    user: User, client: Client, address: str
) -> None:
    url = reverse("tdc:policy-choice", args=[policy_uid(user, "Finance")])
    response = client.post(url, {"mode": "custom", "address": address}, headers=htmx())
    assert response.status_code == 422
    assert "field-error" in response.content.decode()
    assert pending.pending_of(user) is None


@pytest.mark.parametrize(
    ("address", "kept"),
    [("Id@Bücher.example", "Id@xn--bcher-kva.example"), ("id@[192.0.2.1]", "id@[192.0.2.1]")],
)
def test_a_custom_address_may_have_an_international_domain(user: User, client: Client, address: str, kept: str) -> None:
    uid = policy_uid(user, "Board")
    client.post(reverse("tdc:policy-choice", args=[uid]), {"mode": "custom", "address": address})
    assert choice_of(user, uid) == ("custom", kept)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("Intake <id@intake.example>", "without a name and angle brackets"),
        ("id@intake.example; id2@intake.example", "exactly one address"),
        ("id@intake.example id2@intake.example", "exactly one address"),
        ("a" * 256 + "@intake.example", "too long before the @"),
        ("id@" + "a" * 64 + ".example", "more than 63 characters"),
        ("id@" + ".".join(["abcdefgh"] * 30), "too long"),
        ("id@xn--\u202e.example", "\\u202e"),
        *((value, "field-error") for value in HOSTILE_TEXTS),
    ],
)
def test_a_bad_custom_address_is_refused_with_a_sentence_that_fits(
    user: User, client: Client, address: str, sentence: str
) -> None:
    url = reverse("tdc:policy-choice", args=[policy_uid(user, "Board")])
    response = client.post(url, {"mode": "custom", "address": address})
    assert response.status_code == 422
    content = response.content.decode()
    assert sentence in content
    assert "<script>alert" not in content
    assert pending.pending_of(user) is None
