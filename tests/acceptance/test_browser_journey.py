"""One whole task by keyboard alone, in each language: sign in, change a policy's choice, review, commit, sign out."""

from __future__ import annotations

import pytest
from django.utils import translation
from django.utils.translation import gettext
from playwright.sync_api import Browser, Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from seg_console.accounts.models import User
from seg_console.config import document, pending
from tests.support.browser import BROWSER_MARKS, watched_page
from tests.support.pages import PASSPHRASE

pytestmark = BROWSER_MARKS
# More presses of one key than any page here needs.
MANY = 60


def press_until_focused(page: Page, key: str, wanted: Locator) -> None:
    """Press `key` until `wanted` has the focus, as somebody does who sees where the focus is."""
    for _press in range(MANY):
        if wanted.evaluate("element => element === document.activeElement"):
            expect(wanted).to_be_in_viewport()
            return
        page.keyboard.press(key)
    raise AssertionError(f"{MANY} presses of {key} did not lead to {wanted}")


@pytest.mark.parametrize(("locale", "language"), [("en-GB", "en"), ("zh-CN", "zh-hans")])
def test_a_choice_is_changed_and_committed_without_a_pointer(
    locale: str, language: str, browser: Browser, live_server: LiveServer, admin: User
) -> None:
    with watched_page(browser, live_server, locale=locale) as page, translation.override(language):
        _sign_in(page, admin)
        _change_the_choice_of_finance(page)
        _commit(page)
        _sign_out(page)
    dumped = document.dump(pending.committed())["incoming_mail_policies"][0]
    assert dumped["threat_defense_connector"] == {"mode": "custom", "address": "keys@intake.example"}
    assert pending.committed().comment == "By keyboard"


def _sign_in(page: Page, admin: User) -> None:
    page.goto("/")
    expect(page.get_by_label(gettext("Username"))).to_be_focused()
    page.keyboard.type(admin.username)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSPHRASE)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name=gettext("Overview"))).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", translation.get_language() or "")


def _change_the_choice_of_finance(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name=gettext("Skip to content"))).to_be_focused()
    tabs = page.get_by_role("navigation", name=gettext("Main"))
    press_until_focused(page, "Tab", tabs.locator("summary").first)
    press_until_focused(page, "ArrowRight", tabs.locator("summary", has_text=gettext("Mail Policies")))
    policies = tabs.get_by_role("link", name=gettext("Incoming Mail Policies"))
    page.keyboard.press("Enter")
    press_until_focused(page, "ArrowDown", policies)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name=gettext("Incoming Mail Policies"))).to_be_visible()
    expect(page.locator("#commit")).to_have_text(gettext("No Changes Pending"))
    row = page.get_by_role("row").filter(has_text="Finance")
    press_until_focused(page, "Tab", row.locator("a.cell"))
    page.keyboard.press("Enter")
    expect(row.get_by_role("radio", checked=True)).to_be_focused()
    press_until_focused(page, "Tab", row.get_by_role("textbox"))
    page.keyboard.press("Control+A")
    page.keyboard.type("keys@intake.example")
    page.keyboard.press("Enter")
    expect(row.locator("a.cell")).to_be_focused()
    expect(row.locator("a.cell")).to_contain_text("keys@intake.example")
    expect(page.locator("#messages")).to_contain_text(gettext("Success —"))


def _commit(page: Page) -> None:
    press_until_focused(page, "Shift+Tab", page.get_by_role("link", name=gettext("Commit Changes »")))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name=gettext("Uncommitted Changes"))).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("keys@intake.example")
    press_until_focused(page, "Tab", page.locator("textarea[name=comment]"))
    page.keyboard.type("By keyboard")
    press_until_focused(page, "Tab", page.get_by_role("button", name=gettext("Commit Changes"), exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name=gettext("Incoming Mail Policies"))).to_be_visible()
    expect(page.locator("#messages .message.success")).to_be_visible()
    expect(page.locator("#commit")).to_have_text(gettext("No Changes Pending"))


def _sign_out(page: Page) -> None:
    press_until_focused(page, "Tab", page.locator("header summary", has_text=gettext("Options")))
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("button", name=gettext("Log Out"))).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=gettext("Login"))).to_be_visible()
