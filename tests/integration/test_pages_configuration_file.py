"""Configuration File: download, looking at a file before it is loaded, what is refused, and reset."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.config import document, pending
from seg_console.config.forms import files
from seg_console.config.models import Configuration, LoadedFile
from tests.support.configurations import full, policy
from tests.support.pages import change_choice, person, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


def test_the_file_downloads_as_the_document_that_loads_again(client: Client) -> None:
    response = client.get(reverse("configuration:file-download"))
    assert response["Content-Disposition"] == 'attachment; filename="configuration-2.json"'
    assert json.loads(response.content) == full()


def test_the_file_downloads_with_pending_changes_too(user: User, client: Client) -> None:
    change_choice(user, client)
    response = client.get(reverse("configuration:file-download"), {"set": "pending"})
    assert response["Content-Disposition"] == 'attachment; filename="configuration-pending.json"'
    assert json.loads(response.content)["incoming_mail_policies"][1]["threat_defense_connector"]["mode"] == "no_scan"


@pytest.mark.parametrize("way", ["upload", "pasted"])
def test_loading_shows_what_would_change_and_changes_nothing_yet(user: User, client: Client, way: str) -> None:
    text = json.dumps(full(incoming_mail_policies=[policy("Only", "a@")]))
    data: dict[str, Any] = {way: SimpleUploadedFile("c.json", text.encode()) if way == "upload" else text}
    content = client.post(reverse("configuration:file"), data).content.decode()
    assert "Incoming Mail Policy “Finance”" in content
    assert "removed" in content
    assert pending.pending_of(user) is None
    assert Configuration.objects.count() == 2
    key = LoadedFile.objects.get(owner=user).key
    assert f'name="key" value="{key}"' in content
    response = client.post(reverse("configuration:file-load"), {"key": key})
    assert response["Location"] == reverse("configuration:uncommitted-changes")
    assert not LoadedFile.objects.exists()
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
        ("", "Choose a file or paste its text"),
    ],
)
def test_a_bad_file_is_refused_with_the_path_of_each_fault(user: User, client: Client, text: str, said: str) -> None:
    response = client.post(reverse("configuration:file"), {"pasted": text})
    assert response.status_code == 422
    assert said in response.content.decode()
    assert pending.pending_of(user) is None
    assert not LoadedFile.objects.exists()


def test_lines_of_a_bad_file_are_told_where_it_is_json(client: Client) -> None:
    text = (
        '{\n "format": 1,\n "smtp_routes": [\n  {"domain": "x.example",\n   "hosts": [{"host": "h", "port": 0}]}\n ]\n}'
    )
    content = client.post(reverse("configuration:file"), {"pasted": text}).content.decode()
    assert "Line 5: <code>smtp_routes[0].hosts[0].port</code>: give 1 or more." in content


def test_a_file_that_is_too_large_is_refused_in_words(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.LoadForm, "largest_bytes", files.MEGABYTE)
    content = b'{"format": 1}'.ljust(files.MEGABYTE + 1)
    response = client.post(reverse("configuration:file"), {"upload": SimpleUploadedFile("c.json", content)})
    assert response.status_code == 422
    assert "The file is larger than 1 MB." in response.content.decode()
    assert not LoadedFile.objects.exists()


def test_a_text_too_long_for_the_field_is_sent_to_the_file(client: Client) -> None:
    response = client.post(reverse("configuration:file"), {"pasted": "x" * (files.LONGEST_PASTE + 1)})
    assert response.status_code == 422
    assert "give it as a file" in response.content.decode()


def test_choosing_no_file_is_said_at_the_top_of_the_page(client: Client) -> None:
    content = client.post(reverse("configuration:file"), {}).content.decode()
    assert content.count("Choose a file or paste its text") == 1
    assert content.index('role="alert" tabindex="-1" autofocus') < content.index("Current Configuration")


def test_a_file_given_since_in_another_window_is_not_loaded_in_place_of_the_one_looked_at(
    user: User, client: Client
) -> None:
    client.post(reverse("configuration:file"), {"pasted": '{"format": 1}'})
    first = LoadedFile.objects.get(owner=user).key
    client.post(reverse("configuration:file"), {"pasted": json.dumps(full(smtp_routes=[]))})
    response = client.post(reverse("configuration:file-load"), {"key": first}, follow=True)
    assert "That file is not here any more." in response.content.decode()
    assert pending.pending_of(user) is None


def test_a_file_that_changes_nothing_is_offered_only_in_place_of_pending_changes(user: User, client: Client) -> None:
    button = '<button class="button primary">Load</button>'
    answer = client.post(reverse("configuration:file"), {"pasted": json.dumps(full())}).content.decode()
    assert button not in answer
    assert "Back" in answer
    change_choice(user, client)
    assert button in client.post(reverse("configuration:file"), {"pasted": json.dumps(full())}).content.decode()


def test_loading_over_pending_changes_warns_and_replaces_them(user: User, client: Client) -> None:
    change_choice(user, client)
    content = client.post(reverse("configuration:file"), {"pasted": json.dumps(full(smtp_routes=[]))}).content.decode()
    assert "Your present pending changes will be replaced." in content
    client.post(reverse("configuration:file-load"), {"key": LoadedFile.objects.get(owner=user).key})
    shown = pending.pending_of(user)
    assert shown is not None
    assert document.dump(shown) == full(smtp_routes=[])


def test_a_loaded_file_says_everything_even_what_others_committed_meanwhile(user: User, client: Client) -> None:
    change_choice(user, client, policy="Board")
    other = person(name="grace")
    change_choice(other, signed_in(other), policy="Finance")
    signed_in(other).post(reverse("configuration:commit"), {})
    client.post(reverse("configuration:file"), {"pasted": json.dumps(full())})
    client.post(reverse("configuration:file-load"), {"key": LoadedFile.objects.get(owner=user).key})
    client.post(reverse("configuration:commit"), {})
    assert pending.committed().number == 4
    assert document.dump(pending.committed()) == full()


def test_a_read_only_operator_sees_the_file_page_and_gets_no_file(user: User) -> None:
    client = signed_in(person(Role.READ_ONLY_OPERATOR))
    content = client.get(reverse("configuration:file")).content.decode()
    assert "for the test" in content
    assert "Download" not in content
    assert 'type="file"' not in content
    assert client.get(reverse("configuration:file-download")).status_code == 403
    assert client.get(reverse("configuration:history-export", args=[2])).status_code == 403


def test_a_technician_saves_and_cannot_load(user: User) -> None:
    client = signed_in(person(Role.TECHNICIAN))
    content = client.get(reverse("configuration:file")).content.decode()
    assert "Download" in content
    assert 'type="file"' not in content
    assert json.loads(client.get(reverse("configuration:file-download")).content) == full()
    assert client.post(reverse("configuration:file"), {"pasted": '{"format": 1}'}).status_code == 403
    assert not LoadedFile.objects.exists()


def test_admin_alone_resets_and_it_becomes_pending(user: User, client: Client) -> None:
    url = reverse("configuration:reset")
    assert client.post(url).status_code == 403
    assert pending.pending_of(user) is None
    assert url not in client.get(reverse("configuration:file")).content.decode()
    admin = person(name="admin")
    its = signed_in(admin)
    assert url in its.get(reverse("configuration:file")).content.decode()
    assert "Reset the whole configuration?" in its.get(url).content.decode()
    assert its.post(url)["Location"] == reverse("configuration:uncommitted-changes")
    shown = pending.pending_of(admin)
    assert shown is not None
    assert document.dump(shown) == document.initial()
    assert document.dump(pending.committed()) == full()
