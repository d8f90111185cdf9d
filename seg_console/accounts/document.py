"""The sections `account_settings` and `network_access`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from seg_console.accounts.models import (
    LONGEST_EXPIRY_DAYS,
    LONGEST_MINIMUM,
    LONGEST_TIMEOUT,
    MOST_FAILED_ATTEMPTS,
    SHORTEST_MINIMUM,
    SHORTEST_TIMEOUT,
    AccountSettings,
    NetworkAccess,
)
from seg_console.config import registry
from seg_console.config.document import Document
from seg_console.config.registry import MendedAt, ObjectSection, Shape


class Accounts(Shape):
    """`lock_after`: failed attempts in a row, 0 never. `passphrase_expiry`: days, 0 never."""

    lock_after: Annotated[int, Field(ge=0, le=MOST_FAILED_ATTEMPTS)] = 10
    minimum_length: Annotated[int, Field(ge=SHORTEST_MINIMUM, le=LONGEST_MINIMUM)] = 8
    passphrase_expiry: Annotated[int, Field(ge=0, le=LONGEST_EXPIRY_DAYS)] = 0


class Network(Shape):
    """`web_ui_inactivity_timeout`: whole minutes after which a session without activity ends (seg-webui 2.4)."""

    web_ui_inactivity_timeout: Annotated[int, Field(ge=SHORTEST_TIMEOUT, le=LONGEST_TIMEOUT)] = 30


ACCOUNT_SETTINGS = ObjectSection(
    "account_settings", Accounts, AccountSettings, place=100, mended_at=MendedAt("accounts:edit-account-settings")
)
NETWORK_ACCESS = ObjectSection(
    "network_access", Network, NetworkAccess, place=110, mended_at=MendedAt("accounts:edit-network-access")
)


def account_settings(configuration: Document) -> Accounts:
    return configuration[ACCOUNT_SETTINGS]


def network_access(configuration: Document) -> Network:
    return configuration[NETWORK_ACCESS]


def register() -> None:
    """Make the sections known; called once, when the app is ready."""
    registry.register(ACCOUNT_SETTINGS)
    registry.register(NETWORK_ACCESS)
