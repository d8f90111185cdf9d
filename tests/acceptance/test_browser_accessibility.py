"""axe-core looks at every page of the console, at the menu's pages with each role, at refused forms and error pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Browser, Page
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.ui.navigation import pages_for
from tests.support import failing_urls, sample_system, walk
from tests.support.browser import BROWSER_MARKS, carry_session, watched_page

pytestmark = [*BROWSER_MARKS, pytest.mark.timeout(900)]
AXE = Axe()
# Only the colours differ between the schemes.
COLOURS = """axe.run(document, {runOnly: ['color-contrast'], resultTypes: ['violations']})
    .then(found => found.violations)"""


def violations(page: Page, *, in_the_dark: bool = True) -> list[str]:
    """What axe finds on the page as it stands, one line for each element."""
    found = cast(list[dict[str, Any]], AXE.run(page).response["violations"])
    if in_the_dark:
        page.emulate_media(color_scheme="dark")
        found += page.evaluate(COLOURS)
        page.emulate_media(color_scheme="light")
    return [
        f"{page.url}: {rule['id']}: {node['html'][:160]} {node.get('failureSummary', '')}"
        for rule in found
        for node in rule["nodes"]
    ]


def look_at(addresses: Iterable[str], user: User, browser: Browser, live_server: LiveServer, **options: Any) -> None:
    """Fails with what axe finds on these pages."""
    found: list[str] = []
    with watched_page(browser, live_server) as page:
        page.goto("/sign-in/")
        carry_session(page, user)
        for address in addresses:
            page.goto(address)
            found += violations(page, **options)
    assert found == []


def test_every_page_with_an_argument_is_walked() -> None:
    assert walk.unknown() == set()


def test_axe_finds_nothing_on_any_page(browser: Browser, live_server: LiveServer) -> None:
    user = sample_system.fill()[Role.ADMINISTRATOR]
    look_at(walk.pages(user), user, browser, live_server)


def test_axe_finds_nothing_on_any_page_for_who_may_only_look(browser: Browser, live_server: LiveServer) -> None:
    user = sample_system.fill()[Role.READ_ONLY_OPERATOR]
    look_at(walk.pages(user), user, browser, live_server, in_the_dark=False)


# The two above see every page with and without its controls; of the other roles only the menu differs.
@pytest.mark.parametrize("role", [Role.OPERATOR, Role.GUEST, Role.TECHNICIAN, Role.HELP_DESK_USER])
def test_axe_finds_nothing_on_the_pages_of_a_roles_menu(role: Role, browser: Browser, live_server: LiveServer) -> None:
    user = sample_system.fill()[role]
    addresses = [reverse(page.view) for _, page in pages_for(user)]
    assert addresses
    look_at(addresses, user, browser, live_server, in_the_dark=False)


@pytest.fixture
def administrator() -> User:
    return sample_system.fill()[Role.ADMINISTRATOR]


def test_axe_finds_nothing_on_error_pages(
    browser: Browser, live_server: LiveServer, administrator: User, settings: Settings
) -> None:
    settings.ROOT_URLCONF = "tests.support.failing_urls"
    found: list[str] = []
    with watched_page(browser, live_server) as page:
        page.goto("/failing/500/")
        carry_session(page, administrator)
        for address, status in failing_urls.ADDRESSES.items():
            answer = page.goto(address)
            assert answer is not None
            assert answer.status == status
            found += violations(page)
    assert found == []


def test_axe_finds_nothing_on_refused_forms_and_open_menus(
    browser: Browser, live_server: LiveServer, administrator: User
) -> None:
    found: list[str] = []
    with watched_page(browser, live_server) as page:
        page.goto("/sign-in/")
        found += violations(page)
        page.locator("main form").first.evaluate("form => { form.noValidate = true; form.requestSubmit() }")
        page.locator(".message.error").wait_for()
        found += violations(page)
        carry_session(page, administrator)
        for address in ("/mail-policies/incoming/add/", "/network/smtp-routes/add/"):
            page.goto(address)
            page.locator("main form").first.evaluate("form => form.requestSubmit()")
            page.locator(".field-error").first.wait_for()
            assert page.locator(".message.error").evaluate("box => box === document.activeElement")
            found += violations(page)
        page.goto("/mail-policies/host-access/import/")
        page.locator("textarea").fill("group NEW\n  192.0.2.1\n")
        page.locator("main button.primary").click()
        page.locator("#removed-title").wait_for()
        found += violations(page)
        page.goto("/mail-policies/incoming/")
        page.locator("a.cell[hx-get]").first.click()
        page.locator(".cell-form").wait_for()
        found += violations(page)
        summaries = page.locator("details.menu > summary")
        for place in range(summaries.count()):
            summaries.nth(place).click()
            found += violations(page)
    assert found == []
