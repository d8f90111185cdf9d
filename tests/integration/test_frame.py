"""The frame of every page: strict policy, queries, error pages that say what to do, and menus as data."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse
from pytest_django import DjangoAssertNumQueries, Settings

from seg_console.accounts.carried import is_secret
from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.config import running
from seg_console.privileges import Privilege
from seg_console.ui.errors import bad_request, server_error
from seg_console.ui.labels import labelled
from seg_console.ui.navigation import HELP_AND_SUPPORT, OPTIONS, ShownGroup, ShownPage, ShownTab
from tests.support import failing_urls, sample_system, walk
from tests.support.pages import configured, person, signed_in

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]

INLINE = re.compile(r"<[^>]+\s(?:style|on[a-z]+)\s*=|<style|<script(?![^>]*\ssrc=)", re.IGNORECASE)
POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}

# Queries of each page of the menus for the administrator of the sample system: session, user, the session's record,
# pending changes, and the page's own.
QUERIES = {
    "monitor:overview": 8,
    "monitor:delivery-status": 7,
    "monitor:message-tracking": 5,
    "policies:list": 15,
    "address-lists:list": 9,
    "mail-policy-settings:view": 8,
    "listeners:show": 6,
    "incoming-relays:list": 9,
    "certificates:list": 9,
    "host-access:list": 7,
    "recipient-access:list": 8,
    "services:overview": 12,
    "tdc:settings": 11,
    "trace:run": 5,
    "destination-controls:list": 10,
    "smtp-routes:list": 8,
    "bounce-profiles:list": 10,
    "dns:settings": 6,
    "configuration:file": 5,
    "configuration:history": 6,
    "configuration:general-settings": 6,
    "accounts:users": 5,
    "accounts:account-settings": 6,
    "accounts:network-access": 6,
    "audit-log:search": 5,
    "accounts:active-sessions": 5,
    "accounts:change-passphrase": 4,
    "accounts:preferences": 4,
    "help:contents": 4,
    "help:about": 4,
}


def assert_strict(response: Any) -> None:
    assert {part.strip() for part in response["Content-Security-Policy"].split(";")} == POLICY
    assert INLINE.findall(response.content.decode()) == []


def test_every_page_has_the_strict_policy_and_nothing_inline() -> None:
    people = sample_system.fill()
    client = signed_in(people[Role.ADMINISTRATOR])
    for address in walk.pages(people[Role.ADMINISTRATOR]):
        assert_strict(client.get(address))
    assert_strict(Client().get(reverse("accounts:sign-in")))


def test_a_control_character_anywhere_in_an_address_is_a_bad_request_on_every_page() -> None:
    people = sample_system.fill()
    client = signed_in(people[Role.ADMINISTRATOR])
    for address in walk.pages(people[Role.ADMINISTRATOR]):
        joint = "&" if "?" in address else "?"
        for asked in ("find=a%00", "after=%00", "q=%00&after=x", "q=%1b[31m", "find=%7F"):
            response = client.get(f"{address}{joint}{asked}")
            assert (response.status_code, address) == (400, address)
    assert_strict(response)
    assert "it holds a control character" in response.content.decode()
    assert client.get("/monitor/delivery-status/a%00b/").status_code == 400
    assert client.get("/monitor/delivery-status/a%1Bb/").status_code == 400
    assert client.get(reverse("smtp-routes:list"), {"find": "a\tb\r\n"}).status_code == 200


@pytest.mark.parametrize(("address", "status"), failing_urls.ADDRESSES.items())
def test_error_pages_are_in_the_frame_strict_and_lead_on(address: str, status: int, settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.support.failing_urls"
    configured()
    client = signed_in(person())
    client.raise_request_exception = False
    response = client.get(address)
    assert response.status_code == status
    assert_strict(response)
    content = response.content.decode()
    assert 'class="brand"' in content
    assert f'href="{reverse("accounts:home")}">Go to the first page' in content
    assert "Nothing was changed" in content or "was not saved" in content


@pytest.mark.parametrize("answer", [bad_request, server_error])
def test_errors_that_the_database_may_have_caused_do_not_ask_it(
    answer: Callable[[Any], Any], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        content = answer(None).content.decode()
    assert "gw1.corp.example" in content
    assert "Login</a>" not in content


def test_opening_an_address_that_takes_only_a_button_says_so_and_does_nothing() -> None:
    configured()
    response = signed_in(person()).get(reverse("monitor:delivery-status-retry-all"))
    assert response.status_code == 405
    assert response["Allow"] == "POST"
    assert "This address only takes what a button sends" in response.content.decode()


def test_a_program_that_asks_for_no_page_gets_the_bare_refusal() -> None:
    configured()
    client = signed_in(person())
    response = client.get(reverse("monitor:delivery-status-retry-all"), headers={"Accept": "application/json"})
    assert (response.status_code, response.content) == (405, b"")


@pytest.mark.parametrize("role", list(Role))
def test_the_header_menus_lead_every_role_to_pages_it_gets(role: Role) -> None:
    configured()
    client = signed_in(person(role))
    content = client.get(reverse("accounts:home"), follow=True).content.decode()
    for link in (*OPTIONS, *HELP_AND_SUPPORT):
        assert f'<a href="{reverse(link.view)}">{link.title}</a>' in content
        assert client.get(reverse(link.view)).status_code == 200


def test_online_help_is_the_page_that_explains_the_one_shown() -> None:
    configured()
    content = signed_in(person()).get(reverse("monitor:delivery-status")).content.decode()
    assert f'<a href="{reverse("help:page", args=["delivery-status"])}">Online Help</a>' in content


def test_nothing_pending_is_words_and_something_pending_a_link() -> None:
    people = sample_system.fill()
    overview = reverse("monitor:overview")
    content = signed_in(people[Role.ADMINISTRATOR]).get(overview).content.decode()
    assert f'<a id="commit" class="commit pending" href="{reverse("configuration:uncommitted-changes")}">' in content
    content = signed_in(person(name="newcomer")).get(overview).content.decode()
    assert '<span id="commit" class="commit idle">No Changes Pending</span>' in content


def _tab(*pages_in_groups: int) -> ShownTab:
    groups = (ShownGroup("G", (ShownPage("P", "/", False),) * pages) for pages in pages_in_groups)
    return ShownTab("T", tuple(groups))


@pytest.mark.parametrize(
    ("groups", "columns"),
    [((1,), 1), ((1, 1, 1), 1), ((12,), 1), ((2, 4), 2), ((3, 3, 2), 2), ((3, 4, 4, 3), 3), ((9, 9, 9, 9), 3)],
)
def test_a_long_drop_down_is_set_in_columns_between_its_groups(groups: tuple[int, ...], columns: int) -> None:
    assert _tab(*groups).columns == columns


def test_each_page_of_the_menus_asks_a_fixed_number_of_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two requests on a slow machine take longer than the half second after which it looks whether a commit came.
    monkeypatch.setattr(running, "LOOK_EVERY_S", 3600.0)
    user = sample_system.fill()[Role.ADMINISTRATOR]
    assert all(user.may(privilege) for privilege in Privilege)
    asked = {}
    for view in (*(page.view for page in walk.MENU), *(link.view for link in (*OPTIONS, *HELP_AND_SUPPORT))):
        asked[view] = _queries(user, view)
    assert asked == QUERIES


def _queries(user: User, view: str) -> int:
    client = signed_in(user)
    # What is kept between requests (the running configuration, the session's time) is there the second time.
    client.get(reverse(view))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(reverse(view)).status_code == 200
    return len(queries)


# Each of their fields is one of the rows there are: what was sent is counted, not shown.
COUNTED_ONLY = {
    "accounts:enforce-passphrase-change",
    "host-access:order",
    "mail-policy-settings:edit",
    "policies:order",
    "recipient-access:order",
    "tdc:change-policies",
}


class _TypedInto(HTMLParser):
    """Address and name of every field of a page's POST forms into which somebody types or in which they choose."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address, self.action, self.found = address, "", list[tuple[str, str]]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = (given.get("action") or self.address) if given.get("method") == "post" else ""
        named = tag in {"input", "select", "textarea"} and given.get("type") not in {"hidden", "file", "submit"}
        if named and self.action and "name" in given:
            self.found.append((self.action, given["name"]))

    def handle_endtag(self, tag: str) -> None:
        self.action = "" if tag == "form" else self.action


def test_every_page_gives_the_labels_of_its_form_along() -> None:
    people = sample_system.fill()
    unknown = set()
    client = signed_in(people[Role.ADMINISTRATOR])
    for address in walk.pages(people[Role.ADMINISTRATOR]):
        typed = _TypedInto(address)
        typed.feed(client.get(address).content.decode())
        for action, name in typed.found:
            whole, row = labelled(action)
            if not is_secret(name) and name not in whole and name.rpartition("-")[2] not in row:
                unknown.add(resolve(urlsplit(action).path).view_name)
    assert unknown == COUNTED_ONLY


def test_the_frame_asks_once_for_pending_changes(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # Session, user, pending set; the session's renewal in its savepoint.
    with django_assert_num_queries(4):
        client.get(reverse("help:contents"))
