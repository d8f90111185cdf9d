"""An administrator's tasks in a real browser, with htmx and under the real Content-Security-Policy."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.config import document, pending
from seg_console.delivery.models import HostStatus
from seg_console.ui import errors
from tests.support import sample_system, walk
from tests.support.browser import BROWSER_MARKS, carry_session, sign_in, watched_page
from tests.support.pages import PASSPHRASE

WIDTHS = (1280, 1920)
pytestmark = BROWSER_MARKS


def test_a_policys_choice_is_toggled_in_its_cell_reviewed_and_committed(page: Page) -> None:
    row = page.get_by_role("row").filter(has_text="Finance")
    expect(page.get_by_text("No Changes Pending")).to_be_visible()
    row.get_by_role("link", name="Threat Defense Connector of Finance").click()
    row.get_by_label("Custom Message Intake Address").first.check()
    row.get_by_role("textbox").fill("no address")
    row.get_by_role("button", name="Submit").click()
    expect(row.get_by_text('"no address" has no @')).to_be_visible()
    row.get_by_role("textbox").fill("new@intake.example")
    row.get_by_role("button", name="Submit").click()
    expect(row.get_by_text("new@intake.example")).to_be_visible()
    expect(page.get_by_text("Success —")).to_be_visible()
    page.get_by_role("link", name="Commit Changes »").click()
    expect(page.get_by_text("new@intake.example")).to_be_visible()
    page.get_by_label("Comment (optional)").fill("A new account")
    page.get_by_role("button", name="Commit Changes").click()
    expect(page.get_by_text("have been committed as configuration 3")).to_be_visible()
    expect(page.get_by_role("heading", name="Incoming Mail Policies")).to_be_visible()
    choice = document.dump(pending.committed())["incoming_mail_policies"][0]["threat_defense_connector"]
    assert choice == {"mode": "custom", "address": "new@intake.example"}


def test_cancel_in_the_cell_puts_back_what_was_there_and_the_focus_with_it(page: Page) -> None:
    row = page.get_by_role("row").filter(has_text="Board")
    row.get_by_role("link", name="Threat Defense Connector of Board").click()
    expect(row.get_by_role("radio").first).to_be_focused()
    row.get_by_role("link", name="Cancel").click()
    expect(row.get_by_role("link", name="Threat Defense Connector of Board")).to_be_focused()
    expect(page.get_by_text("No Changes Pending")).to_be_visible()


def test_escape_in_the_cell_is_cancel_wherever_the_focus_is_in_it(page: Page) -> None:
    row = page.get_by_role("row").filter(has_text="Board")
    link = row.get_by_role("link", name="Threat Defense Connector of Board")
    for presses in ([], ["Tab"], ["ArrowDown", "Tab"]):
        link.focus()
        page.keyboard.press("Enter")
        expect(row.get_by_role("radio", checked=True)).to_be_focused()
        for key in presses:
            page.keyboard.press(key)
        page.keyboard.press("Escape")
        expect(link).to_be_focused()
        expect(row.get_by_role("radio")).to_have_count(0)
    expect(page.get_by_text("No Changes Pending")).to_be_visible()


def test_the_connector_is_set_up_by_keyboard_alone(page: Page) -> None:
    page.get_by_role("navigation", name="Main").get_by_text("Security Services").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Services Overview")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Threat Defense Connector Settings")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Edit Settings…").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Message Intake Address").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("keys@intake.example")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Threat Defense Connector Settings", level=1)).to_be_visible()
    expect(page.get_by_text("keys@intake.example").first).to_be_visible()
    page.get_by_role("link", name="Commit Changes »").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Commit Changes").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("have been committed")).to_be_visible()
    settings = document.dump(pending.committed())["threat_defense_connector"]
    assert settings["message_intake_address"] == "keys@intake.example"


def test_menus_open_one_at_a_time_and_close_on_escape(page: Page) -> None:
    monitor = page.locator("details.menu").filter(has_text="Delivery Status")
    policies = page.locator("details.menu").filter(has_text="Incoming Mail Policies")
    monitor.locator("summary").click()
    policies.locator("summary").click()
    expect(monitor).not_to_have_attribute("open", "")
    expect(policies).to_have_attribute("open", "")
    monitor.locator("summary").hover()
    expect(monitor).to_have_attribute("open", "")
    expect(policies).not_to_have_attribute("open", "")
    monitor.locator("summary").click()
    expect(monitor).to_have_attribute("open", "")
    policies.locator("summary").click()
    page.keyboard.press("Escape")
    expect(policies).not_to_have_attribute("open", "")
    expect(policies.locator("summary")).to_be_focused()


def test_a_policy_is_added_with_two_rows_of_users(page: Page) -> None:
    page.get_by_role("link", name="Add Policy…").click()
    page.get_by_label("Policy Name").fill("Sales")
    page.get_by_label("Insert Before Policy").select_option(label="1 (Finance)")
    page.get_by_role("textbox", name="Recipients", exact=True).fill("@sales.corp.example")
    page.get_by_role("button", name="Add User…").click()
    page.get_by_label("Following Senders", exact=True).nth(1).check()
    page.get_by_label("Senders", exact=True).nth(1).fill("@customer.example, @.customer.example")
    page.get_by_label("Any Recipient").nth(1).check()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("row").nth(1)).to_contain_text("Sales")
    expect(page.get_by_role("row").nth(1)).to_contain_text("@customer.example or @.customer.example")


def test_delivery_status_refreshes_itself_and_keeps_sort_and_focus(page: Page) -> None:
    HostStatus.objects.create(kind="ordinary", domain="corp.example", destination="corp.example", delivered=1)
    page.clock.install()
    page.goto("/monitor/delivery-status/")
    page.get_by_role("link", name="Destination Domain").click()
    expect(page.get_by_role("columnheader", name="Destination Domain")).to_have_attribute("aria-sort", "ascending")
    page.get_by_label("Refresh").select_option(label="10 s")
    expect(page.locator("#destinations")).to_have_attribute("hx-trigger", "every 10s")
    link = page.get_by_role("link", name="the.tdc.queue")
    link.focus()
    HostStatus.objects.create(kind="tdc", domain="intake.example", destination="the.tdc.queue", delivered=4560)
    page.clock.run_for(11_000)
    expect(page.get_by_role("row").filter(has_text="the.tdc.queue")).to_contain_text("4,560")
    expect(link).to_be_focused()
    expect(page.get_by_role("columnheader", name="Destination Domain")).to_have_attribute("aria-sort", "ascending")


def test_an_ended_session_goes_to_sign_in_and_back_from_inside_a_cell(page: Page) -> None:
    page.context.clear_cookies()
    page.get_by_role("link", name="Threat Defense Connector of Finance").click()
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Passphrase").fill(PASSPHRASE)
    page.get_by_role("button", name="Login").click()
    expect(page.get_by_role("heading", name="Incoming Mail Policies")).to_be_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    hrefs = page.locator(".band .menu-panel a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert hrefs
    for href in [
        *hrefs,
        "/mail-policies/incoming/add/",
        "/uncommitted-changes/",
        "/monitor/message-tracking/?search=1",
    ]:
        page.goto(href)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{href} is {wider} px wider than {width} px"


# What sticks out of the window, and the tables that become lines of names and values but still scroll.
STICKING_OUT = """[
    document.documentElement.scrollWidth - document.documentElement.clientWidth,
    ...[...document.querySelectorAll('.scroll:has(> .stacks)')].map(box => box.scrollWidth - box.clientWidth),
]"""


def test_nothing_sticks_out_of_any_page_on_a_telephone(browser: Browser, live_server: LiveServer) -> None:
    user = sample_system.fill()[Role.ADMINISTRATOR]
    found = []
    with watched_page(browser, live_server, viewport={"width": 360, "height": 800}) as page:
        page.goto("/sign-in/")
        carry_session(page, user)
        for address in walk.pages(user):
            page.goto(address)
            if max(by := page.evaluate(STICKING_OUT)) > 0:
                found.append(f"{address}: {by}")
    assert found == []


def test_everything_works_without_javascript(browser: Browser, live_server: LiveServer, admin: User) -> None:
    with browser.new_context(base_url=live_server.url, java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, admin, to="/mail-policies/incoming/")
        page.get_by_role("link", name="Threat Defense Connector of Finance").click()
        page.get_by_label("No Scan").check()
        page.get_by_role("button", name="Submit").click()
        page.get_by_role("link", name="Commit Changes »").click()
        page.get_by_role("button", name="Commit Changes").click()
        expect(page.get_by_text("have been committed")).to_be_visible()
        page.locator("details.menu").filter(has_text="Delivery Status").locator("summary").click()
        page.get_by_role("link", name="Delivery Status").click()
        expect(page.get_by_role("link", name="the.tdc.queue")).to_be_visible()
        page.get_by_text("Options").click()
        page.get_by_role("button", name="Log Out").click()
        expect(page.get_by_role("button", name="Login")).to_be_visible()


def test_a_region_says_that_the_database_is_away_until_it_is_back(page: Page) -> None:
    page.goto(reverse("monitor:delivery-status"))
    shown = page.get_by_label("Items Displayed")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(BaseDatabaseWrapper, "cursor", _refused)
        shown.select_option("50")
        expect(page.get_by_text("The database does not answer, so nothing was changed.")).to_be_visible()
    shown.select_option("100")
    expect(page.get_by_text("The database does not answer")).to_have_count(0)


def test_the_page_of_an_absent_database_makes_way_by_itself(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "RETRY_S", 1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(BaseDatabaseWrapper, "cursor", _refused)
        page.goto(reverse("monitor:delivery-status"))
        expect(page.get_by_role("heading", name="Database away")).to_be_visible()
    expect(page.get_by_role("heading", name="Delivery Status")).to_be_visible()


def _refused(*_: object) -> None:
    raise OperationalError("connection refused")
