"""Which Policy Matches: the policy of each recipient of a message, and why each earlier one did not match."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from seg_console.accounts.models import User
from seg_console.config import pending
from tests.support.hostile import HOSTILE_TEXTS
from tests.support.pages import htmx, policy_uid

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]


def explained(client: Client, **query: str) -> Any:
    return client.post(reverse("policies:explain"), {"envelope_sender": "", "recipients": ""} | query)


def test_which_policy_wins_and_why_each_earlier_one_did_not(user: User, client: Client) -> None:
    response = explained(
        client,
        envelope_sender="x@a.partner.example",
        from_address="The Boss <ceo@corp.example>",
        recipients="joe@corp.example, cfo@corp.example",
    )
    joe, cfo = response.context["explained"]
    assert (joe.policy_name, joe.why) == (
        "Board",
        "From (priority P2) matches ceo@corp.example; any recipient will do.",
    )
    assert [(passed.policy_name, passed.sentences) for passed in joe.passed_by] == [
        (
            "Finance",
            (
                "The recipient matches none of Following Recipients.",
                "Envelope Sender matches @.partner.example, one of Following Senders are Not.",
            ),
        )
    ]
    assert (cfo.policy_name, cfo.passed_by) == ("Finance", ())
    assert "The message is split: it goes to 2 policies." in response.content.decode()


def test_the_explanation_is_of_what_is_pending(user: User, client: Client) -> None:
    client.post(reverse("policies:delete", args=[policy_uid(user, "Finance")]))
    response = explained(client, recipients="cfo@corp.example")
    assert response.context["explained"][0].policy_name == "Default Policy"
    assert "Asks your pending changes" in response.content.decode()


def test_a_message_that_cannot_be_is_refused_beside_its_field(client: Client) -> None:
    queries: list[dict[str, str]] = [
        *({"recipients": value} for value in ("", " \n,", "nobody", "a@", *HOSTILE_TEXTS)),
        {"recipients": ",".join(f"u{n}@x.example" for n in range(51))},
        {"recipients": "a@x.example", "envelope_sender": "no address"},
        {"recipients": "a@x.example", "from_address": "Name <broken"},
        *({"recipients": "a@x.example", "sender": value} for value in HOSTILE_TEXTS),
    ]
    for query in queries:
        response = explained(client, **query)
        assert response.status_code == 422, query
        content = response.content.decode()
        assert "field-error" in content
        assert "<script>alert" not in content


def test_fifty_long_recipients_are_answered_and_one_more_is_refused_in_a_sentence(user: User, client: Client) -> None:
    fifty = "\n".join(f"{'r' * 60}{n:02}@{'d' * 60}.{'e' * 60}.{'f' * 60}.example" for n in range(50))
    assert len(fifty) > 12_000
    response = explained(client, recipients=fifty)
    assert (response.status_code, len(response.context["explained"])) == (200, 50)
    response = explained(client, recipients=f"{fifty}\nx@y.example")
    assert response.status_code == 422
    assert response.context["form"].errors == {"recipients": ["Give at most 50 recipients."]}
    assert response.context["explained"] == []
    response = explained(client, recipients="a" * 100_000)
    assert response.status_code == 422
    assert pending.pending_of(user) is None


def test_the_answer_comes_as_a_region_and_as_a_page_alike(client: Client) -> None:
    asked = {"envelope_sender": "", "recipients": "cfo@corp.example"}
    url = reverse("policies:explain")
    page = client.post(url, asked).content.decode()
    region = client.post(url, asked, headers=htmx()).content.decode()
    assert "<!doctype html>" in page
    assert region.strip().startswith('<div id="ask">')
    answer = re.compile(r'<p role="status".*</section>', re.DOTALL)
    assert answer.findall(region) == [found.group().rstrip() for found in answer.finditer(page)] != []
    refused = client.post(url, {"recipients": "nobody"}, headers=htmx())
    assert refused.status_code == 422
    assert "<!doctype html>" not in refused.content.decode()
    assert "field-error" in refused.content.decode()


def test_opening_the_page_asks_nothing_whatever_stands_in_the_address(client: Client) -> None:
    response = client.get(reverse("policies:explain"), {"recipients": "cfo@corp.example"})
    assert (response.status_code, response.context["explained"], response.context["form"].is_bound) == (200, [], False)
