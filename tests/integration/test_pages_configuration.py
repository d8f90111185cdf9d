"""Uncommitted Changes, Configuration File and Configuration History in the browser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from seg_console.accounts.models import User
from seg_console.config import document, pending
from seg_console.config.models import Configuration
from tests.configurations import full, policy
from tests.pages import configured, person, policy_uid, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


@pytest.fixture
def user() -> User:
    configured()
    return person()


@pytest.fixture
def client(user: User) -> Client:
    return signed_in(user)


def change(user: User, client: Client, *, policy: str = "Board", mode: str = "no_scan") -> None:
    client.post(reverse("tdc:policy-choice", args=[policy_uid(user, policy)]), {"mode": mode})


def page(client: Client) -> str:
    return client.get(reverse("configuration:uncommitted-changes")).content.decode()


def test_pending_changes_are_listed_by_object_and_field(user: User, client: Client) -> None:
    change(user, client, policy="Finance")
    content = page(client)
    assert "Threat Defense Connector of “Finance”" in content
    assert "<del>Custom Message Intake Address</del>" in content
    assert "<del>id2@intake.example</del>" in content
    assert "<ins>No Scan</ins>" in content


def test_without_changes_the_page_says_so_and_the_button_is_idle(client: Client) -> None:
    content = page(client)
    assert "There are no pending changes." in content
    assert "No Changes Pending" in content


def test_commit_makes_the_changes_live_with_comment_and_author_and_goes_back(user: User, client: Client) -> None:
    change(user, client)
    back = f"http://testserver{reverse('policies:list')}"
    response = client.post(reverse("configuration:commit"), {"comment": "No copies for the board", "back": back})
    assert response["Location"] == back
    newest = pending.committed()
    assert (newest.number, newest.comment, newest.author) == (3, "No copies for the board", "administrator")
    assert pending.pending_of(user) is None
    assert document.dump(newest)["incoming_mail_policies"][1]["threat_defense_connector"]["mode"] == "no_scan"


def test_commit_goes_back_to_pages_of_our_own_only(user: User, client: Client) -> None:
    change(user, client)
    response = client.post(reverse("configuration:commit"), {"back": "https://evil.example/"})
    assert response["Location"] == reverse("accounts:home")


def test_commit_with_nothing_pending_changes_nothing(client: Client) -> None:
    client.post(reverse("configuration:commit"), {})
    assert pending.committed().number == 2


def test_abandon_asks_first_and_then_throws_all_away(user: User, client: Client) -> None:
    change(user, client)
    url = reverse("configuration:abandon")
    assert "Abandon all your pending changes?" in client.get(url).content.decode()
    assert pending.pending_of(user) is not None
    client.post(url)
    assert pending.pending_of(user) is None
    assert pending.committed().number == 2


def test_another_administrators_pending_changes_are_announced(user: User, client: Client) -> None:
    other = person(name="grace")
    change(other, signed_in(other))
    assert "grace has pending changes too" in page(client)


def test_disjoint_changes_of_two_administrators_merge(user: User, client: Client) -> None:
    other = person(name="grace")
    change(other, signed_in(other), policy="Finance")
    change(user, client, policy="Board")
    signed_in(other).post(reverse("configuration:commit"), {})
    client.post(reverse("configuration:commit"), {})
    modes = [
        each["threat_defense_connector"]["mode"]
        for each in document.dump(pending.committed())["incoming_mail_policies"]
    ]
    assert modes == ["no_scan", "no_scan"]


def test_colliding_changes_show_both_values_and_need_a_second_confirmation(user: User, client: Client) -> None:
    other = person(name="grace")
    change(other, signed_in(other), mode="default")
    change(user, client, mode="no_scan")
    signed_in(other).post(reverse("configuration:commit"), {})
    response = client.post(reverse("configuration:commit"), {"comment": "mine"})
    content = response.content.decode()
    assert response.status_code == 409
    assert "Default Message Intake Address" in content
    assert "No Scan" in content
    assert 'name="overwrite" value="3"' in content
    assert ">mine</textarea>" in content
    assert pending.committed().number == 3
    client.post(reverse("configuration:commit"), {"comment": "mine", "overwrite": "3"})
    assert pending.committed().number == 4
    assert (
        document.dump(pending.committed())["incoming_mail_policies"][1]["threat_defense_connector"]["mode"] == "no_scan"
    )


def test_a_confirmation_of_collisions_that_have_changed_since_is_asked_again(user: User, client: Client) -> None:
    other = person(name="grace")
    change(user, client, mode="no_scan")
    change(other, signed_in(other), mode="default")
    signed_in(other).post(reverse("configuration:commit"), {})
    assert client.post(reverse("configuration:commit"), {"overwrite": "2"}).status_code == 409
    assert pending.committed().number == 3


def test_the_file_downloads_as_the_document_that_loads_again(client: Client) -> None:
    response = client.get(reverse("configuration:file-download"))
    assert response["Content-Disposition"] == 'attachment; filename="configuration-2.json"'
    assert json.loads(response.content) == full()


@pytest.mark.parametrize("way", ["upload", "pasted"])
def test_loading_shows_what_would_change_and_changes_nothing_yet(user: User, client: Client, way: str) -> None:
    text = json.dumps(full(incoming_mail_policies=[policy("Only", "a@")]))
    data: dict[str, Any] = {way: SimpleUploadedFile("c.json", text.encode()) if way == "upload" else text}
    content = client.post(reverse("configuration:file"), data).content.decode()
    assert "Incoming Mail Policy “Finance”" in content
    assert "removed" in content
    assert pending.pending_of(user) is None
    assert Configuration.objects.count() == 2
    response = client.post(reverse("configuration:file-load"), {"document": text})
    assert response["Location"] == reverse("configuration:uncommitted-changes")
    shown = pending.pending_of(user)
    assert shown is not None
    assert [each["name"] for each in document.dump(shown)["incoming_mail_policies"]] == ["Only"]
    assert pending.committed().number == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "this is not a JSON document"),
        ('{"format": 1, "nonsense": 1}', "<code>nonsense</code>"),
        (
            '{"format": 1, "smtp_routes": [{"domain": "x.example", "hosts": [{"host": "h", "port": 0}]}]}',
            "smtp_routes[0].hosts[0].port",
        ),
        ("", "Choose a file or paste a document"),
    ],
)
def test_a_bad_file_is_refused_with_the_path_of_each_fault(user: User, client: Client, text: str, said: str) -> None:
    for url, data in (
        (reverse("configuration:file"), {"pasted": text}),
        (reverse("configuration:file-load"), {"document": text}),
    ):
        response = client.post(url, data)
        assert response.status_code == 422
        if url == reverse("configuration:file"):
            assert said in response.content.decode()
    assert pending.pending_of(user) is None


def test_history_lists_number_author_and_comment_and_marks_the_running_one(user: User, client: Client) -> None:
    change(user, client)
    client.post(reverse("configuration:commit"), {"comment": "<i>third</i>"})
    content = client.get(reverse("configuration:history")).content.decode()
    assert "&lt;i&gt;third&lt;/i&gt;" in content
    assert "for the test" in content
    assert content.count(">running<") == 1


def test_rolling_back_shows_the_difference_and_makes_it_pending(user: User, client: Client) -> None:
    change(user, client, policy="Finance")
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


def test_the_frame_asks_once_for_pending_changes(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # Session, user, pending set; the session's renewal in its savepoint.
    with django_assert_num_queries(6):
        client.get(reverse("help:contents"))
