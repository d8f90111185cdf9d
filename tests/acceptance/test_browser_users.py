"""An account's life in a real browser: added, first sign-in, locked, unlocked, deleted."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from tests.support.browser import BROWSER_MARKS, sign_in, watched_page
from tests.support.pages import PASSPHRASE, person

pytestmark = BROWSER_MARKS
USERS = "/system-administration/users/"
NEW = "quiet lantern 47 moss"


def generated_user(page: Page) -> str:
    """Adds ann with a generated passphrase and returns that."""
    page.goto(USERS)
    page.get_by_role("link", name="Add User…").click()
    page.get_by_label("User Name").fill("ann")
    page.get_by_label("Full Name").fill("Ann Smith")
    page.get_by_label("User Role").select_option(label="Operator")
    page.get_by_role("button", name="Generate Passphrase").click()
    made = page.locator("#generated").inner_text()
    expect(page.get_by_label("Full Name")).to_have_value("Ann Smith")
    page.get_by_role("button", name="Submit").last.click()
    expect(page.get_by_text("User “ann” was added.")).to_be_visible()
    return made


def forced_change(page: Page, *, old: str, new: str) -> None:
    page.get_by_label("Old Passphrase").fill(old)
    page.get_by_label("New Passphrase", exact=True).fill(new)
    page.get_by_label("Retype New Passphrase").fill(new)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("Your passphrase was changed.")).to_be_visible()


def test_an_account_is_added_used_locked_unlocked_and_deleted(
    page: Page, browser: Browser, live_server: LiveServer
) -> None:
    made = generated_user(page)
    with watched_page(browser, live_server) as theirs:
        sign_in(theirs, User(username="ann"), passphrase=made)
        expect(theirs.get_by_text("You must change your passphrase before you can go on.")).to_be_visible()
        theirs.goto("/mail-policies/incoming/")
        expect(theirs.get_by_role("heading", name="Change Passphrase", level=1)).to_be_visible()
        forced_change(theirs, old=made, new=NEW)
        theirs.goto("/mail-policies/incoming/")
        expect(theirs.get_by_role("heading", name="Incoming Mail Policies", level=1)).to_be_visible()

        page.get_by_role("button", name="Lock ann", exact=True).click()
        expect(page.get_by_text("User “ann” was locked.")).to_be_visible()
        theirs.reload()
        expect(theirs.get_by_role("button", name="Login")).to_be_visible()
        theirs.get_by_label("Username").fill("ann")
        theirs.get_by_label("Passphrase").fill(NEW)
        theirs.get_by_role("button", name="Login").click()
        expect(theirs.get_by_text("Invalid username or passphrase.")).to_be_visible()

        page.get_by_role("button", name="Unlock ann").click()
        expect(page.get_by_text("User “ann” was unlocked.")).to_be_visible()
        sign_in(theirs, User(username="ann"), passphrase=NEW)

        page.get_by_role("link", name="Delete ann").click()
        expect(page.get_by_text("Delete the user “ann”?")).to_be_visible()
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("User “ann” was deleted.")).to_be_visible()
        theirs.goto("/mail-policies/incoming/")
        expect(theirs.get_by_role("button", name="Login")).to_be_visible()
    assert not User.objects.filter(username="ann").exists()


def test_the_enter_key_submits_a_user_and_does_not_generate_a_passphrase(page: Page) -> None:
    bob = person(Role.GUEST, "bob")
    page.goto(USERS)
    page.get_by_role("link", name="bob", exact=True).click()
    page.get_by_label("Full Name").fill("Bob Jones")
    page.keyboard.press("Enter")
    expect(page.get_by_text("User “bob” was changed.")).to_be_visible()
    bob.refresh_from_db()
    assert bob.full_name == "Bob Jones"
    assert bob.check_password(PASSPHRASE)


def test_checked_rows_must_change_their_passphrase(page: Page) -> None:
    person(Role.GUEST, "bob")
    page.goto(USERS)
    page.get_by_label("Select bob").check()
    page.get_by_role("button", name="Enforce Passphrase Changes").click()
    expect(page.get_by_text("1 user must change the passphrase before anything else.")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="bob")).to_contain_text("To be changed")


@pytest.mark.parametrize("width", [360, 1280, 1920])
def test_no_page_of_accounts_is_wider_than_the_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for href in (USERS, f"{USERS}add/", "/options/change-passphrase/", "/system-administration/account-settings/edit/"):
        page.goto(href)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{href} is {wider} px wider than {width} px"


def test_an_account_is_added_without_javascript(browser: Browser, live_server: LiveServer, admin: User) -> None:
    with browser.new_context(base_url=live_server.url, java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, admin, to=USERS)
        generated_user(page)
    assert User.objects.get(username="ann").must_change_passphrase
