"""The drain against scripted servers: what is sent, over how many connections, and what becomes of the rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from seg_console.delivery.kinds import Destination
from seg_console.delivery.models import Delivery, HostStatus
from seg_console.mail.models import Message, Recipient
from tests.deliveries import CONTENT, INTAKE, accept, configure, counters, drain, log_texts, route
from tests.smtp_remote import authority, smtp_remote

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

ORDINARY = Destination("ordinary", "corp.example")
TDC = Destination("tdc", "intake.example")


def test_an_original_is_delivered_byte_for_byte_and_its_message_finished(redis: Redis) -> None:
    with smtp_remote() as remote:
        configure(smtp_routes=[route("corp.example", remote.port)])
        mid = accept()
        drain()
    (taken,) = remote.taken
    assert (taken.sender, taken.recipients, taken.content) == ("alice@example.net", ["bob@corp.example"], CONTENT)
    assert Delivery.objects.get().state == "delivered"
    assert Recipient.objects.get().state == "delivered"
    message = Message.objects.get(mid=mid)
    assert (message.state, message.outstanding) == ("delivered", 0)
    assert counters(ORDINARY) == {"delivered": 1}
    assert HostStatus.objects.get().status == "up"


def test_a_copy_goes_over_tls_while_three_connections_are_open(tmp_path: Path) -> None:
    with smtp_remote(tls=authority().server(tmp_path, "intake.example")) as remote:
        configure(
            smtp_routes=[route("intake.example", remote.port)],
            threat_defense_connector={"ca_certificates": authority().pem},
        )
        accept(intake=INTAKE, original=False)
        drain(TDC, name="tdc")
    (taken,) = remote.taken
    assert (taken.sender, taken.recipients, taken.tls) == ("", [INTAKE], True)
    assert (remote.most_open, remote.connections, remote.open) == (3, 3, 0)
    assert counters(TDC) == {"delivered": 1}
    assert sum(text.startswith("TDC: New SMTP DCID") for text in log_texts()) == 3
