"""Destination Controls, Bounce Profiles, SMTP Routes as files and DNS in a real browser, in both languages and without
script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import translation
from django.utils.translation import gettext, ngettext
from playwright.sync_api import Browser, Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from seg_console.accounts.models import User
from seg_console.config import document, pending
from tests.support.browser import BROWSER_MARKS, carry_session, watched_page

pytestmark = BROWSER_MARKS
LANGUAGES = [("en-GB", "en"), ("zh-CN", "zh-hans")]


@pytest.fixture(params=LANGUAGES, ids=["en", "zh-hans"])
def spoken(request: pytest.FixtureRequest, browser: Browser, live_server: LiveServer, admin: User) -> Iterator[Page]:
    """A signed-in page in each language, the words of the test with it."""
    locale, language = request.param
    with watched_page(browser, live_server, locale=locale) as page, translation.override(language):
        page.goto("/sign-in/")
        carry_session(page, admin)
        yield page


@pytest.fixture
def plain(browser: Browser, live_server: LiveServer, admin: User) -> Iterator[Page]:
    """A signed-in page without script."""
    with watched_page(browser, live_server, java_script_enabled=False) as page:
        page.goto("/sign-in/")
        carry_session(page, admin)
        yield page


def committed(user: User, key: str) -> Any:
    pending.commit(user, "as seen")
    return document.dump(pending.committed())[key]


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=gettext(name), exact=True)


def link(page: Page, name: str) -> Locator:
    return page.get_by_role("main").get_by_role("link", name=gettext(name), exact=True)


def field(page: Page, name: str) -> Locator:
    return page.get_by_role("main").get_by_label(gettext(name), exact=True)


def test_a_destination_gets_a_profile_of_its_own_and_a_limit(spoken: Page, admin: User) -> None:
    page = spoken
    page.goto("/network/bounce-profiles/")
    link(page, "Add Bounce Profile…").click()
    field(page, "Profile Name").fill("Brisk")
    field(page, "Maximum time in queue (seconds)").fill("900")
    button(page, "Submit").click()
    expect(page.get_by_role("row").filter(has_text="Brisk")).to_contain_text("900")
    page.goto("/mail-policies/destination-controls/")
    link(page, "Add Destination…").click()
    field(page, "Destination").fill("brisk.example")
    page.get_by_role("radio", name=gettext("Maximum:")).check()
    button(page, "Submit").click()
    expect(page.get_by_text(gettext("Enter a number.")).first).to_be_visible()
    field(page, "Maximum Recipients").fill("300")
    field(page, "Minutes").fill("5")
    field(page, "IP Address Preference").select_option("ipv6_preferred")
    field(page, "Bounce Profile").select_option("Brisk")
    button(page, "Submit").click()
    row = page.get_by_role("row").filter(has_text="brisk.example")
    expect(row).to_contain_text(gettext("%(recipients)s per %(minutes)s min") % {"recipients": 300, "minutes": 5})
    expect(row).to_contain_text(gettext("Default (%(value)s)") % {"value": 50})
    expect(row).to_contain_text(gettext("IPv6 Preferred"))
    # In use now.
    page.goto("/network/bounce-profiles/")
    delete = gettext("Delete %(name)s") % {"name": "Brisk"}
    page.get_by_role("link", name=delete, exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("brisk.example")
    (control,) = [row for row in committed(admin, "destination_controls") if row["domain"] == "brisk.example"]
    assert (control["max_recipients"], control["recipients_minutes"], control["bounce_profile"]) == (300, 5, "Brisk")


def test_the_default_row_is_edited_and_a_destination_deleted(spoken: Page, admin: User) -> None:
    page = spoken
    page.goto("/mail-policies/destination-controls/")
    page.get_by_role("row").last.get_by_role("link", name=gettext("Default"), exact=True).click()
    field(page, "TLS Support").select_option("required")
    field(page, "Maximum Messages Per Connection").fill("8")
    button(page, "Submit").click()
    expect(page.get_by_role("row").last).to_contain_text(gettext("Required"))
    page.get_by_role("link", name=gettext("Delete %(name)s") % {"name": "corp.example"}, exact=True).click()
    button(page, "Delete").click()
    expect(page.get_by_text("corp.example", exact=True)).to_have_count(0)
    (default,) = committed(admin, "destination_controls")
    assert (default["domain"], default["tls"], default["max_messages_per_connection"]) == ("ALL", "required", 8)


def test_routes_are_imported_after_faults_were_told_by_line(spoken: Page, admin: User) -> None:
    page = spoken
    page.goto("/network/smtp-routes/")
    link(page, "Import…").click()
    field(page, "Paste").fill("a.example mx.a.example\nb.example\n")
    button(page, "Import…").click()
    expect(page.get_by_role("alert")).to_contain_text(gettext("Line %(line)s:") % {"line": 2})
    field(page, "Paste").fill("a.example mx.a.example:26/5\n.b.example USEDNS\n")
    button(page, "Import…").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(gettext("Import SMTP Routes"))
    removed = ngettext("%(n)s row is removed", "%(n)s rows are removed", 2) % {"n": 2}
    expect(page.get_by_role("region", name=removed)).to_contain_text("corp.example")
    button(page, "Import").click()
    told = ngettext(
        "%(total)s row was imported: %(added)s added, %(changed)s changed, %(removed)s removed. "
        "It takes effect when you commit.",
        "%(total)s rows were imported: %(added)s added, %(changed)s changed, %(removed)s removed. "
        "They take effect when you commit.",
        2,
    )
    expect(page.get_by_text(told % {"total": 2, "added": 2, "changed": 0, "removed": 2})).to_be_visible()
    with page.expect_download() as download:
        link(page, "Export…").click()
    assert download.value.path().read_text() == ".b.example USEDNS\na.example mx.a.example:26/5\n"
    assert [route["domain"] for route in committed(admin, "smtp_routes")] == [".b.example", "a.example"]


def test_all_routes_are_cleared_after_a_question(spoken: Page, admin: User) -> None:
    page = spoken
    page.goto("/network/smtp-routes/")
    link(page, "Clear All Routes").click()
    button(page, "Clear All Routes").click()
    expect(page.get_by_text(gettext("No routes have been defined."))).to_be_visible()
    assert committed(admin, "smtp_routes") == []


def test_name_servers_are_set_without_script(plain: Page, admin: User) -> None:
    page = plain
    page.goto("/network/dns/")
    link(page, "Edit Settings…").click()
    field(page, "DNS servers").fill("192.0.2.53\nns.example")
    button(page, "Submit").click()
    expect(page.get_by_text("Line 2: give an IP address")).to_be_visible()
    field(page, "DNS servers").fill("192.0.2.53\n[2001:db8::53]:5353")
    button(page, "Submit").click()
    expect(page.get_by_text("[2001:db8::53]:5353")).to_be_visible()
    assert committed(admin, "dns")["servers"] == [
        {"host": "192.0.2.53", "port": 53},
        {"host": "2001:db8::53", "port": 5353},
    ]


def test_an_import_is_looked_at_and_made_by_keyboard_on_a_narrow_screen(
    browser: Browser, live_server: LiveServer, admin: User
) -> None:
    wide = f"{'a' * 60}.{'b' * 60}.{'c' * 60}.example"
    hosts = ", ".join(f"mx{number}.{wide}" for number in range(3))
    with watched_page(browser, live_server, viewport={"width": 360, "height": 800}) as page:
        page.goto("/sign-in/")
        carry_session(page, admin)
        page.goto("/network/smtp-routes/import/")
        field(page, "Paste").fill(f"{wide} {hosts}\n")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page).to_have_title("Import SMTP Routes: Preview · SEG Console")
        expect(page.get_by_role("heading", level=2)).to_have_text(
            ["What the file changes", "2 rows are removed", "1 row is added"]
        )
        added = page.get_by_role("region", name="1 row is added")
        expect(added.get_by_role("rowheader")).to_contain_text(wide)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert added.get_by_role("table").evaluate("table => table.clientWidth") == 600
        import_button = button(page, "Import")
        for _press in range(40):
            if import_button.evaluate("button => button === document.activeElement"):
                break
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        told = "1 row was imported: 1 added, 0 changed, 2 removed. It takes effect when you commit."
        expect(page.get_by_text(told)).to_be_visible()
    assert [route["domain"] for route in committed(admin, "smtp_routes")] == [wide]
