"""The whole program behind a real nginx that speaks TLS and has a path for it, as browsers and others meet it."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Iterator
from html import unescape
from http.cookies import SimpleCookie
from typing import NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from seg_console.accounts.models import User
from tests.support.browser import sign_in, watched_page
from tests.support.nginx import nginx
from tests.support.programs import require_program
from tests.support.running_system import System, free_port_block, started

pytestmark = pytest.mark.timeout(300)
PASSPHRASE = "correct horse 9"
ADDRESS = re.compile(r'\b(?:href|src|action|hx-(?:get|post|put|delete))="([^"]*)"')
ELSEWHERE = "127.0.0.9"
CONFIGURATION = {
    "format": 1,
    "threat_defense_connector": {"enabled": True, "message_intake_address": "id@intake.example"},
    "incoming_mail_policies": [
        {"name": "Board", "members": [{"senders": {"match": "following", "entries": ["@partner.example"]}}]}
    ],
}


class Public(NamedTuple):
    url: str
    port: int
    system: System


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Public]:
    """One system for the module. Nobody's database but its own is asked."""
    require_program("nginx", "nginx-light")
    port = free_port_block(1)
    url = f"https://localhost:{port}/seg/"
    folder = tmp_path_factory.mktemp("public")
    settings = {"SEG_PUBLIC_URL": url, "SEG_TRUSTED_PROXIES": "127.0.0.1", "SEG_ADMIN_PASSPHRASE": PASSPHRASE}
    with started("up", folder / "data", **settings) as system:
        system.wait_until_ready()
        document = folder / "configuration.json"
        document.write_text(json.dumps(CONFIGURATION))
        system.manage("loadconfig", str(document))
        with nginx(folder / "nginx", port=port, console_port=system.http_port):
            yield Public(url, port, system)


@pytest.fixture
def page(browser: Browser, public: Public) -> Iterator[Page]:
    with watched_page(browser, public, ignore_https_errors=True) as opened:
        yield opened


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: str


class Visitor:
    """A client on an address of its own, with what cookies it was given."""

    def __init__(self, public: Public, address: str) -> None:
        self._public, self._address = public, address
        self.cookies: SimpleCookie = SimpleCookie()

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None, **headers: str) -> Answer:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        source = (self._address, 0)
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._public.port, context=context, source_address=source, timeout=60
        )
        carried = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        sent = {
            "Host": f"localhost:{self._public.port}",
            "Cookie": carried,
            "Content-Type": "application/x-www-form-urlencoded",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        try:
            connection.request(method, path, urlencode(fields) if fields else None, sent)
            response = connection.getresponse()
            for cookie in response.headers.get_all("Set-Cookie") or []:
                self.cookies.load(cookie)
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def sign_in(self, passphrase: str, **headers: str) -> Answer:
        self.ask("GET", "/seg/sign-in/")
        origin = f"https://localhost:{self._public.port}"
        typed = {"username": "admin", "password": passphrase, "csrfmiddlewaretoken": self.cookies["csrftoken"].value}
        return self.ask("POST", "/seg/sign-in/", typed, Origin=origin, **headers)


def test_it_says_the_address_that_people_type(public: Public) -> None:
    assert f"Console: {public.url}  (user admin, passphrase as set before)" in public.system.output


def test_every_page_and_file_and_cookie_is_below_the_path(page: Page, public: Public) -> None:
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    sign_in(page, User(username="admin"), passphrase=PASSPHRASE, to="./")
    seen, waiting = set[str](), [page.url]
    while waiting:
        address = waiting.pop()
        page.goto(address)
        for found in ADDRESS.findall(page.content()):
            assert urljoin(address, unescape(found)).startswith(public.url), (address, found)
        menu = page.locator("nav a[href], header a[href]").evaluate_all("links => links.map(link => link.href)")
        new = {link.partition("#")[0] for link in menu} - seen
        waiting += sorted(new)
        seen |= new
    assert len(seen) > 30
    wrong = [(one.status, one.url) for one in answers if one.status >= 400 or not one.url.startswith(public.url)]
    assert wrong == []
    assert {"css", "js", "svg"} <= {urlsplit(one.url).path.rpartition(".")[2] for one in answers}
    cookies = page.context.cookies()
    assert {cookie["name"] for cookie in cookies} >= {"sessionid", "csrftoken"}
    assert {(cookie["path"], cookie["secure"]) for cookie in cookies} == {("/seg/", True)}


def test_a_form_and_a_region_that_htmx_fetches_work_below_the_path(page: Page) -> None:
    sign_in(page, User(username="admin"), passphrase=PASSPHRASE, to="mail-policies/incoming/")
    expect(page).to_have_url(re.compile(r"/seg/mail-policies/incoming/$"))
    page.get_by_role("link", name="Threat Defense Connector of Board").click()
    row = page.get_by_role("row").filter(has_text="Board")
    row.get_by_label("Custom Message Intake Address").first.check()
    row.get_by_role("textbox").fill("below@intake.example")
    with page.expect_response(lambda answer: answer.request.method == "POST") as posted:
        row.get_by_role("button", name="Submit").click()
    assert urlsplit(posted.value.url).path.startswith("/seg/")
    expect(page.get_by_role("row").filter(has_text="Board")).to_contain_text("below@intake.example")
    page.get_by_text("Options", exact=True).click()
    page.get_by_role("button", name="Log Out").click()
    expect(page).to_have_url(re.compile(r"/seg/sign-in/"))


def test_a_form_from_an_ended_session_comes_back_to_where_it_was_going(page: Page, public: Public) -> None:
    sign_in(page, User(username="admin"), passphrase=PASSPHRASE, to="network/smtp-routes/add/")
    page.get_by_label("Receiving Domain").fill("late.example")
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", name="Session ended")).to_be_visible()
    page.get_by_label("Passphrase").fill(PASSPHRASE)
    page.get_by_role("button", name="Login").click()
    expect(page.get_by_text("late.example", exact=True)).to_be_visible()
    page.get_by_role("button", name="Submit again").click()
    expect(page).to_have_url(f"{public.url}network/smtp-routes/add/")


def test_the_address_is_that_of_the_browser_and_a_made_up_one_is_not_believed(page: Page, public: Public) -> None:
    visitor = Visitor(public, ELSEWHERE)
    assert visitor.sign_in(PASSPHRASE, X_Forwarded_For="192.0.2.66", X_Forwarded_Host="evil.example").status == 302
    sign_in(page, User(username="admin"), passphrase=PASSPHRASE, to="options/active-sessions/")
    expect(page.get_by_role("row").filter(has_text=ELSEWHERE)).to_have_count(1)
    page.goto("system-administration/audit-log/")
    expect(page.get_by_role("main")).to_contain_text(ELSEWHERE)
    expect(page.get_by_role("main")).not_to_contain_text("192.0.2.66")


def test_a_stranger_is_throttled_alone(public: Public) -> None:
    stranger = Visitor(public, "127.0.0.66")
    assert [stranger.sign_in("wrong").status for _attempt in range(6)] == [200] * 4 + [429] * 2
    assert Visitor(public, "127.0.0.67").sign_in(PASSPHRASE).status == 302


def test_browsers_are_told_to_keep_to_tls_and_who_comes_without_is_sent_there(public: Public) -> None:
    assert (
        Visitor(public, ELSEWHERE).ask("GET", "/seg/sign-in/").headers["Strict-Transport-Security"] == "max-age=2592000"
    )
    connection = http.client.HTTPConnection("127.0.0.1", public.system.http_port, timeout=60)
    try:
        connection.request("GET", "/sign-in/", headers={"Host": "127.0.0.1", "X-Forwarded-Proto": "http"})
        direct = connection.getresponse()
        assert (direct.status, direct.headers["Location"]) == (301, f"{public.url}sign-in/")
    finally:
        connection.close()


def test_the_prefix_alone_leads_in(public: Public) -> None:
    answer = Visitor(public, ELSEWHERE).ask("GET", "/seg/")
    assert (answer.status, answer.headers["Location"]) == (302, "/seg/sign-in/?next=/seg/")
