"""Listeners and Certificates in the browser, the certificate on the wire, and a key that nobody ever sees."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.audit.models import Act, Entry
from seg_console.certificates.models import Certificate
from seg_console.certificates.pem import described
from seg_console.config import document, pending, running
from seg_console.config.secrets import MASK
from tests.support import running_configuration as configuration
from tests.support.certificates import Made, der, encrypted, in_document, made, signed_with_sha1
from tests.support.configurations import full
from tests.support.listening import listening
from tests.support.pages import configured, person, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

ROOT = made("Test Root")
FIRST, SECOND = made("mx.corp.example", issuer=ROOT), made("mx2.corp.example", issuer=ROOT)
WEAK = signed_with_sha1()
LISTENER = {
    "max_message_size": "2048",
    "max_recipients": "7",
    "max_connections": "20",
    "max_connections_per_client": "3",
    "bare_line_ends": "clean",
    "address_parsing": "loose",
    "default_domain": "",
    "reject_characters": "%!@",
}


def pem(text: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("file.pem", text.encode())


def files(one: Made, *, key: str = "") -> dict[str, Any]:
    return {
        "certificate": SimpleUploadedFile("chain.pem", (one.certificate + ROOT.certificate).encode()),
        "private_key": SimpleUploadedFile("key.pem", (key or one.key).encode()),
    }


def in_words(*chain: Made) -> tuple[str, ...]:
    found = [described(one.certificate)[0] for one in chain]
    return tuple(
        f"{one.common_name}, {one.valid_from:%Y-%m-%d} – {one.valid_until:%Y-%m-%d}, SHA-256 {one.fingerprint}"
        for one in found
    )


@pytest.fixture
def listed(user: User, client: Client) -> Certificate:
    """Uploaded in the browser, pending."""
    client.post(reverse("certificates:add"), {"name": "Mail 2026", **files(FIRST)})
    return Certificate.objects.get(configuration=pending.shown_to(user))


def secret_lines(one: Made) -> list[str]:
    return one.key.splitlines()[1:-1]


def assert_unseen(text: str, *made_ones: Made) -> None:
    for one in made_ones:
        assert not any(line in text for line in secret_lines(one))


def test_a_certificate_is_uploaded_and_shown_without_its_key(listed: Certificate, client: Client) -> None:
    assert listed.private_key == FIRST.key
    for view, arguments in (("list", []), ("show", [listed.uid]), ("replace", [listed.uid]), ("delete", [listed.uid])):
        content = client.get(reverse(f"certificates:{view}", args=arguments)).content.decode()
        assert "Mail 2026" in content
        assert_unseen(content, FIRST)
    row = client.get(reverse("certificates:list")).context["rows"][0]
    assert (row.described.common_name, row.described.issuer, row.used_by, row.is_pending) == (
        "mx.corp.example",
        "Test Root",
        (),
        True,
    )


def test_a_file_with_both_needs_no_second_one(user: User, client: Client) -> None:
    both = SimpleUploadedFile("both.pem", (FIRST.key + FIRST.certificate).encode())
    client.post(reverse("certificates:add"), {"name": "Both", "certificate": both})
    row = Certificate.objects.get(configuration=pending.shown_to(user))
    assert (row.certificate, row.private_key) == (FIRST.certificate, FIRST.key)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"name": "a<b>", **files(FIRST)}, "Use letters, digits"),
        ({"name": "a\u202eb", **files(FIRST)}, "Use letters, digits"),
        ({"name": "x" * 1_000_000, **files(FIRST)}, "at most 64 characters"),
        ({"name": "New", **files(FIRST, key=SECOND.key)}, "does not belong to the certificate"),
        ({"name": "New", **files(FIRST, key=encrypted(FIRST.private))}, "The private key is encrypted"),
        ({"name": "New", **files(FIRST, key="=cmd()")}, "no PEM private key"),
        ({"name": "New", **files(made("old.example", issuer=ROOT, days=-1))}, "no longer valid"),
        (
            {"name": "New", "certificate": pem(WEAK.certificate + WEAK.key)},
            "OpenSSL refuses this certificate: ca md too weak.",
        ),
        ({"name": "New", "certificate": SimpleUploadedFile("c", b"\x00\xff" * 100_001)}, "larger than 200 KB"),
        ({"name": "New", "certificate": SimpleUploadedFile("c", FIRST.certificate.encode())}, "Choose the file"),
        ({"name": "New"}, "This field is required"),
    ],
)
def test_a_bad_upload_is_refused_with_its_reason_and_nothing_is_pending(
    user: User, client: Client, data: dict[str, Any], sentence: str
) -> None:
    for each in data.values():
        if isinstance(each, SimpleUploadedFile):
            each.seek(0)
    response = client.post(reverse("certificates:add"), data)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert_unseen(response.content.decode(), FIRST, SECOND)
    assert pending.pending_of(user) is None


def test_a_certificate_that_the_listener_uses_is_not_deleted(user: User, listed: Certificate, client: Client) -> None:
    client.post(reverse("listeners:edit"), LISTENER | {"certificate": "Mail 2026"})
    delete = reverse("certificates:delete", args=[listed.uid])
    assert client.post(delete).status_code == 409
    client.post(reverse("listeners:edit"), LISTENER)
    assert client.post(delete)["Location"] == reverse("certificates:list")
    assert not Certificate.objects.filter(configuration=pending.shown_to(user)).exists()


def test_a_certificate_that_deliveries_show_is_not_deleted_and_pages_say_who_uses_it(
    user: User, listed: Certificate, client: Client
) -> None:
    delete = reverse("certificates:delete", args=[listed.uid])
    client.post(reverse("destination-controls:edit-global-settings"), {"certificate": "Mail 2026"})
    refused = client.post(delete)
    assert refused.status_code == 409
    assert f'<a href="{reverse("destination-controls:list")}">Destination Controls</a>' in refused.content.decode()
    client.post(reverse("listeners:edit"), LISTENER | {"certificate": "Mail 2026"})
    assert used_by(client, listed) == [["Listener", "Destination Controls"], []]
    client.post(reverse("listeners:edit"), LISTENER)
    assert used_by(client, listed) == [["Destination Controls"], ["Listener"]]
    assert client.post(delete).status_code == 409
    client.post(reverse("destination-controls:edit-global-settings"), {"certificate": ""})
    assert client.post(delete)["Location"] == reverse("certificates:list")
    assert not Certificate.objects.filter(configuration=pending.shown_to(user)).exists()


def used_by(client: Client, listed: Certificate) -> list[list[str]]:
    """Of the certificate and of the gateway's own, as the list says; the page of the certificate says the same."""
    rows = client.get(reverse("certificates:list")).context["rows"]
    (own,) = client.get(reverse("certificates:show", args=[listed.uid])).context["rows"][:1]
    assert own.used_by == rows[0].used_by
    return [[use.label for use in row.used_by] for row in rows]


def test_the_listeners_settings_are_changed_and_bad_ones_refused(user: User, client: Client) -> None:
    client.post(reverse("listeners:edit"), LISTENER)
    assert document.dump(pending.shown_to(user))["listener"] == {
        "address": "",
        "port": None,
        "max_message_size": 2048,
        "max_recipients": 7,
        "max_connections": 20,
        "max_connections_per_client": 3,
        "bare_line_ends": "clean",
        "address_parsing": "loose",
        "default_domain": "",
        "reject_characters": "%!@",
        "certificate": "",
        "proxies": [],
        "proxy_protocol": False,
        "xclient": False,
        "health_checks": [],
    }
    content = client.get(reverse("listeners:show")).content.decode()
    assert "2,048" in content
    assert "SEG_SMTP_PORT" in content
    for change in (
        {"max_recipients": "0"},
        {"max_message_size": "<b>"},
        {"certificate": "none such"},
        {"bare_line_ends": ""},
        {"address_parsing": ""},
    ):
        assert client.post(reverse("listeners:edit"), LISTENER | change).status_code == 422


@pytest.mark.parametrize("section", ["listener", "destination_control_settings"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [("Gone", "there is no certificate Gone."), ("weak", "OpenSSL refuses this certificate: ca md too weak.")],
)
def test_settings_that_name_no_certificate_that_can_be_used_are_not_loaded(
    section: str, name: str, reason: str, tmp_path: Path
) -> None:
    before, file, errors = pending.committed().number, tmp_path / "configuration.json", StringIO()
    content = full(certificates=[in_document("Weak", WEAK)])
    file.write_text(json.dumps(content | {section: {"certificate": name}}))
    with pytest.raises(CommandError):
        call_command("loadconfig", str(file), stderr=errors)
    assert errors.getvalue() == f"{section}.certificate: {reason}\n"
    assert pending.committed().number == before


def test_differences_and_the_audit_log_say_what_a_chain_is_and_only_that_a_key_changed(
    user: User, listed: Certificate, client: Client
) -> None:
    pages = [client.get(reverse("configuration:uncommitted-changes")).content.decode()]
    client.post(reverse("configuration:commit"), {"comment": "new"})
    client.post(reverse("certificates:replace", args=[listed.uid]), files(SECOND))
    pages.append(client.get(reverse("configuration:uncommitted-changes")).content.decode())
    changes = {field.label: (field.old, field.new) for field in pending.pending_changes(user)[0].fields}
    assert changes["Private key"] == (MASK, "changed")
    assert changes["Certificate chain"] == (in_words(FIRST, ROOT), in_words(SECOND, ROOT))
    client.post(reverse("configuration:commit"), {"comment": "newer"})
    pages.append(client.get(reverse("audit-log:search")).content.decode())
    pages.append(client.get(reverse("configuration:history-changes", args=[4])).content.decode())
    pages.append(json.dumps([entry.changes for entry in Entry.objects.all()]))
    pages += [entry.searchable for entry in Entry.objects.all()]
    for page in pages:
        assert_unseen(page, FIRST, SECOND)
        assert "BEGIN" not in page


def test_a_downloaded_configuration_masks_keys_and_cannot_be_loaded(listed: Certificate, client: Client) -> None:
    asked = [
        client.get(reverse("configuration:file-download"), {"set": "pending"}).content.decode(),
        client.get(reverse("configuration:file-download"), {"set": "pending", "secrets": "keep"}).content.decode(),
    ]
    for text in asked:
        assert json.loads(text)["certificates"][0]["private_key"] == MASK
        assert_unseen(text, FIRST)
    refused = client.post(reverse("configuration:file"), {"pasted": asked[0]})
    assert refused.status_code == 422
    assert "this secret is masked, so the file cannot be loaded" in refused.content.decode()


def test_secrets_are_downloaded_by_a_button_that_is_recorded(user: User, listed: Certificate, client: Client) -> None:
    text = client.post(reverse("configuration:file-download"), {"set": "pending"}).content.decode()
    assert json.loads(text)["certificates"][0]["private_key"] == FIRST.key
    assert document.validate(json.loads(text)) == []
    assert (Entry.objects.latest("pk").act, Entry.objects.latest("pk").user) == (Act.SECRETS_DOWNLOADED, user)


@pytest.mark.parametrize("role", [Role.TECHNICIAN, Role.READ_ONLY_OPERATOR])
def test_who_may_not_change_the_configuration_never_downloads_secrets(role: Role) -> None:
    configured(certificates=[in_document("Mail", FIRST)])
    client = signed_in(person(role))
    assert client.post(reverse("configuration:file-download"), {"set": "committed"}).status_code == 403
    assert_unseen(client.get(reverse("configuration:file-download")).content.decode(), FIRST)
    assert "Download with Secrets" not in client.get(reverse("configuration:file")).content.decode()
    assert not Entry.objects.filter(act=Act.SECRETS_DOWNLOADED).exists()


def test_showconfig_masks_unless_told_otherwise(tmp_path: Path) -> None:
    configured(certificates=[in_document("Mail", FIRST)])
    masked, whole = StringIO(), StringIO()
    call_command("showconfig", stdout=masked)
    call_command("showconfig", "--secrets", stdout=whole)
    assert_unseen(masked.getvalue(), FIRST)
    assert json.loads(whole.getvalue())["certificates"][0]["private_key"] == FIRST.key
    assert Entry.objects.latest("pk").act == Act.SECRETS_DOWNLOADED
    file, errors = tmp_path / "masked.json", StringIO()
    file.write_text(masked.getvalue())
    with pytest.raises(CommandError):
        call_command("loadconfig", str(file), stderr=errors)
    assert errors.getvalue().startswith("certificates[0].private_key: this secret is masked")


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    configuration.commit(certificates=[in_document("One", FIRST), in_document("Two", SECOND)])
    with listening(tls_folder=tmp_path / "tls") as port:
        yield port


@pytest.mark.django_db(transaction=True)
def test_the_next_handshake_uses_the_certificate_that_was_committed(port: int) -> None:
    assert certificate_at(port) not in {der(FIRST), der(SECOND)}
    for name, one in (("One", FIRST), ("Two", SECOND)):
        listed = [in_document("One", FIRST), in_document("Two", SECOND)]
        configuration.commit(certificates=listed, listener={"certificate": name})
        committed, deadline = running.newest()[1], timezone.now() + timedelta(seconds=10)
        while running.held().number < committed:
            assert timezone.now() < deadline
        assert certificate_at(port) == der(one)


def certificate_at(port: int) -> bytes:
    """The certificate that the listener shows, in DER."""
    context = ssl._create_unverified_context()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.recv(1000)
        client.sendall(b"EHLO client.example\r\n")
        client.recv(1000)
        client.sendall(b"STARTTLS\r\n")
        client.recv(1000)
        with context.wrap_socket(client) as secured:
            return secured.getpeercert(binary_form=True) or b""
