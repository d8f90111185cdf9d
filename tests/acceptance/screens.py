"""`make screens`: a picture of every page to look at, in the folder `screens/`, which git ignores.

Below it one folder for each of `LOOKS`. `make screens ONLY=tracking` takes the pages whose address contains that word.
This is no test, though it stands on what the tests stand on: a database and a Redis that are thrown away.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from tests.support import failing_urls, sample_system, walk
from tests.support.browser import BROWSER_MARKS, carry_session, watched_page
from tests.support.pages import person

FOLDER = Path(__file__).resolve().parents[2] / "screens"
ONLY = os.environ.get("ONLY", "")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
pytestmark = [*BROWSER_MARKS, pytest.mark.timeout(600)]


class Look(NamedTuple):
    """One set of pictures. `locale`: the language a browser asks for."""

    width: int
    scheme: str
    locale: str


LOOKS = {
    "1280-light": Look(1280, "light", "en"),
    "1280-dark": Look(1280, "dark", "en"),
    "1920-light": Look(1920, "light", "en"),
    "1920-dark": Look(1920, "dark", "en"),
    "1280-light-zh": Look(1280, "light", "zh-CN"),
    "360-light": Look(360, "light", "en"),
}


@pytest.mark.parametrize("folder", LOOKS)
def test_pictures(folder: str, browser: Browser, live_server: LiveServer, settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.support.failing_urls"
    admin = sample_system.fill()[Role.ADMINISTRATOR]
    new = person(name="newcomer")
    look = LOOKS[folder]
    viewport = {"width": look.width, "height": 800}
    with watched_page(browser, live_server, viewport=viewport, color_scheme=look.scheme, locale=look.locale) as page:
        page.goto("/sign-in/")  # a session is carried to a page of the console
        _picture(page, folder, "/sign-in/")
        _pages_of(page, folder, admin)
        _open_menus(page, folder)
        _refusals(page, folder)
        carry_session(page, new)
        _picture(page, folder, "/monitor/overview/", name="nothing-pending")


def _pages_of(page: Page, folder: str, user: User) -> None:
    carry_session(page, user)
    for address in [*walk.pages(user), *failing_urls.ADDRESSES]:
        _picture(page, folder, address)


def _open_menus(page: Page, folder: str) -> None:
    """Every drop-down, opened."""
    page.goto("/mail-policies/incoming/")
    menus = page.locator("details.menu > summary")
    for place in range(menus.count()):
        menus.nth(place).click()
        _shoot(page, folder, f"menu-{place + 1}")
        # On a narrow screen an open menu covers the ones below it.
        page.keyboard.press("Escape")


def _refusals(page: Page, folder: str) -> None:
    """A refused form, and the form inside a cell of the policies table."""
    page.goto("/mail-policies/incoming/add/")
    page.locator("main form").first.evaluate("form => form.requestSubmit()")
    page.locator(".field-error").first.wait_for()
    _shoot(page, folder, "refused-form")
    page.goto("/mail-policies/incoming/")
    page.locator("a.cell[hx-get]").first.click()
    page.locator(".cell-form").wait_for()
    _shoot(page, folder, "form-in-a-cell")


def _picture(page: Page, folder: str, address: str, *, name: str = "") -> None:
    if ONLY in address:
        page.goto(address)
        _shoot(page, folder, name or UUID.sub("one", address).strip("/").replace("/", "_"))


def _shoot(page: Page, folder: str, name: str) -> None:
    page.screenshot(path=FOLDER / folder / f"{name}.png", full_page=True)
