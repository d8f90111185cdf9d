"""Every page of the console, found from its URLs: what the walks over all pages visit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from policies.models import AddressList
from seg_console.accounts.models import ConsoleSession, User
from seg_console.certificates.models import Certificate
from seg_console.config import pending
from seg_console.config.models import ConfigurationObject
from seg_console.delivery.models import DestinationControl, NamedBounceProfile, SmtpRoute
from seg_console.gateway.models import IncomingRelay, RecipientAccess, SenderGroup
from seg_console.ui.navigation import TABS
from tests.support import connection_tests, sample_system
from tests.support.pages import policy_uid, signed_in

MENU = tuple(page for tab in TABS for group in tab.groups for page in group.pages)

# What a page with an argument is looked at with; see `unknown`.
ARGUMENTS: dict[str, Callable[[User], list[Any]]] = {
    "accounts:delete-user": lambda user: [_another(user)],
    "accounts:edit-user": lambda user: [_another(user)],
    "accounts:end-session": lambda user: [_session(user)],
    "accounts:lock-user": lambda user: [_another(user)],
    "accounts:unlock-user": lambda user: [_another(user)],
    "address-lists:delete": lambda user: [_uid(AddressList, user)],
    "address-lists:edit": lambda user: [_uid(AddressList, user)],
    "bounce-profiles:delete": lambda user: [_uid(NamedBounceProfile, user)],
    "bounce-profiles:edit": lambda user: [_uid(NamedBounceProfile, user)],
    "certificates:delete": lambda user: [_uid(Certificate, user)],
    "certificates:replace": lambda user: [_uid(Certificate, user)],
    "certificates:show": lambda user: [_uid(Certificate, user)],
    "configuration:history-changes": lambda user: [3],
    "configuration:history-export": lambda user: [3],
    "configuration:roll-back": lambda user: [1],
    "destination-controls:delete": lambda user: [_uid(DestinationControl, user)],
    "destination-controls:edit": lambda user: [_uid(DestinationControl, user)],
    "help:page": lambda user: ["incoming-mail-policies"],
    "host-access:delete": lambda user: [_uid(SenderGroup, user)],
    "host-access:edit": lambda user: [_uid(SenderGroup, user)],
    "incoming-relays:delete": lambda user: [_uid(IncomingRelay, user)],
    "incoming-relays:edit": lambda user: [_uid(IncomingRelay, user)],
    "monitor:delivery-status-details": lambda user: ["partner.example"],
    "monitor:delivery-status-delete-held": lambda user: ["partner.example"],
    "monitor:delivery-status-retry": lambda user: ["partner.example"],
    "monitor:message-tracking-details": lambda user: [sample_system.TOLD_MID],
    "policies:copy": lambda user: [_policy(user)],
    "policies:delete": lambda user: [_policy(user)],
    "policies:edit": lambda user: [_policy(user)],
    "recipient-access:delete": lambda user: [_uid(RecipientAccess, user)],
    "recipient-access:edit": lambda user: [_uid(RecipientAccess, user)],
    "smtp-routes:delete": lambda user: [_uid(SmtpRoute, user)],
    "smtp-routes:edit": lambda user: [_uid(SmtpRoute, user)],
    "tdc:connection-test": lambda user: [connection_tests.ended()],
    "tdc:policy-choice": lambda user: [_policy(user)],
}
# Pages that look different when asked for more.
ASKED = (
    ("monitor:message-tracking", "?search=1"),
    ("monitor:message-tracking", "?search=1&sender_operator=contains&sender=nobody.at.all"),
    ("monitor:message-tracking-details", "?events=all"),
    ("help:search", "?q=commit"),
    ("host-access:list", "?find=192.0.2.1"),
    ("policies:list", "?address=ceo@corp.example&side=recipient"),
)


def _another(user: User) -> int:
    """Key of an account that is not `user`'s; his own where there is no other."""
    return User.objects.exclude(pk=user.pk).order_by("pk").values_list("pk", flat=True).first() or user.pk


def _session(user: User) -> UUID:
    now = timezone.now()
    return ConsoleSession.objects.create(user=user, signed_in_at=now, last_seen_at=now).pk


def _policy(user: User) -> UUID:
    return policy_uid(user, "Finance")


def _uid(model: type[ConfigurationObject], user: User) -> UUID:
    return model._default_manager.filter(configuration=pending.shown_to(user))[0].uid


def views(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every view of the console that has a name, under it, with its URL pattern."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            yield from views(pattern, f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix)
        elif pattern.name:
            yield f"{prefix}{pattern.name}", pattern


def unknown() -> set[str]:
    """Views with arguments that nobody has named in `ARGUMENTS`: the walk passes them by."""
    return {name for name, pattern in views() if pattern.pattern.converters} - set(ARGUMENTS)


def pages(user: User) -> list[str]:
    """Address of every page that `user` gets when asking for it: no downloads, no acts, nothing refused."""
    client = signed_in(user)
    named = [name for name, pattern in views() if name in ARGUMENTS or not pattern.pattern.converters]
    addresses = [address(name, user) for name in named]
    addresses += [address(name, user) + query for name, query in ASKED]
    return [each for each in addresses if _is_page(client.get(each))]


def address(name: str, user: User) -> str:
    """Of a view, with the arguments it is looked at with."""
    return reverse(name, args=ARGUMENTS[name](user) if name in ARGUMENTS else [])


def _is_page(response: Any) -> bool:
    return bool(response.status_code == 200 and response["Content-Type"].startswith("text/html"))
