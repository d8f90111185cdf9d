"""The order of policies: by numbers, and by arrows that submit nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from seg_console.accounts.models import User
from seg_console.config import pending
from tests.support.configurations import policy
from tests.support.pages import configured, policy_names, policy_uid

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


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
    assert "".join(policy_names(user)) == order


def test_the_arrows_move_a_row_without_script_and_submit_nothing(user: User, client: Client) -> None:
    configured(incoming_mail_policies=[policy(name, f"{name}@") for name in "ABCD"])
    uids = {name: str(policy_uid(user, name)) for name in "ABCD"}
    numbers = {uid: place for place, uid in enumerate(uids.values(), start=1)}
    form = client.post(reverse("policies:order"), numbers | {"up": uids["C"]}).context["form"]
    assert [field.label for field in form] == list("ACBD")
    assert pending.pending_of(user) is None
    typed = {field.name: field.value() for field in form}
    form = client.post(reverse("policies:order"), typed | {"down": uids["A"]}).context["form"]
    assert [field.label for field in form] == list("CABD")
    client.post(reverse("policies:order"), {field.name: field.value() for field in form})
    assert policy_names(user) == list("CABD")


@pytest.mark.parametrize("pressed", ["first", "nobody"])
def test_an_arrow_that_leads_nowhere_moves_nothing(user: User, client: Client, pressed: str) -> None:
    uids = [str(policy_uid(user, name)) for name in ("Finance", "Board")]
    numbers: dict[str, Any] = {uid: place for place, uid in enumerate(uids, start=1)}
    up = uids[0] if pressed == "first" else "no-policy"
    form = client.post(reverse("policies:order"), numbers | {"up": up}).context["form"]
    assert [field.label for field in form] == ["Finance", "Board"]
