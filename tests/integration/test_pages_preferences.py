"""Options > Preferences: at once, for the account alone, and what each of them changes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from seg_console.accounts.models import User
from seg_console.accounts.preferences import zones
from seg_console.accounts.roles import Role
from seg_console.audit.models import Act, Entry
from seg_console.config import pending
from seg_console.mail.models import Message
from seg_console.ui.navigation import landing_page
from tests.support.pages import PASSPHRASE, configured, person, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

PREFERENCES = "/options/preferences/"
EDIT = "/options/preferences/edit/"
CHOSEN = {
    "language": "",
    "landing_page": "",
    "time_range": "day",
    "rows": "20",
    "time_zone": "",
}


@pytest.fixture(autouse=True)
def _english_again() -> Any:
    """A page in another language leaves it in force for this thread."""
    yield
    translation.activate("en")


@pytest.fixture
def user() -> User:
    configured()
    return person(name="ada")


def _prefer(client: Client, **chosen: str) -> None:
    response = client.post(EDIT, CHOSEN | chosen)
    assert response.status_code == 302, response.content.decode()
    assert response["Location"] == PREFERENCES


def _message(received_at: datetime) -> None:
    Message.objects.create(
        mid=101,
        root_mid=101,
        icid=1,
        direction=Message.Direction.INCOMING,
        received_at=received_at,
        envelope_sender="a@b.example",
        size=1000,
    )


def _selected(content: str, name: str) -> str:
    """Value of the option that is selected in a list."""
    options = content.split(f'name="{name}"')[1].split("</select>")[0]
    found = re.search(r'value="([^"]*)" selected', options)
    assert found
    return found[1]


def test_the_summary_says_what_holds_before_anything_was_chosen(client: Client) -> None:
    content = client.get(PREFERENCES).content.decode()
    values = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", content)
    assert values == [
        ("Language Display", "The browser&#x27;s choice"),
        ("Landing Page", "The first page of the menus"),
        ("Time Range Displayed", "Day"),
        ("Number of Rows Displayed", "20"),
        ("Time Zone", "The gateway&#x27;s (UTC)"),
    ]


def test_they_act_at_once_without_commit_and_are_in_the_audit_log(client: Client, user: User) -> None:
    _prefer(client, rows="50", landing_page="smtp-routes:list", time_zone="Asia/Shanghai", time_range="week")
    user.refresh_from_db()
    kept = (user.rows, user.landing_page, user.time_zone, user.time_range, user.language)
    assert kept == (50, "smtp-routes:list", "Asia/Shanghai", "week", "")
    assert pending.pending_of(user) is None
    entry = Entry.objects.get(act=Act.PREFERENCES_CHANGED)
    assert (entry.user, entry.target) == (user, "ada")
    assert [change[:4] for change in entry.changes] == [
        ["Preferences", "Landing Page", "The first page of the menus", "SMTP Routes"],
        ["Preferences", "Time Range Displayed", "Day", "Week"],
        ["Preferences", "Number of Rows Displayed", "20", "50"],
        ["Preferences", "Time Zone", "The gateway's (UTC)", "Asia/Shanghai"],
    ]
    _prefer(client, rows="50", landing_page="smtp-routes:list", time_zone="Asia/Shanghai", time_range="week")
    assert Entry.objects.filter(act=Act.PREFERENCES_CHANGED).count() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"language": "fr"},
        {"landing_page": "accounts:sign-in"},
        {"time_range": "century"},
        {"rows": "1000000"},
        {"rows": ""},
        {"time_zone": "Mars/Olympus"},
    ],
)
def test_what_is_not_on_the_lists_is_refused_and_nothing_changes(
    client: Client, user: User, wrong: dict[str, str]
) -> None:
    response = client.post(EDIT, CHOSEN | {"time_range": "week"} | wrong)
    assert response.status_code == 422
    assert "field-error" in response.content.decode()
    user.refresh_from_db()
    assert (user.language, user.landing_page, user.time_range, user.rows, user.time_zone) == ("", "", "", 20, "")
    assert not Entry.objects.filter(act=Act.PREFERENCES_CHANGED).exists()


def test_only_pages_the_role_may_see_can_be_landed_on() -> None:
    guest = person(Role.GUEST)
    content = signed_in(guest).get(EDIT).content.decode()
    assert 'value="monitor:delivery-status"' in content
    assert "smtp-routes:list" not in content
    assert signed_in(guest).post(EDIT, CHOSEN | {"landing_page": "smtp-routes:list"}).status_code == 422
    # A page that a later role may not see is not landed on.
    guest.landing_page = "smtp-routes:list"
    assert landing_page(guest) == "/monitor/overview/"


def test_after_sign_in_comes_the_landing_page_unless_another_was_asked_for(user: User) -> None:
    user.landing_page = "smtp-routes:list"
    user.save()
    typed = {"username": "ada", "password": PASSPHRASE}
    assert Client().post("/sign-in/", typed)["Location"] == "/network/smtp-routes/"
    assert Client().post("/sign-in/", typed | {"next": "/monitor/overview/"})["Location"] == "/monitor/overview/"


def test_the_language_holds_for_every_page_and_whatever_the_browser_wishes(client: Client) -> None:
    _prefer(client, language="zh-hans")
    for url in (PREFERENCES, "/monitor/overview/", "/no-such-page/"):
        response = client.get(url, headers={"accept-language": "en"})
        assert '<html lang="zh-hans"' in response.content.decode()
        assert response["Content-Language"] == "zh-hans"
    # The sign-in page has no account to ask: the cookie tells it.
    client.post(reverse("accounts:sign-out"))
    assert '<html lang="zh-hans"' in client.get("/sign-in/").content.decode()


def test_a_language_of_ones_own_outweighs_the_cookie_and_the_browsers_choice_forgets_it(client: Client) -> None:
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    _prefer(client, language="en")
    assert client.cookies[settings.LANGUAGE_COOKIE_NAME].value == "en"
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    assert '<html lang="en"' in client.get(PREFERENCES).content.decode()
    _prefer(client, language="")
    assert client.cookies[settings.LANGUAGE_COOKIE_NAME].value == ""
    assert '<html lang="zh-hans"' in client.get(PREFERENCES, headers={"accept-language": "zh"}).content.decode()


def test_times_are_shown_in_the_accounts_own_zone_and_in_nobody_elses(client: Client) -> None:
    at = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    _message(at)
    _prefer(client, time_zone="Asia/Shanghai")
    tracking = "/monitor/message-tracking/?search=1&received=custom&start=2026-03-01T19:59&end=2026-03-01T20:00"
    assert "01 Mar 2026 20:00:00 (GMT +08:00)" in client.get(tracking).content.decode()
    other = signed_in(person(name="bob"))
    content = other.get("/monitor/message-tracking/?search=1&received=custom&start=2026-03-01T12:00").content.decode()
    assert "01 Mar 2026 12:00:00 (GMT +00:00)" in content


def test_a_zone_this_machine_does_not_know_is_the_gateways(user: User, client: Client) -> None:
    User.objects.filter(pk=user.pk).update(time_zone="Mars/Olympus")
    assert "The gateway&#x27;s (UTC)" in client.get(PREFERENCES).content.decode()
    assert "Europe/Berlin" in zones()


def test_rows_and_time_range_are_what_the_monitor_pages_begin_with(client: Client) -> None:
    _prefer(client, rows="50", time_range="week")
    content = client.get("/monitor/message-tracking/").content.decode()
    assert _selected(content, "items") == "50"
    assert re.search(r'value="week"[^>]*checked', content)
    assert _selected(client.get("/monitor/delivery-status/").content.decode(), "items") == "50"
    assert "<b>Week</b>" in client.get("/monitor/overview/").content.decode()
    # What is asked for goes before.
    assert _selected(client.get("/monitor/delivery-status/?items=10").content.decode(), "items") == "10"
    assert "<b>Hour</b>" in client.get("/monitor/overview/?range=hour").content.decode()


def test_the_export_of_a_search_covers_the_time_range_of_the_search(client: Client) -> None:
    _prefer(client, time_range="week")
    _message(timezone.now() - timedelta(days=3))
    content = client.get("/monitor/message-tracking/?search=1").content.decode()
    assert "a@b.example" in content
    export = client.get("/monitor/message-tracking/export/?search=1").content.decode()
    assert "a@b.example" in export
