"""Sessions as a person meets them: one that ends in the middle of a form, and a language chosen at sign-in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from policies.models import IncomingMailPolicy
from seg_console.accounts.models import ConsoleSession, User
from seg_console.config import pending
from tests.support.browser import BROWSER_MARKS, sign_in, watched_page
from tests.support.pages import PASSPHRASE, configured, person

pytestmark = BROWSER_MARKS


@pytest.fixture
def admin() -> User:
    configured()
    return person(name="admin")


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def page(request: pytest.FixtureRequest, browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    with watched_page(browser, live_server, java_script_enabled=request.param) as opened:
        yield opened


def _let_the_sessions_end() -> None:
    assert ConsoleSession.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))


def test_a_policy_typed_while_the_session_ended_is_submitted_again_after_login(page: Page, admin: User) -> None:
    sign_in(page, admin, to="/mail-policies/incoming/add/")
    page.get_by_label("Policy Name").fill("Late")
    page.get_by_label("Any Recipient").first.check()
    _let_the_sessions_end()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", name="Session ended")).to_be_visible()
    expect(page.get_by_text("without activity")).to_be_visible()
    expect(page.get_by_label("Username")).to_have_value("admin")
    page.get_by_label("Passphrase").fill(PASSPHRASE)
    page.get_by_role("button", name="Login").click()
    expect(page.get_by_role("heading", name="Submit Again")).to_be_visible()
    expect(page.get_by_text("Late", exact=True)).to_be_visible()
    assert pending.pending_of(admin) is None
    page.get_by_role("button", name="Submit again").click()
    expect(page.get_by_role("heading", name="Incoming Mail Policies", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Late", exact=True)).to_be_visible()
    assert IncomingMailPolicy.objects.filter(configuration=pending.pending_of(admin), name="Late").exists()


def test_a_choice_typed_in_a_cell_survives_too(browser: Browser, live_server: LiveServer, admin: User) -> None:
    with watched_page(browser, live_server) as page:
        sign_in(page, admin, to="/mail-policies/incoming/")
        page.get_by_role("link", name="Threat Defense Connector of Board").click()
        row = page.get_by_role("row").filter(has_text="Board")
        row.get_by_label("Custom Message Intake Address").first.check()
        row.get_by_role("textbox").fill("late@intake.example")
        _let_the_sessions_end()
        row.get_by_role("button", name="Submit").click()
        expect(page.get_by_role("heading", name="Session ended")).to_be_visible()
        page.get_by_label("Passphrase").fill(PASSPHRASE)
        page.get_by_role("button", name="Login").click()
        expect(page.get_by_text("late@intake.example")).to_be_visible()
        page.get_by_role("button", name="Submit again").click()
        expect(page.get_by_role("row").filter(has_text="Board")).to_contain_text("late@intake.example")


def test_the_language_chosen_at_sign_in_is_that_of_the_pages(page: Page, admin: User) -> None:
    page.goto("/monitor/overview/")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="简体中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    page.locator("input[name=username]").fill("admin")
    page.locator("input[name=password]").fill(PASSPHRASE)
    page.locator("button.primary").click()
    expect(page).to_have_url(re.compile(r"/monitor/overview/$"))
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    expect(page.get_by_role("navigation").first).to_contain_text("邮件策略")


def test_preferences_and_sessions_are_reached_from_the_options_menu(page: Page, admin: User) -> None:
    sign_in(page, admin)
    page.get_by_text("Options", exact=True).click()
    page.get_by_role("link", name="Preferences").click()
    page.get_by_role("link", name="Edit Preferences…").click()
    page.get_by_label("Number of Rows Displayed").select_option("50")
    page.get_by_label("Landing Page").select_option(label="SMTP Routes")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("Your preferences were changed.")).to_be_visible()
    page.locator("a.brand").click()
    expect(page.get_by_role("heading", name="SMTP Routes", exact=True)).to_be_visible()
    page.get_by_text("Options", exact=True).click()
    page.get_by_role("link", name="Active Sessions").click()
    expect(page.get_by_role("row").filter(has_text="this session")).to_contain_text("admin")
