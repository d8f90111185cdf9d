"""The console while its database is away, and after it came back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client
from django.urls import reverse

from tests.support.pages import PASSPHRASE, configured, htmx, person, signed_in

pytestmark = pytest.mark.django_db
PAGES = ["accounts:sign-in", "monitor:overview", "policies:list", "monitor:message-tracking"]


@contextmanager
def away(error: type[Exception] = OperationalError) -> Iterator[None]:
    """Whatever asks the database fails."""

    def fails(*_: object, **__: object) -> None:
        raise error("connection refused")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(BaseDatabaseWrapper, "cursor", fails)
        patched.setattr(BaseDatabaseWrapper, "connect", fails)
        yield


@pytest.fixture
def client() -> Client:
    configured()
    client = signed_in(person())
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_answered_503_in_the_frame_and_comes_back(
    client: Client, page: str, error: type[Exception]
) -> None:
    with away(error):
        response = client.get(reverse(page))
    content = response.content.decode()
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    assert 'class="brand"' in content
    assert "The database does not answer" in content
    assert 'data-retry-seconds="10"' in content
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in content
    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert client.get(reverse(page)).status_code in {200, 302}


def test_a_form_is_not_sent_again_by_the_page_itself(client: Client) -> None:
    with away():
        response = client.post(reverse("accounts:sign-in"), {"username": "administrator", "password": PASSPHRASE})
    assert response.status_code == 503
    assert "comeback.js" not in response.content.decode()
    assert "look whether it was taken" in response.content.decode()


def test_a_region_gets_words_for_the_message_area_and_not_a_page(client: Client) -> None:
    with away():
        response = client.get(reverse("monitor:delivery-status"), headers=htmx())
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    assert response.content.decode().startswith('<div class="message error" data-away>')


def test_it_speaks_the_readers_language(client: Client) -> None:
    with away():
        response = client.get(reverse("monitor:overview"), headers={"accept-language": "zh-hans"})
    assert response["Content-Language"] == "zh-hans"
