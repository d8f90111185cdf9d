"""Host access, certificates and recipients in a real browser, in both languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.utils import translation
from django.utils.translation import gettext as _
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from seg_console.accounts.models import User
from seg_console.config import document, pending
from seg_console.gateway import whereabouts
from seg_console.gateway.place import Orders, Place
from seg_console.launch import smtp_answers
from tests.support.browser import BROWSER_MARKS, carry_session, watched_page
from tests.support.certificates import made
from tests.support.listening import following
from tests.support.pages import configured
from tests.support.running_system import free_port_block, wait_until

HOSTS = "/mail-policies/host-access/"

pytestmark = BROWSER_MARKS


@pytest.mark.parametrize(("language", "locale"), [("en", "en-GB"), ("zh-hans", "zh-CN")])
def test_a_group_is_added_found_and_a_certificate_chosen(
    browser: Browser, live_server: LiveServer, admin: User, language: str, locale: str, tmp_path: Path
) -> None:
    one = made("mx.corp.example")
    (tmp_path / "both.pem").write_text(one.key + one.certificate)
    with watched_page(browser, live_server, locale=locale) as page, translation.override(language):
        page.goto("/sign-in/")
        carry_session(page, admin)
        page.goto(HOSTS)
        page.get_by_role("link", name=_("Add Sender Group…")).click()
        page.get_by_label(_("Name"), exact=True).fill("PARTNERS")
        page.get_by_label(_("Senders"), exact=True).fill("192.0.2.0/24\n.partner.example")
        page.get_by_label(_("Required"), exact=True).check()
        page.get_by_role("button", name=_("Submit"), exact=True).click()
        expect(page.get_by_role("link", name="PARTNERS", exact=True)).to_be_visible()
        page.get_by_label(_("IP Address or Host Name")).fill("192.0.2.7")
        page.get_by_role("button", name=_("Find"), exact=True).click()
        why = _("%(host)s falls to sender group %(group)s (number %(place)d), because of its entry %(entry)s.")
        found = {"host": "192.0.2.7", "group": "PARTNERS", "place": 2, "entry": "192.0.2.0/24"}
        expect(page.get_by_text(why % found)).to_be_visible()

        page.goto("/network/certificates/add/")
        page.get_by_label(_("Certificate Name")).fill("Mail 2026")
        page.get_by_label(_("Certificate Chain (PEM)")).set_input_files(tmp_path / "both.pem")
        page.get_by_role("button", name=_("Submit"), exact=True).click()
        expect(page.get_by_role("link", name="Mail 2026", exact=True)).to_be_visible()
        page.goto("/network/listeners/edit/")
        page.get_by_label(_("TLS Certificate")).select_option("Mail 2026")
        page.get_by_role("button", name=_("Submit"), exact=True).click()
        expect(page.locator("dl.facts")).to_contain_text("Mail 2026")

        page.goto("/mail-policies/recipient-access/import/")
        page.get_by_label(_("Paste"), exact=True).fill("corp.example ACCEPT\nbad/domain ACCEPT\n")
        page.get_by_role("button", name=_("Import…"), exact=True).click()
        expect(page.get_by_text(_("The file cannot be imported. Nothing was changed."))).to_be_visible()
        page.get_by_label(_("Paste"), exact=True).fill("corp.example ACCEPT\n")
        page.get_by_role("button", name=_("Import…"), exact=True).click()
        page.get_by_role("button", name=_("Import"), exact=True).click()
        expect(page.get_by_role("link", name="corp.example", exact=True)).to_be_visible()
    shown = document.dump(pending.shown_to(admin))
    assert [group["name"] for group in shown["host_access"]] == ["BLOCKED_LIST", "PARTNERS", "ALL"]
    assert shown["listener"]["certificate"] == "Mail 2026"
    assert [row["recipient"] for row in shown["recipient_access"]] == ["corp.example"]


@pytest.mark.parametrize(("language", "locale"), [("en", "en-GB"), ("zh-hans", "zh-CN")])
def test_the_listener_is_moved_and_the_page_says_where_it_is(
    browser: Browser, live_server: LiveServer, admin: User, language: str, locale: str, settings: Any
) -> None:
    settings.SEG_SMTP_HOST, settings.SEG_SMTP_PORT = "127.0.0.1", free_port_block(2)
    old, new = settings.SEG_SMTP_PORT, settings.SEG_SMTP_PORT + 1
    orders = Orders(Place("127.0.0.1", old))
    configured(listener={})
    with (
        following(orders),
        watched_page(browser, live_server, locale=locale) as page,
        translation.override(language),
    ):
        page.goto("/sign-in/")
        carry_session(page, admin)
        page.goto("/network/listeners/")
        listening_on = page.locator("dl.facts dd").first
        expect(listening_on).to_have_text(f"127.0.0.1:{old}")
        page.get_by_role("link", name=_("Edit Settings…")).click()
        page.get_by_label(_("IP Address"), exact=True).fill("mail.example")
        page.get_by_label(_("TCP Port"), exact=True).fill("65536")
        page.get_by_role("button", name=_("Submit"), exact=True).click()
        no_address = _(
            "give an IPv4 or IPv6 address of this machine; 0.0.0.0 is every IPv4 address it has, :: every IPv6 address."
        )
        expect(page.get_by_text(no_address)).to_be_visible()
        expect(page.get_by_text(_("give %(le)s or less.") % {"le": 65535})).to_be_visible()
        page.get_by_label(_("IP Address"), exact=True).fill("0.0.0.0")
        page.get_by_label(_("TCP Port"), exact=True).fill(str(new))
        page.get_by_role("button", name=_("Submit"), exact=True).click()
        opens = _(
            "When you commit, hosts of the network can connect to the listener at %(place)s, not this machine alone."
        )
        expect(page.get_by_text(opens % {"place": f"0.0.0.0:{new}"})).to_be_visible()
        expect(listening_on).to_have_text(f"127.0.0.1:{old}")
        pending.commit(admin, "moved")
        wait_until(lambda: smtp_answers("127.0.0.1", new), what="the listener answers at the new port")
        wait_until(lambda: whereabouts.told()[0].place.port == new, what="it says where it is")
        page.goto("/network/listeners/")
        expect(listening_on).to_have_text(f"0.0.0.0:{new}")
        expect(page.get_by_text(_("Hosts of the network can connect to it."))).to_be_visible()
        page.goto("/security-services/overview/")
        expect(page.get_by_text(f"0.0.0.0:{new}", exact=True)).to_have_count(2)
