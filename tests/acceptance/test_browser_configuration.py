"""Submit, review, commit, history and the way back in a real browser; two administrators at once."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from seg_console.accounts.models import User
from seg_console.config import document, pending
from tdc.document import CONNECTOR
from tdc.models import ConnectorSettings, PolicyChoice
from tests.support.browser import BROWSER_MARKS, sign_in, watched_page
from tests.support.pages import person
from tests.support.smtp_remote import authority

POLICIES = "/mail-policies/incoming/"
HISTORY = "/system-administration/configuration-history/"

pytestmark = BROWSER_MARKS


def choose(page: Page, policy: str, choice: str) -> None:
    """Set a policy's choice in its cell."""
    page.goto(POLICIES)
    row = page.get_by_role("row").filter(has_text=policy)
    row.get_by_role("link", name=f"Threat Defense Connector of {policy}").click()
    row.get_by_label(choice).first.check()
    row.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("Success —")).to_be_visible()


def review(page: Page) -> None:
    page.get_by_role("link", name="Commit Changes »").click()
    expect(page.get_by_role("heading", name="Uncommitted Changes")).to_be_visible()


def commit(page: Page, comment: str = "") -> None:
    page.get_by_label("Comment (optional)").fill(comment)
    page.get_by_role("button", name="Commit Changes").click()


def modes() -> list[str]:
    found = document.dump(pending.committed())["incoming_mail_policies"]
    return [policy["threat_defense_connector"]["mode"] for policy in found]


def entry(number: int) -> str:
    """A row of the history, as a selector."""
    return f"tr:has(input[name=from][value='{number}'])"


@pytest.mark.parametrize("scripts", [True, False])
def test_a_change_is_reviewed_committed_compared_rolled_back_and_committed_again(
    browser: Browser, live_server: LiveServer, admin: User, scripts: bool
) -> None:
    with watched_page(browser, live_server, java_script_enabled=scripts) as page:
        sign_in(page, admin, to=POLICIES)
        page.get_by_role("link", name="Threat Defense Connector of Board").click()
        page.get_by_label("No Scan").first.check()
        page.get_by_role("button", name="Submit").click()
        review(page)
        expect(page.get_by_role("deletion")).to_have_text("Use Default Policy settings")
        expect(page.get_by_role("insertion")).to_have_text("No Scan")
        commit(page, "The board is not copied")
        expect(page.get_by_text("have been committed as configuration 3")).to_be_visible()
        expect(page.get_by_role("heading", name="Incoming Mail Policies")).to_be_visible()
        assert modes() == ["custom", "no_scan"]

        page.goto(HISTORY)
        expect(page.locator(entry(3))).to_contain_text("The board is not copied")
        page.get_by_label("Compare from 1").check()
        page.get_by_role("button", name="Compare").click()
        expect(page.get_by_role("heading", name="From Configuration 1 to 3")).to_be_visible()
        page.goto(HISTORY)
        page.locator(entry(3)).get_by_role("link", name="Changes").click()
        expect(page.get_by_role("heading", name="From Configuration 2 to 3")).to_be_visible()
        expect(page.get_by_role("insertion")).to_have_text("No Scan")

        page.locator("tr", has_text="for the test").get_by_role("link", name="Roll Back…").click()
        expect(page.get_by_role("deletion")).to_have_text("No Scan")
        page.get_by_role("button", name="Roll Back").click()
        expect(page.get_by_text("Configuration 2 is pending.")).to_be_visible()
        assert modes() == ["custom", "no_scan"]
        commit(page, "Back again")
        expect(page.get_by_text("have been committed as configuration 4")).to_be_visible()
        assert modes() == ["custom", "use_default"]


def test_a_change_is_abandoned_by_keyboard_alone_and_one_is_back_where_one_was(page: Page) -> None:
    choose(page, "Board", "No Scan")
    page.goto("/network/smtp-routes/")
    page.get_by_role("link", name="Commit Changes »").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Uncommitted Changes")).to_be_visible()
    page.get_by_label("Comment (optional)").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Abandon Changes")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Abandon all your pending changes?")).to_be_visible()
    page.get_by_role("button", name="Abandon Changes").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="SMTP Routes")).to_be_visible()
    expect(page.get_by_text("No Changes Pending")).to_be_visible()
    assert modes() == ["custom", "use_default"]


def test_two_administrators_at_once_disjoint_changes_merge_and_colliding_ones_are_shown(
    page: Page, browser: Browser, live_server: LiveServer
) -> None:
    grace = person(name="grace")
    with watched_page(browser, live_server) as other:
        sign_in(other, grace, to=POLICIES)
        # Different objects: both stand.
        choose(page, "Board", "No Scan")
        choose(other, "Finance", "No Scan")
        page.goto(POLICIES)
        expect(page.get_by_text("grace has pending changes, last changed")).to_be_visible()
        review(other)
        commit(other, "from grace")
        page.goto(POLICIES)
        expect(page.get_by_text("configuration 3 by grace")).to_be_visible()
        review(page)
        commit(page, "from admin")
        expect(page.get_by_text("have been committed as configuration 4")).to_be_visible()
        assert modes() == ["no_scan", "no_scan"]

        # The same object: the later one is shown both values and asked again.
        choose(page, "Board", "Use Default Policy settings")
        choose(other, "Board", "Default Message Intake Address")
        review(other)
        commit(other)
        expect(other.get_by_text("have been committed as configuration 5")).to_be_visible()
        review(page)
        commit(page, "mine")
        collisions = page.get_by_role("region", name="Collisions")
        row = collisions.get_by_role("row").filter(has_text="Default Message Intake Address")
        expect(row.get_by_role("cell")).to_have_text(
            ["Threat Defense Connector", "No Scan", "Use Default Policy settings", "Default Message Intake Address"]
        )
        expect(page.get_by_label("Comment (optional)")).to_have_value("mine")
        assert pending.committed().number == 5
        page.get_by_label("I have seen both; replace theirs with mine").check()
        page.get_by_role("button", name="Commit Changes").click()
        expect(page.get_by_text("have been committed as configuration 6")).to_be_visible()
        assert modes() == ["no_scan", "use_default"]
    page.goto(HISTORY)
    expect(page.get_by_role("row").nth(1)).to_contain_text("mine")
    expect(page.get_by_role("row").nth(2)).to_contain_text("grace")


@pytest.mark.parametrize("width", [1280, 1920])
def test_both_values_of_a_collision_are_in_the_window_however_long(
    browser: Browser, live_server: LiveServer, admin: User, width: int
) -> None:
    def describe(user: User, address: str) -> None:
        [choice] = PolicyChoice.objects.filter(configuration=pending.shown_to(user), mode="custom")
        pending.submit(user, PolicyChoice.build(choice.policy_uid, mode="custom", address=address))
        pending.submit(user, ConnectorSettings(uid=CONNECTOR.fixed_uid, ca_certificates=authority().pem + address))

    grace = person(name="grace")
    describe(admin, f"{'a' * 64}@{'m' * 60}.{'m' * 60}.example")
    describe(grace, f"{'a' * 64}@{'t' * 60}.{'t' * 60}.example")
    pending.commit(grace, "")
    with watched_page(browser, live_server, viewport={"width": width, "height": 800}) as page:
        sign_in(page, admin, to="/uncommitted-changes/")
        commit(page, "mine")
        collisions = page.get_by_role("region", name="Collisions")
        expect(collisions).to_be_visible()
        for value in ("mmm", "ttt"):
            for cell in collisions.get_by_role("cell").filter(has_text=value).all():
                box = cell.bounding_box()
                assert box is not None
                assert box["x"] + box["width"] <= width
        scroller = collisions.locator(".scroll")
        assert scroller.evaluate("it => it.scrollWidth - it.clientWidth") == 0
