"""What every test with a database needs, and the administrator whom the tests of pages sign in."""

from __future__ import annotations

import pytest
from django.test import Client

from seg_console.accounts.models import User
from seg_console.config import running
from tests.support.pages import configured, person, signed_in


@pytest.fixture(autouse=True)
def _nothing_held() -> None:
    """The running configuration of the test before is not this one's."""
    running.forget()


@pytest.fixture
def user() -> User:
    """An administrator of a configured system."""
    configured()
    return person()


@pytest.fixture
def client(user: User) -> Client:
    """The browser in which `user` is signed in, whoever that is for the test."""
    return signed_in(user)
