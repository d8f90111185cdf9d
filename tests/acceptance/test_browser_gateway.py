"""What an administrator changes in the browser decides where the next real message's copy goes."""

from __future__ import annotations

import itertools
import json
import smtplib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from email.message import EmailMessage

import pytest
from django.utils import translation
from django.utils.translation import gettext
from playwright.sync_api import Browser, Page, expect

from tests.support.configurations import policy
from tests.support.running_system import System, started, wait_until
from tests.support.smtp_remote import Remote, authority, smtp_remote

pytestmark = pytest.mark.timeout(300)
PASSPHRASE = "correct horse battery 9"
DEFAULT_ADDRESS = "journal@first.example"
CUSTOM_ADDRESS = "journal@second.example"
DOMAIN = "corp.example"
LANGUAGES = [("en-GB", "en", "Sales", "sales"), ("zh-CN", "zh-hans", "研发", "research")]


@dataclass(frozen=True)
class Gateway:
    """A running system, the two intakes it copies to, and the mailbox server it delivers to."""

    system: System
    first: Remote
    second: Remote
    mailbox: Remote

    def send(self, subject: str, recipient: str) -> None:
        message = EmailMessage()
        message["Subject"], message["To"] = subject, recipient
        message.set_content("Hello.\n")
        with smtplib.SMTP("127.0.0.1", self.system.smtp_port, local_hostname="client.example") as client:
            client.send_message(message, "carla@partner.example", [recipient])

    def arrived(self, subject: str) -> dict[str, int]:
        """How many messages or copies with this subject each server holds."""
        ends = {"first": self.first, "second": self.second, "mailbox": self.mailbox}
        wanted = f"Subject: {subject}\r\n".encode()
        return {name: sum(wanted in taken.content for taken in end.taken) for name, end in ends.items()}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    tls = authority().server(folder, "first.example", "second.example", "127.0.0.1")
    with ExitStack() as stack:
        first, second = (stack.enter_context(smtp_remote(tls=tls)) for _ in range(2))
        mailbox = stack.enter_context(smtp_remote())
        system = stack.enter_context(started("up", folder / "data", SEG_ADMIN_PASSPHRASE=PASSPHRASE))
        system.wait_until_ready()
        ports = {"first.example": first.port, "second.example": second.port, f".{DOMAIN}": mailbox.port}
        document = {
            "format": 1,
            "threat_defense_connector": {
                "enabled": True,
                "message_intake_address": DEFAULT_ADDRESS,
                "ca_certificates": authority().pem,
            },
            "incoming_mail_policies": [
                policy("Everybody", f"@.{DOMAIN}") | {"threat_defense_connector": {"mode": "default"}}
            ],
            "recipient_access": [{"recipient": f".{DOMAIN}", "action": "accept"}],
            "smtp_routes": [
                {"domain": domain, "hosts": [{"host": "127.0.0.1", "port": port}]} for domain, port in ports.items()
            ],
        }
        (folder / "start.json").write_text(json.dumps(document))
        system.manage("loadconfig", str(folder / "start.json"), "--comment", "start")
        yield Gateway(system, first, second, mailbox)


@pytest.mark.parametrize(("locale", "language", "name", "label"), LANGUAGES, ids=["en", "zh-hans"])
def test_the_copy_follows_what_was_committed_then_the_order_then_the_roll_back(
    gateway: Gateway, browser: Browser, locale: str, language: str, name: str, label: str
) -> None:
    recipient = f"anna@{label}.{DOMAIN}"
    root = f"http://127.0.0.1:{gateway.system.http_port}"
    serial = itertools.count(1)

    def copied_to(intake: str) -> None:
        """The next message is copied to this intake and not to the other, and is delivered."""
        # A commit is live within a second: until then a message may still go the old way.
        wait_until(lambda: _goes_to(gateway, f"{label} probe {next(serial)}", recipient, intake), what=f"to {intake}")
        subject = f"{label} message {next(serial)}"
        gateway.send(subject, recipient)
        expected = {"first": 0, "second": 0, "mailbox": 1} | {intake: 1}
        wait_until(lambda: gateway.arrived(subject) == expected, what=f"{subject} to {intake}")

    with (
        browser.new_context(base_url=root, locale=locale) as context,
        translation.override(language),
    ):
        page = context.new_page()
        _sign_in(page)
        copied_to("first")

        _add_policy(page, name, f"@{label}.{DOMAIN}")
        _choose_custom(page, name)
        copied_to("first")
        _commit(page, "a policy with an intake of its own")
        copied_to("second")

        _put_last(page, name)
        copied_to("second")
        _commit(page, "another order")
        copied_to("first")

        _roll_back(page)
        copied_to("first")
        _commit(page, "the order of before")
        copied_to("second")


def _goes_to(gateway: Gateway, subject: str, recipient: str, intake: str) -> bool:
    gateway.send(subject, recipient)
    wait_until(lambda: sum(gateway.arrived(subject).values()) == 2, what=f"{subject} and its copy")
    return gateway.arrived(subject)[intake] == 1


def _sign_in(page: Page) -> None:
    page.goto("/mail-policies/incoming/")
    page.get_by_label(gettext("Username")).fill("admin")
    page.get_by_label(gettext("Passphrase")).fill(PASSPHRASE)
    page.get_by_role("button", name=gettext("Login"), exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(gettext("Incoming Mail Policies"))


def _add_policy(page: Page, name: str, entry: str) -> None:
    page.get_by_role("link", name=gettext("Add Policy…")).click()
    page.get_by_label(gettext("Policy Name")).fill(name)
    page.get_by_label(gettext("Insert Before Policy")).select_option(index=0)
    page.get_by_role("textbox", name=gettext("Recipients"), exact=True).fill(entry)
    page.get_by_role("button", name=gettext("Submit"), exact=True).click()
    expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()


def _choose_custom(page: Page, name: str) -> None:
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))
    row.locator("a.cell").click()
    row.get_by_role("radio", name=gettext("Custom Message Intake Address")).check()
    row.get_by_role("textbox").fill(CUSTOM_ADDRESS)
    row.get_by_role("button", name=gettext("Submit"), exact=True).click()
    expect(row.locator("a.cell")).to_contain_text(CUSTOM_ADDRESS)


def _put_last(page: Page, name: str) -> None:
    page.goto("/mail-policies/incoming/order/")
    page.get_by_label(name, exact=True).fill("99")
    page.get_by_role("button", name=gettext("Submit"), exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(gettext("Incoming Mail Policies"))


def _commit(page: Page, comment: str) -> None:
    page.locator("#commit").click()
    page.get_by_role("textbox").fill(comment)
    page.get_by_role("button", name=gettext("Commit Changes"), exact=True).click()
    expect(page.locator("#messages .message.success")).to_be_visible()
    expect(page.locator("#commit")).to_have_text(gettext("No Changes Pending"))


def _roll_back(page: Page) -> None:
    """To the configuration before the newest one."""
    page.goto("/system-administration/configuration-history/")
    page.get_by_role("row").nth(2).get_by_role("link", name=gettext("Roll Back")).click()
    page.get_by_role("main").get_by_role("button", name=gettext("Roll Back")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(gettext("Uncommitted Changes"))
