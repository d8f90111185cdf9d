"""Every page of the console, found from its URLs: what the walks over all pages visit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from django.urls import URLPattern, URLResolver, get_resolver, reverse

from seg_console.accounts.models import User
from seg_console.config import pending
from seg_console.config.models import ConfigurationObject
from seg_console.delivery.models import SmtpRoute
from seg_console.gateway.models import RecipientAccess
from seg_console.ui.navigation import TABS
from tests import sample_system
from tests.pages import policy_uid, signed_in

MENU = tuple(page for tab in TABS for group in tab.groups for page in group.pages)

# What a page with an argument is looked at with; a page that is not named here fails the walk.
ARGUMENTS: dict[str, Callable[[User], list[Any]]] = {
    "configuration:roll-back": lambda user: [1],
    "monitor:delivery-status-details": lambda user: ["partner.example"],
    "monitor:delivery-status-retry": lambda user: ["partner.example"],
    "monitor:message-tracking-details": lambda user: [sample_system.TOLD_MID],
    "policies:delete": lambda user: [_policy(user)],
    "policies:edit": lambda user: [_policy(user)],
    "recipient-access:delete": lambda user: [_uid(RecipientAccess, user)],
    "recipient-access:edit": lambda user: [_uid(RecipientAccess, user)],
    "smtp-routes:delete": lambda user: [_uid(SmtpRoute, user)],
    "smtp-routes:edit": lambda user: [_uid(SmtpRoute, user)],
    "tdc:policy-choice": lambda user: [_policy(user)],
}
# Pages that look different when asked for more.
ASKED = (
    ("monitor:message-tracking", "?search=1"),
    ("monitor:message-tracking", "?search=1&sender_operator=contains&sender=nobody.at.all"),
    ("monitor:message-tracking-details", "?events=all"),
    ("policies:list", "?address=ceo@corp.example&side=recipient"),
)


def _policy(user: User) -> UUID:
    return policy_uid(user, "Finance")


def _uid(model: type[ConfigurationObject], user: User) -> UUID:
    return model._default_manager.filter(configuration=pending.shown_to(user))[0].uid


def views(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every view of the console under its name, with its URL pattern."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            yield from views(pattern, f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix)
        else:
            yield f"{prefix}{pattern.name}", pattern


def url_of(name: str, pattern: URLPattern, user: User) -> str:
    """`name`: as `views` gives it. Raises AssertionError for a page with arguments that `ARGUMENTS` does not know."""
    if not pattern.pattern.converters:
        return reverse(name)
    assert name in ARGUMENTS, f"tests/walk.py has no arguments to look at {name} with"
    return reverse(name, args=ARGUMENTS[name](user))


def pages(user: User) -> list[str]:
    """Address of every page that `user` gets when asking for it: no downloads, no acts, nothing refused."""
    client = signed_in(user)
    patterns = dict(views())
    addresses = [url_of(name, pattern, user) for name, pattern in patterns.items()]
    addresses += [url_of(name, patterns[name], user) + query for name, query in ASKED]
    return [address for address in addresses if _is_page(client.get(address))]


def _is_page(response: Any) -> bool:
    return bool(response.status_code == 200 and response["Content-Type"].startswith("text/html"))
