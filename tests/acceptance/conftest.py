"""The browser, and a page in it that an administrator has signed in to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from seg_console.accounts.models import User
from tests.support.browser import chromium, sign_in, watched_page
from tests.support.pages import configured, person
from tests.support.programs import require_program


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a module: the tests of others must not share a thread with its event loop."""
    with chromium(require_program("chromium-headless-shell", "chromium-headless-shell", instead="chromium")) as running:
        yield running


@pytest.fixture
def admin() -> User:
    """The administrator of a configured system."""
    configured()
    return person(name="admin")


@pytest.fixture
def page(browser: Browser, live_server: LiveServer, admin: User) -> Iterator[Page]:
    """Signed in as `admin`, on Incoming Mail Policies; fails the test on a script error or a breach of the
    Content-Security-Policy."""
    with watched_page(browser, live_server) as opened:
        sign_in(opened, admin, to="/mail-policies/incoming/")
        yield opened
