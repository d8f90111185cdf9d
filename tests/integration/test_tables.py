"""What the tables of configuration share: the marks of what is pending, and the pages of a long table."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from seg_console.accounts.models import User
from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.delivery.models import SmtpRoute
from seg_console.gateway.models import SenderGroup, last_row
from seg_console.tables.paging import ROWS_SHOWN
from seg_console.tables.rows import changed
from tests.support.configurations import route
from tests.support.pages import configured, person, signed_in

pytestmark = pytest.mark.django_db

HOSTS = [{"host": "mx.corp.example", "port": 25, "priority": 0}]


@pytest.fixture
def user() -> User:
    return person()


@pytest.fixture
def client(user: User) -> Client:
    return signed_in(user)


def routes(shown: Configuration) -> list[SmtpRoute]:
    return list(SmtpRoute.objects.filter(configuration=shown).order_by("domain"))


def test_one_query_tells_the_rows_that_are_new_or_say_something_else(
    user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    configured(smtp_routes=[route("a.example"), route("b.example"), route("c.example")])
    first, second, _third = routes(pending.committed())
    first.hosts = HOSTS
    new = SmtpRoute(domain="d.example", hosts=HOSTS)
    pending.submit(user, first, second, new)
    shown = pending.shown_to(user)
    rows = routes(shown)
    with django_assert_num_queries(1):
        assert changed(shown, rows) == {first.uid, new.uid}


def test_nothing_is_changed_in_the_committed_set(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    shown = configured(smtp_routes=[route("a.example")])
    rows = routes(shown)
    with django_assert_num_queries(0):
        assert changed(shown, rows) == set()


def test_a_row_that_need_not_be_there_is_compared_with_what_holds_without_it(user: User) -> None:
    configured(host_access=[])
    assert not SenderGroup.objects.filter(configuration=pending.committed()).exists()
    pending.submit(user, SenderGroup(name="PARTNERS", position=1, entries=["192.0.2.1"]))
    shown = pending.shown_to(user)
    assert changed(shown, [last_row()]) == set()
    other = last_row()
    other.max_recipients = 10
    assert changed(shown, [other]) == {other.uid}


@pytest.mark.parametrize(
    ("view", "nonsense"),
    [("smtp-routes:list", "x" * 1_000), ("recipient-access:list", "x"), ("recipient-access:list", "9" * 400)],
)
def test_what_can_be_no_cursor_asks_for_the_first_page(client: Client, view: str, nonsense: str) -> None:
    configured()
    first = client.get(reverse(view)).context["rows"]
    answer = client.get(reverse(view), {"after": nonsense})
    assert answer.status_code == 200
    assert first
    assert answer.context["rows"] == first
    assert answer.context["first_url"] == ""


def test_each_page_begins_behind_the_last_row_of_the_one_before(client: Client) -> None:
    domains = [f"a{number:03}.example" for number in range(2 * ROWS_SHOWN + 1)]
    configured(smtp_routes=[route(domain) for domain in [*domains, "other.example"]])
    pages: list[list[str]] = []
    query = "?find=a"
    while query:
        assert parse_qs(query.removeprefix("?"))["find"] == ["a"]
        page = client.get(reverse("smtp-routes:list") + query).context
        assert page["first_url"] == ("?find=a" if pages else "")
        pages.append([row["domain"] for row in page["rows"]])
        query = page["next_url"]
    assert pages == [domains[:ROWS_SHOWN], domains[ROWS_SHOWN : 2 * ROWS_SHOWN], domains[2 * ROWS_SHOWN :]]
