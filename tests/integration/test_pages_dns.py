"""DNS: the name servers that are asked, one a line."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from seg_console.accounts.models import User
from seg_console.config import pending
from tests.support.pages import said, section

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


def test_dns_settings_are_shown_and_edited(user: User, client: Client) -> None:
    assert "127.0.0.1:5353" in said(client, reverse("dns:settings"))
    data = {"servers": "192.0.2.53\r\n\r\n[2001:db8::53]:5353\r\n2001:db8::1", "timeout": "9"}
    assert client.post(reverse("dns:edit-settings"), data)["Location"] == reverse("dns:settings")
    assert section(user, "dns") == {
        "servers": [
            {"host": "192.0.2.53", "port": 53},
            {"host": "2001:db8::53", "port": 5353},
            {"host": "2001:db8::1", "port": 53},
        ],
        "timeout": 9,
    }
    client.post(reverse("dns:edit-settings"), {"servers": "", "timeout": "9"})
    assert "Those of the system" in said(client, reverse("dns:settings"))


def test_bad_servers_are_refused_by_line(user: User, client: Client) -> None:
    data = {"servers": "192.0.2.53\nns1.example\n192.0.2.1:0", "timeout": "9"}
    page = client.post(reverse("dns:edit-settings"), data).content.decode()
    assert "Line 2: give an IP address" in page
    assert "Line 3: give 1 or more." in page
    for address in ("0.0.0.0", "::", "224.0.0.1"):
        said_no = client.post(reverse("dns:edit-settings"), {"servers": address, "timeout": "9"}).content.decode()
        assert "Line 1: give the address of one name server." in said_no
    assert "ns1.example" in page
    many = "\n".join(f"192.0.2.{number}" for number in range(11))
    assert client.post(reverse("dns:edit-settings"), {"servers": many, "timeout": "9"}).status_code == 422
    assert pending.pending_of(user) is None
