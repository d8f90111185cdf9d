"""A service of policies is one package and an entry in INSTALLED_APPS: its column, its page, its part of the document
and what it decides for a message come with it, and no other file knows of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import reload

import pytest
from django.db import connection
from django.test import Client, modify_settings
from django.urls import clear_url_caches, reverse

from policies import services
from seg_console import urls
from seg_console.accounts.models import User
from seg_console.config import document, pending, registry, running
from seg_console.gateway.arrival import Arrival, Peer
from seg_console.gateway.planning import Rulebook, plan_all
from seg_console.gateway.protocol import Envelope, ReceivedMessage
from seg_console.gateway.spool import Spool
from tests.drop_box.models import PolicySwitch
from tests.support.configurations import full
from tests.support.pages import policy_uid

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore:No directory at")]

NOW = datetime(2026, 11, 23, 16, 40, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def installed(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The toy service beside the connector. Every app registers what is its own anew, so what they registered before is
    put aside."""
    monkeypatch.setattr(registry, "_sections", {})
    monkeypatch.setattr(registry, "_extensions", [])
    monkeypatch.setattr(registry, "_together", [])
    monkeypatch.setattr(services, "_services", {})
    with modify_settings(INSTALLED_APPS={"append": "tests.drop_box"}):
        _read_urls_again()
        with connection.schema_editor() as editor:
            editor.create_model(PolicySwitch)
        try:
            yield
        finally:
            with connection.schema_editor() as editor:
                editor.delete_model(PolicySwitch)
    monkeypatch.undo()
    registry.annotation.cache_clear()
    running.forget()
    _read_urls_again()


def _read_urls_again() -> None:
    reload(urls)
    clear_url_caches()


def rows(client: Client) -> dict[str, list[tuple[str, str, bool]]]:
    """The cells of each policy as (state, text, pending)."""
    found = client.get(reverse("policies:list")).context["rows"]
    return {row.name: [(cell.state, cell.text, cell.is_pending) for cell in row.cells] for row in found}


def test_the_table_has_its_column_before_the_connectors(user: User, client: Client) -> None:
    content = client.get(reverse("policies:list")).content.decode()

    headings = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', content)
    assert headings.index("Drop Box") + 1 == headings.index("Threat Defense Connector")
    assert reverse("drop-box:switch", args=[policy_uid(user, "Finance")]) in content
    assert rows(client) == {
        "Finance": [("off", "Passed on", False), ("on", "Enabled", False)],
        "Board": [("off", "Passed on", False), ("inherited", "(use default)", False)],
        "Default Policy": [("off", "Passed on", False), ("on", "Enabled", False)],
    }


def test_its_page_changes_one_policy_and_only_its_own_cell_is_pending(user: User, client: Client) -> None:
    page = reverse("drop-box:switch", args=[policy_uid(user, "Board")])
    assert page in client.get(reverse("policies:edit", args=[policy_uid(user, "Board")])).content.decode()
    assert client.get(page).status_code == 200

    assert client.post(page, {"on": "on"}).headers["Location"] == reverse("policies:list")
    assert rows(client)["Board"] == [("on", "Dropped", True), ("inherited", "(use default)", False)]
    assert rows(client)["Finance"] == [("off", "Passed on", False), ("on", "Enabled", False)]


def test_a_copy_of_a_policy_takes_it_along(user: User, client: Client) -> None:
    client.post(reverse("drop-box:switch", args=[policy_uid(user, "Board")]), {"on": "on"})
    client.post(reverse("policies:copy", args=[policy_uid(user, "Board")]), {"name": "Council", "before": ""})

    assert rows(client)["Council"][0] == ("on", "Dropped", True)


def test_each_policy_of_the_document_has_its_key(user: User, client: Client) -> None:
    wanted = full()
    wanted["incoming_mail_policies"][1]["drop_box"] = {"on": True}
    pending.commit_document(wanted, "Board's mail is dropped.")

    found = document.dump(pending.committed())
    assert [policy["drop_box"] for policy in found["incoming_mail_policies"]] == [{"on": False}, {"on": True}]
    assert found["default_policy"]["drop_box"] == {"on": False}
    problem = document.validate(full(default_policy={"drop_box": {"on": "yes"}}))
    assert [each.path for each in problem] == ["default_policy.drop_box.on"]


def test_it_decides_for_a_message_before_the_connector(user: User) -> None:
    wanted = full()
    wanted["incoming_mail_policies"][0]["drop_box"] = {"on": True}
    pending.commit_document(wanted, "Finance's mail is dropped.")
    running.look_again()

    assert deliveries("alice@a.partner.example") == ["corp.example", "intake.example"]  # the Default Policy's
    assert deliveries("alice@example.net") == ["intake.example"]


def deliveries(sender: str) -> list[str]:
    """The domains to which a message of this sender goes."""
    message = ReceivedMessage(
        envelope=Envelope(mid=101, sender=sender, recipients=("bob@corp.example",)),
        spool=Spool.of(b"Subject: Hello\r\n\r\nHi\r\n"),
        helo="client.example.net",
        esmtp=True,
        tls=True,
        body_8bitmime=False,
        declared_size=0,
    )
    peer = Peer(7, "Data 1", "", "192.0.2.10", "mail.example.net", verified=True)
    rules = Rulebook.of(running.current(), hostname="gw1.corp.example", zone=UTC)
    (plan,) = plan_all([Arrival(peer, NOW, message)], rules, new_mids=range)
    (piece,) = plan.pieces
    return [delivery.domain for delivery in piece.deliveries]
