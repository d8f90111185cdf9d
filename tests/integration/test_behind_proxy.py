"""What the console makes of requests that proxies hand on: whom it believes, and what it says of wrong settings."""

from __future__ import annotations

import logging
from ipaddress import ip_network

import pytest
from django.test import Client
from django.urls import reverse, set_script_prefix
from django.utils.html import escape
from pytest_django import Settings

from seg_console.accounts.models import ConsoleSession
from seg_console.audit.models import Act, Entry
from seg_console.environment import PublicUrl
from seg_console.ui.navigation import match_of
from tests.support.pages import PASSPHRASE, configured, person

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]
PROXY, CLIENT = "10.0.0.2", "203.0.113.9"
SIGN_IN = "/sign-in/"


@pytest.fixture
def https(settings: Settings) -> None:
    """As SEG_PUBLIC_URL=https://seg.example.com and SEG_TRUSTED_PROXIES=10.0.0.0/8 have it."""
    settings.SEG_PUBLIC_URL = PublicUrl("https", "seg.example.com", "")
    settings.SEG_TRUSTED_PROXIES = (ip_network("10.0.0.0/8"),)
    settings.ALLOWED_HOSTS = ["seg.example.com"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://seg.example.com"]
    settings.SECURE_HSTS_SECONDS = 30 * 24 * 3600
    settings.SECURE_SSL_REDIRECT, settings.SECURE_SSL_HOST = True, "seg.example.com"


def sign_in(client: Client, passphrase: str = PASSPHRASE, **headers: str) -> int:
    typed = {"username": "admin", "password": passphrase}
    return client.post(SIGN_IN, typed, headers=headers).status_code


@pytest.mark.parametrize(
    ("peer", "address"), [(PROXY, CLIENT), ("198.51.100.7", "198.51.100.7")], ids=["a proxy", "a stranger"]
)
def test_the_address_of_sessions_and_audit_log_is_the_one_a_trusted_proxy_names(
    settings: Settings, peer: str, address: str
) -> None:
    settings.SEG_TRUSTED_PROXIES = (ip_network("10.0.0.0/8"),)
    configured()
    person(name="admin")
    forwarded = {"X-Forwarded-For": f"192.0.2.66, {CLIENT}"}
    assert sign_in(Client(REMOTE_ADDR=peer), "wrong", **forwarded) == 200
    assert sign_in(Client(REMOTE_ADDR=peer), **forwarded) == 302
    assert ConsoleSession.objects.get().address == address
    assert set(Entry.objects.filter(act__in=[Act.SIGN_IN, Act.SIGN_IN_FAILED]).values_list("address", flat=True)) == {
        address
    }


def test_throttling_turns_away_one_client_of_a_proxy_and_no_other(settings: Settings) -> None:
    settings.SEG_TRUSTED_PROXIES = (ip_network("10.0.0.0/8"),)
    configured()
    person(name="admin")
    answers = [sign_in(Client(REMOTE_ADDR=PROXY), "wrong", **{"X-Forwarded-For": CLIENT}) for _attempt in range(6)]
    assert answers == [200] * 4 + [429] * 2
    assert sign_in(Client(REMOTE_ADDR=PROXY), **{"X-Forwarded-For": "203.0.113.10"}) == 302


@pytest.mark.usefixtures("https")
def test_tls_is_what_a_trusted_proxy_says_and_everything_else_is_sent_there() -> None:
    through = Client(REMOTE_ADDR=PROXY, HTTP_HOST="127.0.0.1:8000")
    said = {"X-Forwarded-Host": "seg.example.com", "X-Forwarded-Proto": "https"}
    answer = through.get(SIGN_IN, headers=said)
    assert (answer.status_code, answer["Strict-Transport-Security"]) == (200, "max-age=2592000")
    said["X-Forwarded-Proto"] = "http"
    answer = through.get(f"{SIGN_IN}?next=/help/", headers=said)
    assert (answer.status_code, answer["Location"]) == (301, "https://seg.example.com/sign-in/?next=/help/")
    # One that says nothing stands for the public address.
    assert through.get(SIGN_IN, headers={"X-Forwarded-Host": "seg.example.com"}).status_code == 200
    # Whoever comes by himself came without TLS.
    direct = Client(REMOTE_ADDR="198.51.100.7", HTTP_HOST="seg.example.com").get(SIGN_IN)
    assert (direct.status_code, direct["Location"]) == (301, "https://seg.example.com/sign-in/")


@pytest.mark.usefixtures("https")
def test_a_proxy_that_nobody_named_is_told_instead_of_being_sent_round_for_ever(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Said once a minute, and other tests may have had that.
    monkeypatch.setattr(logging.getLogger("seg_console.ui.behind_proxy"), "filters", [])
    client = Client(REMOTE_ADDR="198.51.100.7", HTTP_HOST="seg.example.com")
    with caplog.at_level(logging.WARNING):
        answer = client.get(SIGN_IN, headers={"X-Forwarded-Proto": "https"})
    assert answer.status_code == 400
    content = answer.content.decode()
    assert "<code>198.51.100.7</code>" in content
    assert "add its address to SEG_TRUSTED_PROXIES" in content
    assert "A request came through a proxy that SEG_TRUSTED_PROXIES does not name, at 198.51.100.7" in caplog.text


def test_a_form_from_another_origin_is_refused_with_what_is_set_wrong() -> None:
    configured()
    person(name="admin")
    client = Client(enforce_csrf_checks=True, REMOTE_ADDR=PROXY)
    answer = client.post(SIGN_IN, {}, headers={"Origin": "https://seg.example.com"})
    content = answer.content.decode()
    assert answer.status_code == 403
    assert "<code>https://seg.example.com</code>" in content
    assert "<code>http://testserver</code>" in content
    assert f"<code>{PROXY}</code>" in content
    assert "Set SEG_PUBLIC_URL to" in content
    assert "Set SEG_TRUSTED_PROXIES to" in content


@pytest.mark.parametrize("origin", ["null", "http://testserver"])
def test_a_form_without_its_token_is_still_called_out_of_date(origin: str) -> None:
    answer = Client(enforce_csrf_checks=True).post(SIGN_IN, {}, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "This form no longer belongs to your session" in answer.content.decode()
    assert "SEG_PUBLIC_URL" not in answer.content.decode()


def test_what_an_origin_says_is_shown_as_text() -> None:
    origin = "https://<b>\u202e" + "x" * 1000
    answer = Client(enforce_csrf_checks=True).post(SIGN_IN, {}, HTTP_ORIGIN=origin)
    content = answer.content.decode()
    assert "\u202e" not in content
    assert escape("https://<b>") in content
    assert "x" * 300 not in content


@pytest.mark.usefixtures("https")
def test_a_form_from_the_public_address_is_taken_whatever_host_the_proxy_hands_on(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    configured()
    person(name="admin")
    client = Client(enforce_csrf_checks=True, REMOTE_ADDR=PROXY, HTTP_HOST="127.0.0.1:8000")
    client.get(SIGN_IN)
    token = client.cookies["csrftoken"].value
    typed = {"username": "admin", "password": PASSPHRASE, "csrfmiddlewaretoken": token}
    assert client.post(SIGN_IN, typed, headers={"Origin": "https://seg.example.com"}).status_code == 302


@pytest.mark.parametrize("path", ["/seg/sign-in/", "/sign-in/"], ids=["handed on", "taken off"])
def test_the_path_of_the_public_address_is_known_whether_the_proxy_takes_it_off_or_not(
    settings: Settings, path: str
) -> None:
    settings.FORCE_SCRIPT_NAME = "/seg"
    configured()
    person(name="admin")
    client = Client()
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.wsgi_request.path == "/seg/sign-in/"
    assert {cookie["path"] for cookie in client.cookies.values()} == {"/seg/"}
    assert client.get("/seg").status_code == 302
    assert client.get("/segsign-in/").status_code == 404


def test_an_address_below_a_path_leads_to_its_view() -> None:
    set_script_prefix("/seg/")
    try:
        address = reverse("smtp-routes:list")
        match = match_of(f"{address}?find=x")
    finally:
        set_script_prefix("/")
    assert address.startswith("/seg/")
    assert match is not None
    assert match.view_name == "smtp-routes:list"
