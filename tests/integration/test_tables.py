"""What the tables of configuration share: the marks of what is pending, the pages of a long table, words for an empty
one, and how they take and show what is typed."""

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
from tests.support.configurations import policy, route
from tests.support.forms import CONTROL, PROFILE
from tests.support.hostile import HOSTILE_VALUES
from tests.support.pages import configured, members_of

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

HOSTS = [{"host": "mx.corp.example", "port": 25, "priority": 0}]


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


def test_an_empty_table_says_what_that_means(client: Client) -> None:
    configured(recipient_access=[], smtp_routes=[])
    assert "The gateway accepts no mail." in client.get(reverse("recipient-access:list")).content.decode()
    assert "No routes have been defined." in client.get(reverse("smtp-routes:list")).content.decode()


def test_an_internationalized_domain_is_shown_with_its_letters_wherever_it_is_read(user: User, client: Client) -> None:
    stored, letters = "xn--mnchen-3ya.example", "münchen.example"
    choice = {"threat_defense_connector": {"mode": "custom", "address": f"id@{stored}"}}
    configured(
        incoming_mail_policies=[policy("A", f"@{stored}") | choice],
        smtp_routes=[{"domain": stored, "hosts": [{"host": "127.0.0.1", "port": 25, "priority": 0}]}],
        destination_controls=[{"domain": stored}],
        recipient_access=[{"recipient": stored, "action": "accept"}],
    )
    for page, count in (
        ("policies:list", 2),
        ("policies:order", 0),
        ("tdc:settings", 1),
        ("tdc:change-policies", 1),
        ("smtp-routes:list", 1),
        ("destination-controls:list", 1),
        ("recipient-access:list", 1),
    ):
        assert client.get(reverse(page)).content.decode().count(f"{stored} ({letters})") == count, page
    assert members_of(user, "A")[0]["recipients"]["entries"] == [f"@{stored}"]


@pytest.mark.parametrize("text", HOSTILE_VALUES)
@pytest.mark.parametrize(
    ("view", "data", "field"),
    [
        ("destination-controls:add", CONTROL, "domain"),
        ("destination-controls:add", CONTROL, "max_connections"),
        ("destination-controls:add", CONTROL, "max_recipients_per_transaction"),
        ("destination-controls:add", CONTROL, "tls"),
        ("destination-controls:add", CONTROL, "conversion"),
        ("destination-controls:add", CONTROL, "bounce_profile"),
        ("bounce-profiles:add", PROFILE, "max_retries"),
        ("dns:edit-settings", {"timeout": "5"}, "servers"),
        ("dns:edit-settings", {"servers": ""}, "timeout"),
        ("smtp-routes:import", {}, "pasted"),
        ("destination-controls:import", {}, "pasted"),
    ],
)
def test_hostile_input_is_refused_and_shown_as_text(
    user: User, client: Client, view: str, data: dict[str, str], field: str, text: str
) -> None:
    response = client.post(reverse(view), data | {field: text})
    assert response.status_code == 422
    assert "<script>alert" not in response.content.decode()
    assert pending.pending_of(user) is None
