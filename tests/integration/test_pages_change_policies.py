"""The connector's choice for several policies at once: ticked, looked at, and then changed as one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from policies.matching import DEFAULT_POLICY_UID
from seg_console.accounts.models import User
from seg_console.config import pending
from tdc.models import PolicyChoice
from tests.support.configurations import policy
from tests.support.pages import configured, person, policy_uid

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

URL = "/mail-policies/incoming/threat-defense-connector/"


@pytest.fixture
def user() -> User:
    configured(incoming_mail_policies=[policy("P", "a@", "list:Partners"), policy("Q", "b@")])
    return person()


def choices(user: User) -> dict[UUID, tuple[str, str]]:
    rows = PolicyChoice.objects.filter(configuration=pending.shown_to(user))
    return {row.policy_uid: (row.mode, row.address) for row in rows}


def several(user: User, *names: str, **data: str) -> dict[str, Any]:
    uids = [DEFAULT_POLICY_UID if name == "Default Policy" else str(policy_uid(user, name)) for name in names]
    return {"policy": uids} | data


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
