"""Bounce Profiles: the named ones with the destinations that use them, and the default profile."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from seg_console.accounts.models import User
from seg_console.config import pending
from seg_console.delivery.models import NamedBounceProfile
from tests.support.forms import CONTROL, PROFILE
from tests.support.pages import configured, control_uid, said, section
from tests.support.table_files import CONTROLS, give_table

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


def profile_uid(user: User, name: str = "Patient") -> Any:
    return NamedBounceProfile.objects.get(configuration=pending.shown_to(user), name=name).uid


def test_a_profile_is_added_and_edited_and_its_new_name_goes_to_its_destinations(user: User, client: Client) -> None:
    client.post(reverse("bounce-profiles:add"), PROFILE)
    assert [profile["name"] for profile in section(user, "bounce_profiles")] == ["Patient", "Quick"]
    client.post(reverse("bounce-profiles:edit", args=[profile_uid(user)]), PROFILE | {"name": "Very Patient"})
    assert section(user, "destination_controls")[0]["bounce_profile"] == "Very Patient"
    pending.commit(user, "renamed")


def test_a_profile_in_use_cannot_be_deleted_and_the_page_says_where(user: User, client: Client) -> None:
    delete = reverse("bounce-profiles:delete", args=[profile_uid(user)])
    for response in (client.get(delete), client.post(delete)):
        assert response.status_code == 409
        assert "corp.example" in response.content.decode()
    assert pending.pending_of(user) is None
    client.post(reverse("destination-controls:edit", args=[control_uid(user)]), CONTROL | {"domain": "corp.example"})
    assert client.get(delete).status_code == 200
    client.post(delete)
    assert section(user, "bounce_profiles") == []


def test_the_default_profile_is_edited(user: User, client: Client) -> None:
    data = {name: value for name, value in PROFILE.items() if name != "name"} | {"max_retries": "4"}
    client.post(reverse("bounce-profiles:edit-default"), data)
    assert section(user, "bounce_profile") == {
        "max_retries": 4,
        "max_queue_time": 600,
        "initial_retry": 10,
        "max_retry": 20,
    }
    assert client.get(reverse("bounce-profiles:list")).context["default"].is_pending


@pytest.mark.parametrize(
    "change",
    [
        {"name": "patient"},
        {"name": "Default"},
        {"name": ""},
        {"max_retries": "-1"},
        {"max_queue_time": "0"},
        {"initial_retry": "30", "max_retry": "29"},
        {"max_retry": "9" * 30},
    ],
)
def test_a_bad_profile_is_refused(user: User, client: Client, change: dict[str, str]) -> None:
    assert client.post(reverse("bounce-profiles:add"), PROFILE | change).status_code == 422
    assert pending.pending_of(user) is None


def test_the_profiles_take_a_fixed_number_of_queries(
    user: User, client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    configured(bounce_profiles=[{"name": f"P{number}"} for number in range(30)], destination_controls=[])
    # Session, user, pending set for page and frame, committed set, profiles, default, their users; renewal.
    with django_assert_num_queries(9):
        client.get(reverse("bounce-profiles:list"))


@pytest.mark.parametrize("name", ["<b>x</b>", "=1+1", "@cmd", "'quoted"])
def test_a_profile_may_have_any_printable_name_and_no_table_runs_it(user: User, client: Client, name: str) -> None:
    client.post(reverse("bounce-profiles:add"), PROFILE | {"name": name})
    client.post(reverse("destination-controls:add"), CONTROL | {"bounce_profile": name})
    assert "<b>x</b>" not in said(client, reverse("destination-controls:list"))
    exported = client.get(reverse("destination-controls:export")).content.decode()
    assert not any(cell.startswith(("=", "@")) for line in exported.splitlines() for cell in line.split(","))
    assert give_table(client, CONTROLS, exported).context["preview"].counts.size == 0


@pytest.mark.parametrize("name", ["a\u202eb", "a\x07b", "x" * 1_000_000])
def test_names_that_hide_what_they_are_are_refused(user: User, client: Client, name: str) -> None:
    assert client.post(reverse("bounce-profiles:add"), PROFILE | {"name": name}).status_code == 422
    assert pending.pending_of(user) is None
