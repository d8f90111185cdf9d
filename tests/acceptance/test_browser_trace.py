"""Trace and Test Connection in a real browser, in both languages; the connection is tested by a real worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation
from django.utils.translation import gettext
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from seg_console.config import running
from tests.integration.test_worker import celery
from tests.support.browser import BROWSER_MARKS, carry_session, watched_page
from tests.support.deliveries import INTAKE, configure, route
from tests.support.pages import person
from tests.support.smtp_remote import authority, smtp_remote

pytestmark = BROWSER_MARKS
LANGUAGES = [("en-GB", "en"), ("zh-CN", "zh-hans")]
MESSAGE = "From: Alice <alice@example.net>\nSubject: Hello\n\nHi\n"


@pytest.fixture(params=LANGUAGES, ids=["en", "zh-hans"])
def spoken(request: pytest.FixtureRequest, browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    """An administrator's page in each language, the words of the test with it."""
    locale, language = request.param
    running.forget()
    with watched_page(browser, live_server, locale=locale) as page, translation.override(language):
        page.goto("/sign-in/")
        carry_session(page, person(name="admin"))
        yield page


def test_a_message_is_traced_and_its_copy_saved(spoken: Page, tmp_path: Path) -> None:
    configure(
        recipient_access=[{"recipient": "corp.example", "action": "accept"}],
        smtp_routes=[route("ALL", 2526)],
        threat_defense_connector={"enabled": True, "message_intake_address": INTAKE},
        default_policy={"threat_defense_connector": {"mode": "default"}},
    )
    page = spoken
    page.goto("/system-administration/trace/")
    page.get_by_label(gettext("Source IP Address")).fill("192.0.2.10")
    page.get_by_label(gettext("Fully Qualified Domain Name of the Source IP")).fill("mail.example.net")
    page.get_by_label(gettext("Envelope Sender")).fill("alice@example.net")
    page.get_by_label(gettext("Envelope Recipients")).fill("bob@corp.example, eve@elsewhere.example")
    page.get_by_label(gettext("Message Body"), exact=True).fill(MESSAGE)
    page.get_by_role("button", name=gettext("Start Trace")).click()
    result = page.locator("#result")
    expect(result.get_by_role("status")).to_contain_text(gettext("The message is accepted."))
    expect(result).to_contain_text("250 2.1.5 recipient <bob@corp.example> ok")
    expect(result).to_contain_text("550 #5.1.0 Address rejected.")
    expect(result).to_contain_text(INTAKE)
    name = gettext("Download %(name)s") % {"name": gettext("Copy of MID %(mid)s") % {"mid": "1"}}
    with page.expect_download() as download:
        result.get_by_role("button", name=name).click()
    saved = tmp_path / "copy.eml"
    download.value.save_as(saved)
    assert b"X-MS-Journal-Report:\r\n" in saved.read_bytes()
    assert saved.read_bytes().count(MESSAGE.replace("\n", "\r\n").encode()) == 1


def test_a_connection_is_tested_by_a_worker_while_the_page_looks_on(spoken: Page, tmp_path: Path) -> None:
    page = spoken
    with smtp_remote(tls=authority().server(tmp_path, "intake.example")) as intake:
        configure(
            smtp_routes=[route("intake.example", intake.port)],
            threat_defense_connector={
                "enabled": True,
                "message_intake_address": INTAKE,
                "ca_certificates": authority().pem,
            },
        )
        page.goto("/security-services/threat-defense-connector/")
        page.get_by_role("link", name=gettext("Test Connection…")).click()
        page.get_by_label(gettext("Send a Test Copy")).check()
        page.get_by_role("button", name=gettext("Start Test")).click()
        said = page.locator("#progress").get_by_role("status")
        expect(said).to_contain_text(gettext("Testing…"))
        with celery("worker", "-Q", "tdc", "-c", "1"):
            expect(page.locator("#progress").get_by_role("status")).to_contain_text(
                gettext("The connection works."), timeout=60_000
            )
        expect(page.get_by_role("main")).to_contain_text("CN=intake.example")
        assert [taken.recipients for taken in intake.taken] == [[INTAKE]]
