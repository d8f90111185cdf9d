"""Policies, address lists and their settings in a real browser, in both languages and without script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import translation
from django.utils.translation import gettext, ngettext, pgettext
from playwright.sync_api import Browser, Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from policies.models import IncomingMailPolicy
from seg_console.accounts.models import User
from seg_console.config import document, pending
from tests.support.browser import BROWSER_MARKS, carry_session, watched_page
from tests.support.configurations import policy
from tests.support.pages import configured

pytestmark = BROWSER_MARKS
TABLE = "/mail-policies/incoming/"
LANGUAGES = [("en-GB", "en"), ("zh-CN", "zh-hans")]


@pytest.fixture(params=LANGUAGES, ids=["en", "zh-hans"])
def spoken(request: pytest.FixtureRequest, browser: Browser, live_server: LiveServer, admin: User) -> Iterator[Page]:
    """The policies table in each language, the words of the test with it."""
    locale, language = request.param
    with watched_page(browser, live_server, locale=locale) as page, translation.override(language):
        page.goto("/sign-in/")
        carry_session(page, admin)
        page.goto(TABLE)
        expect(page.locator("html")).to_have_attribute("lang", language)
        yield page


@pytest.fixture
def plain(browser: Browser, live_server: LiveServer, admin: User) -> Iterator[Page]:
    """The policies table without script."""
    with watched_page(browser, live_server, java_script_enabled=False) as page:
        page.goto("/sign-in/")
        carry_session(page, admin)
        page.goto(TABLE)
        yield page


def committed_policies(user: User) -> list[dict[str, Any]]:
    pending.commit(user, "as seen")
    found: list[dict[str, Any]] = document.dump(pending.committed())["incoming_mail_policies"]
    return found


def pending_names(user: User) -> list[str]:
    rows = IncomingMailPolicy.objects.filter(configuration=pending.shown_to(user)).order_by("position", "uid")
    return list(rows.values_list("name", flat=True))


def submit(page: Page) -> Locator:
    return page.get_by_role("button", name=gettext("Submit"), exact=True)


def recipients(page: Page) -> Locator:
    return page.get_by_role("textbox", name=gettext("Recipients"), exact=True)


def test_a_policy_is_added_and_the_sentence_follows_what_is_typed(spoken: Page, admin: User) -> None:
    spoken.get_by_role("link", name=gettext("Add Policy…")).click()
    spoken.get_by_label(gettext("Policy Name")).fill("Sales")
    says = spoken.locator("#says-0")
    expect(says).to_have_text(gettext("Matches nobody yet: an entry is missing."))
    recipients(spoken).fill("@sales.example, list:partners, no entry")
    bad = ngettext("%(n)d entry cannot be read.", "%(n)d entries cannot be read.", 1) % {"n": 1}
    expect(says).to_contain_text("list:Partners")
    expect(says).to_contain_text(bad)
    submit(spoken).click()
    expect(spoken.locator(".field-error").first).to_contain_text('"no entry"')
    recipients(spoken).fill("@sales.example\nlist:Partners")
    spoken.get_by_label(gettext("How recipients join")).select_option("any")
    expect(says).not_to_contain_text(bad)
    submit(spoken).click()
    row = spoken.get_by_role("row").filter(has_text="Sales")
    expect(row).to_contain_text(gettext("Pending change"))
    taken = committed_policies(admin)[-1]["members"][0]["recipients"]
    assert taken == {
        "match": "following",
        "join": "any",
        "entries": ["@sales.example", "list:Partners"],
        "except": [],
    }


def test_a_row_of_users_is_opened_changed_and_another_removed(page: Page, admin: User) -> None:
    page.get_by_role("link", name="Finance", exact=True).click()
    expect(page.get_by_role("radio")).to_have_count(0)
    page.get_by_role("button", name="Edit user 2").click()
    expect(page.locator("#user-1")).to_be_focused()
    page.get_by_label("Following Senders", exact=True).check()
    expect(page.locator("#says-1")).to_have_text("From @.partner.example to any recipient.")
    page.get_by_role("button", name="Remove user 1").click()
    expect(page.locator(".user")).to_have_count(1)
    expect(page.locator("#says-0")).to_have_text("From @.partner.example to any recipient.")
    page.get_by_role("button", name="Submit").click()
    (member,) = committed_policies(admin)[0]["members"]
    assert member["senders"] == {"match": "following", "entries": ["@.partner.example"]}


def test_a_list_beside_any_turns_grey_is_told_and_emptied_by_one_press(spoken: Page, admin: User) -> None:
    spoken.get_by_role("link", name="Board", exact=True).click()
    spoken.get_by_role("button", name=gettext("Edit")).first.click()
    senders = spoken.get_by_role("textbox", name=gettext("Senders"), exact=True)
    expect(senders).not_to_be_empty()
    expect(spoken.locator(".not-used:visible")).to_have_count(0)
    spoken.get_by_label(gettext("Any Sender"), exact=True).check()
    expect(spoken.locator(".not-used:visible")).to_contain_text(gettext("Not used while Any Sender is chosen."))
    refusal = gettext(
        "Any Sender is chosen, so the senders given would not count: choose Following Senders, or empty the field."
    )
    expect(spoken.locator("#says-0")).to_contain_text(refusal)
    submit(spoken).click()
    expect(spoken.locator(".field-error")).to_have_text(refusal)
    spoken.get_by_role("button", name=gettext("Empty Senders")).click()
    expect(senders).to_be_empty()
    expect(spoken.locator(".not-used:visible")).to_have_count(0)
    assert pending.pending_of(admin) is None
    submit(spoken).click()
    assert committed_policies(admin)[1]["members"][0]["senders"] == {"match": "any", "entries": []}


def test_users_are_edited_without_script(plain: Page, admin: User) -> None:
    plain.get_by_role("link", name="Board", exact=True).click()
    plain.get_by_role("button", name="Add User…").click()
    recipients(plain).fill("chair@corp.example")
    plain.get_by_role("button", name="Edit user 1").click()
    plain.get_by_label("Senders", exact=True).first.fill("ceo@corp.example, cto@corp.example")
    plain.get_by_role("button", name="Submit").click()
    first, second = committed_policies(admin)[1]["members"]
    assert first["senders"]["entries"] == ["ceo@corp.example", "cto@corp.example"]
    assert second["recipients"]["entries"] == ["chair@corp.example"]


@pytest.mark.parametrize("has_script", [True, False])
def test_the_arrows_order_policies_with_and_without_script(
    has_script: bool, browser: Browser, live_server: LiveServer, admin: User
) -> None:
    configured(incoming_mail_policies=[policy(name, f"{name}@") for name in "ABC"])
    with watched_page(browser, live_server, java_script_enabled=has_script) as page:
        page.goto("/sign-in/")
        carry_session(page, admin)
        page.goto(TABLE + "order/")
        up = page.get_by_role("button", name="Move C up")
        up.focus()
        up.press("Enter")
        if has_script:
            expect(page.locator("#order-said")).to_have_text("C is now number 2.")
            expect(up).to_be_focused()
        expect(page.locator("tbody label")).to_have_text(["A", "C", "B"])
        page.get_by_role("button", name="Move A down").press("Enter")
        expect(page.locator("tbody label")).to_have_text(["C", "A", "B"])
        assert pending.pending_of(admin) is None
        page.get_by_role("button", name="Submit").click()
        expect(page.get_by_text("The order of the policies was changed.")).to_be_visible()
    assert pending_names(admin) == ["C", "A", "B"]


def test_a_policy_is_dragged_to_another_place(page: Page, admin: User) -> None:
    configured(incoming_mail_policies=[policy(name, f"{name}@") for name in "ABC"])
    page.goto(TABLE + "order/")
    page.get_by_text("C", exact=True).drag_to(page.get_by_role("row").nth(1), target_position={"x": 20, "y": 2})
    expect(page.locator("tbody label")).to_have_text(["C", "A", "B"])
    expect(page.locator("tbody input").first).to_have_value("1")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("The order of the policies was changed.")).to_be_visible()
    assert pending_names(admin) == ["C", "A", "B"]


def test_several_policies_are_changed_after_a_look_at_what_changes(spoken: Page, admin: User) -> None:
    change = spoken.get_by_role("button", name=gettext("Change Threat Defense Connector of Ticked…"))
    change.click()
    expect(spoken.get_by_text(gettext("No policy is ticked. Tick those to change, then go on."))).to_be_visible()
    spoken.goto(TABLE)
    for name in ("Finance", "Board"):
        spoken.get_by_label(gettext("Tick %(name)s") % {"name": name}).check()
    change.click()
    spoken.get_by_label(gettext("No Scan")).check()
    spoken.get_by_role("button", name=gettext("Preview")).click()
    finance = spoken.get_by_role("row").filter(has_text="Finance")
    expect(finance.locator("del")).to_contain_text("id2@intake.example")
    expect(finance.locator("ins")).to_have_text(gettext("Disabled"))
    assert pending.pending_of(admin) is None
    submit(spoken).click()
    expect(spoken.locator(".service-cell.pending")).to_have_count(2)
    modes = [found["threat_defense_connector"]["mode"] for found in committed_policies(admin)]
    assert modes == ["no_scan", "no_scan"]


def test_which_policy_takes_a_message_is_told_with_reasons(spoken: Page) -> None:
    spoken.get_by_role("link", name=gettext("Which policy takes a message, and why…")).click()
    spoken.get_by_label(gettext("Envelope Sender"), exact=True).fill("x@a.partner.example")
    spoken.get_by_label(gettext("Envelope Recipients")).fill("joe@corp.example")
    spoken.get_by_label(pgettext("name of a header", "From"), exact=True).fill("Boss <ceo@corp.example>")
    spoken.get_by_role("button", name=gettext("Find Policy"), exact=True).click()
    expect(spoken.locator(".winner")).to_have_text("Board")
    expect(spoken.get_by_text(gettext("The message is not split: it goes to one policy."))).to_be_focused()
    expect(spoken.locator(".passed li")).to_contain_text(["Finance"])
    expect(spoken.locator(".passed li")).to_contain_text(
        [gettext("The recipient matches none of Following Recipients.")]
    )


def test_a_copied_policy_stands_behind_its_original_with_its_choice(page: Page, admin: User) -> None:
    page.get_by_role("link", name="Copy Finance").click()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("Policy “Finance 2” was added as a copy of “Finance”.")).to_be_visible()
    original, copy, _board = committed_policies(admin)
    assert copy == original | {"name": "Finance 2"}


def test_a_list_is_added_used_renamed_and_cannot_be_deleted(spoken: Page, admin: User) -> None:
    spoken.goto("/mail-policies/address-lists/")
    spoken.get_by_role("link", name=gettext("Add Address List…")).click()
    spoken.get_by_label(gettext("List Name")).fill("VIP")
    spoken.get_by_role("textbox", name=gettext("Entries")).fill("boss@\nboss@, chair@")
    submit(spoken).click()
    expect(spoken.get_by_role("row").filter(has_text="VIP")).to_contain_text(gettext("no policy"))
    spoken.goto(TABLE + "add/")
    spoken.get_by_label(gettext("Policy Name")).fill("Bosses")
    recipients(spoken).fill("list:VIP")
    submit(spoken).click()
    spoken.goto("/mail-policies/address-lists/")
    spoken.get_by_role("link", name="VIP", exact=True).click()
    spoken.get_by_label(gettext("List Name")).fill("Very Important")
    submit(spoken).click()
    spoken.get_by_role("link", name=gettext("Delete %(name)s") % {"name": "Very Important"}).click()
    expect(spoken.get_by_role("alert").get_by_role("link", name="Bosses")).to_be_visible()
    assert committed_policies(admin)[-1]["members"][0]["recipients"]["entries"] == ["list:Very Important"]


def test_header_priority_is_changed_and_then_decides(page: Page, admin: User) -> None:
    page.goto("/mail-policies/settings/")
    page.get_by_role("link", name="Edit Settings…").click()
    page.get_by_label("Envelope Sender").select_option("P2")
    page.get_by_label("From", exact=True).select_option("P1")
    page.get_by_label("Sender", exact=True).select_option(label="not used")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("row").nth(1)).to_have_text("P1From")
    expect(page.get_by_role("row").nth(2)).to_have_text("P2Envelope Sender")
    pending.commit(admin, "From first")
    found = document.dump(pending.committed())["mail_policy_settings"]
    assert found == {"sender_headers": [["from"], ["envelope_sender"]]}
