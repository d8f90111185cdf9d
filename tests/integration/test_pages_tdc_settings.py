"""Threat Defense Connector Settings: what the page says, what it takes, and certificates by paste and by upload."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from seg_console.accounts.models import User
from seg_console.config import pending
from seg_console.delivery.models import HostStatus
from tdc.models import ConnectorSettings
from tests.support.configurations import full, policy
from tests.support.smtp_remote import authority

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]
FIELDS = {"enabled": "on", "message_intake_address": "id@intake.example", "messages_per_connection": 10}


def shown(client: Client) -> str:
    return client.get(reverse("tdc:settings")).content.decode()


def saved(user: User) -> ConnectorSettings:
    return ConnectorSettings.objects.get(configuration=pending.shown_to(user))


def test_the_usage_counts_policies_by_where_their_copies_go(client: Client) -> None:
    pending.commit_document(
        full(
            incoming_mail_policies=[
                policy("Own", "a@", mode="custom", address="id2@intake.example"),
                policy("Off", "b@", mode="no_scan"),
                policy("Same", "c@"),
            ]
        ),
        "for the test",
    )
    context = client.get(reverse("tdc:settings")).context
    assert [(use.policy_name, use.goes, use.address, use.inherits) for use in context["usage"]] == [
        ("Own", "custom", "id2@intake.example", False),
        ("Off", "none", "", False),
        ("Same", "default", "id@intake.example", True),
        ("Default Policy", "default", "id@intake.example", False),
    ]
    content = shown(client)
    assert "Policies that copy to the default address: 2; to a custom address: 1; that do not copy: 1." in content


def test_the_queue_line_says_the_state_and_leads_to_delivery_status(client: Client) -> None:
    HostStatus.objects.create(
        kind="tdc",
        domain="intake.example",
        destination="the.tdc.queue",
        status=HostStatus.Status.DOWN,
        last_attempt_at=timezone.now(),
        delivered=3,
        other_hard_bounced=5,
        unconfirmed=2,
    )
    content = shown(client)
    assert '<span class="state bad">Down</span>' in content
    assert "Copies waiting: 0; delivered: 3; dropped: 3; unconfirmed: 2" in content
    assert f'href="{reverse("monitor:delivery-status-details", args=["the.tdc.queue"])}"' in content


def test_the_number_of_queries_does_not_grow_with_the_policies(client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            shown(client)
        return len(captured.captured_queries)

    shown(client)
    few = queries()
    pending.commit_document(full(incoming_mail_policies=[policy(f"P{n}", f"u{n}@") for n in range(60)]), "many")
    assert queries() == few


def test_an_uploaded_file_takes_the_place_of_the_text(user: User, client: Client) -> None:
    upload = SimpleUploadedFile("ca.pem", authority().pem.encode())
    response = client.post(reverse("tdc:edit-settings"), {**FIELDS, "ca_certificates": "nonsense", "ca_upload": upload})
    assert response.status_code == 302
    assert saved(user).ca_certificates == authority().pem
    content = shown(client)
    assert "CN=Test CA" in content
    assert "valid until" in content


@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\n"])
def test_what_a_browser_makes_of_line_ends_changes_no_certificate(user: User, client: Client, line_end: str) -> None:
    pem = authority().pem
    upload = SimpleUploadedFile("ca.pem", pem.encode())
    client.post(reverse("tdc:edit-settings"), {**FIELDS, "ca_upload": upload})
    pending.commit(user, "")
    # As a browser sends a text area: every line end the same, none around the text.
    sent = {"ca_certificates": pem.strip().replace("\n", line_end), "message_intake_address": "other@intake.example"}
    assert client.post(reverse("tdc:edit-settings"), {**FIELDS, **sent}).status_code == 302
    assert saved(user).ca_certificates == pem
    [change] = pending.pending_changes(user)
    assert [field.label for field in change.fields] == ["Message Intake Address"]


def test_a_document_with_other_line_ends_says_the_same_certificates(user: User) -> None:
    def loaded(pem: str) -> str:
        section = {"enabled": False, "ca_certificates": pem}
        pending.load_pending(user, full(threat_defense_connector=section))
        return saved(user).ca_certificates

    assert loaded(authority().pem.replace("\n", "\r\n")) == loaded(authority().pem) == authority().pem


def _private_key() -> str:
    return (
        authority()
        .key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The submitted file is empty."),
        (b"   \n", "The file holds no certificate."),
        (b"\x00\xff" * 500, "it holds a NUL character"),
        (b"<script>alert(1)</script>", "Give certificates as PEM text"),
        (b"x" * 1_000_001, "The file is too large"),
    ],
)
def test_a_file_without_certificates_is_refused_and_nothing_changes(
    user: User, client: Client, content: bytes, sentence: str
) -> None:
    response = client.post(reverse("tdc:edit-settings"), {**FIELDS, "ca_upload": SimpleUploadedFile("ca.pem", content)})
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert "<script>alert" not in response.content.decode()
    assert pending.pending_of(user) is None


def test_a_private_key_is_refused_wherever_it_comes_from(user: User, client: Client) -> None:
    both = authority().pem + _private_key()
    pasted = client.post(reverse("tdc:edit-settings"), {**FIELDS, "ca_certificates": both})
    assert pasted.status_code == 422
    uploaded = client.post(
        reverse("tdc:edit-settings"), {**FIELDS, "ca_upload": SimpleUploadedFile("ca.pem", both.encode())}
    )
    assert uploaded.status_code == 422
    assert all("it holds a private key" in each.content.decode() for each in (pasted, uploaded))
    assert pending.pending_of(user) is None


def test_a_certificate_that_is_no_authority_or_over_is_marked(user: User, client: Client, tmp_path: Path) -> None:
    authority().server(tmp_path, "intake.example", expired=True)
    leaf = next(path for path in tmp_path.iterdir() if "CERTIFICATE" in path.read_text()).read_text()
    certificate = leaf[leaf.index("-----BEGIN CERTIFICATE") : leaf.index("-----END CERTIFICATE-----") + 26]
    client.post(reverse("tdc:edit-settings"), {**FIELDS, "ca_certificates": certificate})
    content = shown(client)
    assert "not the certificate of an authority" in content
    assert '<span class="state bad">valid from ' in content


def test_the_connector_settings_are_submitted_whole(user: User, client: Client) -> None:
    data = {
        "enabled": "on",
        "message_intake_address": "new@Intake.example",
        "messages_per_connection": "25",
        "verify_certificate": "on",
    }
    response = client.post(reverse("tdc:edit-settings"), data)
    assert response["Location"] == reverse("tdc:settings")
    row = saved(user)
    assert (row.message_intake_address, row.messages_per_connection) == ("new@intake.example", 25)
    assert (row.enabled, row.verify_certificate, row.add_sender_ip_header) == (True, True, False)


@pytest.mark.parametrize(
    "change",
    [
        {"message_intake_address": ""},
        {"message_intake_address": "two@x.example, three@x.example"},
        {"messages_per_connection": "0"},
        {"ca_certificates": "not PEM"},
    ],
)
def test_bad_connector_settings_are_refused(user: User, client: Client, change: dict[str, str]) -> None:
    good = {"enabled": "on", "message_intake_address": "new@intake.example", "messages_per_connection": "25"}
    assert client.post(reverse("tdc:edit-settings"), good | change).status_code == 422
    assert pending.pending_of(user) is None
