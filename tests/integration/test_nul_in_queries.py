"""A NUL in what is asked for is a bad request over the wire too, in every list that is searched or read on from a mark:
PostgreSQL takes none in a text, and would have answered 500."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from seg_console.accounts.roles import Role
from tests.support import sample_system
from tests.support.pages import signed_in

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]


def asked(live_server: LiveServer, session: str, address: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(live_server.url).netloc, timeout=60)
    try:
        connection.request("GET", address, headers={"Cookie": f"sessionid={session}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def test_a_nul_in_a_query_is_a_bad_request_in_every_list(live_server: LiveServer) -> None:
    people = sample_system.fill()
    session = signed_in(people[Role.ADMINISTRATOR]).cookies["sessionid"].value
    lists = {
        "users": reverse("accounts:users"),
        "delivery status": reverse("monitor:delivery-status"),
        "search": reverse("monitor:delivery-status-search"),
        "details": reverse("monitor:delivery-status-details", args=["partner.example"]),
        "message tracking": reverse("monitor:message-tracking"),
        "audit log": reverse("audit-log:search"),
        "history": reverse("configuration:history"),
        "routes": reverse("smtp-routes:list"),
        "recipients": reverse("recipient-access:list"),
        "host access": reverse("host-access:list"),
        "destinations": reverse("destination-controls:list"),
        "policies": reverse("policies:list"),
    }
    # They are there, and what is wrong with the others is the NUL. The search leads on to the details.
    answers = {name: asked(live_server, session, f"{path}?domain=partner.example") for name, path in lists.items()}
    assert answers == dict.fromkeys(lists, 200) | {"search": 302}
    for query in ("after=a%00b", "find=%00", "domain=%00", "search=&domain=a%00&after=x", "%00=x", "host=a&find=a%00"):
        answers = {name: asked(live_server, session, f"{path}?{query}") for name, path in lists.items()}
        assert answers == dict.fromkeys(lists, 400), query


def test_a_nul_in_the_path_is_a_bad_request_too(live_server: LiveServer) -> None:
    people = sample_system.fill()
    session = signed_in(people[Role.ADMINISTRATOR]).cookies["sessionid"].value
    details = reverse("monitor:delivery-status-details", args=["partner.example"])
    assert asked(live_server, session, details) == 200
    assert asked(live_server, session, details.replace("partner", "par%00tner")) == 400
