"""A real browser for tests and pictures: Chromium as Debian packages it, and how a person signs in with it.

Its headless shell draws the same pages with half the processor time of the whole browser, which will do as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from seg_console.accounts.models import User
from tests.support.pages import PASSPHRASE, signed_in

# It may run as root in a container, and asks nothing of the network.
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
VIEWPORT = {"width": 1280, "height": 900}
# What a test module that drives the browser says of itself: `pytestmark = BROWSER_MARKS`.
BROWSER_MARKS = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]


class Site(Protocol):
    """Where pages are: `url` is what their paths are joined to, the test server of pytest-django one."""

    @property
    def url(self) -> str: ...


@contextmanager
def chromium(program: str) -> Iterator[Browser]:
    """A running browser. `program`: the path of Chromium."""
    # Playwright runs an event loop in this thread; Django would take every query for one made inside a coroutine.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        with sync_playwright() as playwright:
            running = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
            yield running
            running.close()
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@contextmanager
def watched_page(browser: Browser, live_server: Site, **context: Any) -> Iterator[Page]:
    """A page, in a context of its own, that at its end asserts: no script error, no breach of the
    Content-Security-Policy. `context`: more for playwright's `new_context` (`color_scheme`, `locale`, ...)."""
    faults: list[str] = []
    settings = {"base_url": live_server.url, "viewport": VIEWPORT, **context}
    with browser.new_context(**settings) as opened:
        page = opened.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
        yield page
    assert not faults


def sign_in(page: Page, user: User, *, to: str = "/", passphrase: str = PASSPHRASE) -> None:
    """Through the form, as a person does, and on to the page `to`."""
    page.goto(to)
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Passphrase").fill(passphrase)
    page.get_by_role("button", name="Login").click()
    expect(page.locator("header .options")).to_contain_text(user.username)
    # The page is shown before its scripts have run; until then a link that htmx serves leads to a page of its own.
    page.wait_for_load_state("load")


def carry_session(page: Page, user: User) -> None:
    """Sign `user` in without the form. `page` is on one of the console's pages already."""
    session = signed_in(user).cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": _origin(page)}])


def _origin(page: Page) -> str:
    parts = urlsplit(page.url)
    return f"{parts.scheme}://{parts.netloc}"
