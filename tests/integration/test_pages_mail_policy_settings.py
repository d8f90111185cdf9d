"""Mail Policy Settings: the priorities of the headers that name a sender."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from policies.models import MailPolicySettings
from policies.running import policy_table
from seg_console.accounts.models import User
from seg_console.config import pending, running

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

SETTINGS_FIELDS = {"envelope_sender": "1", "from": "2", "reply_to": "3", "sender": ""}


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
