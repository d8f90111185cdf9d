"""Nothing that acts stays out of the audit log: every view that takes a POST stands here, with what it leaves there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.test import RequestFactory
from django.urls import URLPattern, reverse
from django_htmx.middleware import HtmxDetails

from seg_console.accounts.models import User
from seg_console.audit.models import Act, Entry
from seg_console.config import pending
from seg_console.delivery.models import SmtpRoute
from tests.support.configurations import full
from tests.support.pages import configured, person, policy_uid, signed_in
from tests.support.walk import views

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:No directory at"),
    pytest.mark.usefixtures("redis"),
]

# Views that act: the last entry that each leaves. Forms of configuration objects go by `pending.submit`.
ACTS: dict[str, Act] = {
    "accounts:sign-in": Act.SIGN_IN,
    "accounts:sign-out": Act.SIGN_OUT,
    "accounts:end-session": Act.SESSION_ENDED,
    "accounts:change-passphrase": Act.PASSPHRASE_CHANGED,
    "accounts:edit-preferences": Act.PREFERENCES_CHANGED,
    "accounts:add-user": Act.USER_ADDED,
    "accounts:edit-user": Act.USER_CHANGED,
    "accounts:delete-user": Act.USER_DELETED,
    "accounts:lock-user": Act.LOCKED,
    "accounts:unlock-user": Act.UNLOCKED,
    "accounts:enforce-passphrase-change": Act.USER_CHANGED,
    "accounts:edit-account-settings": Act.SUBMIT,
    "accounts:edit-network-access": Act.SUBMIT,
    "configuration:commit": Act.COMMIT,
    "configuration:abandon": Act.ABANDON,
    "configuration:file-load": Act.LOAD,
    "configuration:reset": Act.RESET,
    "configuration:roll-back": Act.ROLL_BACK,
    "configuration:edit-general-settings": Act.SUBMIT,
    "monitor:delivery-status-delete-held": Act.DELETE_MESSAGES,
    "monitor:delivery-status-retry": Act.RETRY_DELIVERY,
    "monitor:delivery-status-retry-all": Act.RETRY_DELIVERY,
    "address-lists:add": Act.SUBMIT,
    "address-lists:edit": Act.SUBMIT,
    "address-lists:delete": Act.SUBMIT,
    "mail-policy-settings:edit": Act.SUBMIT,
    "policies:add": Act.SUBMIT,
    "policies:copy": Act.SUBMIT,
    "policies:edit": Act.SUBMIT,
    "policies:delete": Act.SUBMIT,
    "policies:order": Act.SUBMIT,
    "configuration:file-download": Act.SECRETS_DOWNLOADED,
    "listeners:edit": Act.SUBMIT,
    "incoming-relays:add": Act.SUBMIT,
    "incoming-relays:edit": Act.SUBMIT,
    "incoming-relays:delete": Act.SUBMIT,
    "incoming-relays:edit-global-settings": Act.SUBMIT,
    "certificates:add": Act.SUBMIT,
    "certificates:replace": Act.SUBMIT,
    "certificates:delete": Act.SUBMIT,
    "host-access:add": Act.SUBMIT,
    "host-access:edit": Act.SUBMIT,
    "host-access:delete": Act.SUBMIT,
    "host-access:order": Act.SUBMIT,
    "host-access:import": Act.SUBMIT,
    "recipient-access:add": Act.SUBMIT,
    "recipient-access:edit": Act.SUBMIT,
    "recipient-access:delete": Act.SUBMIT,
    "recipient-access:order": Act.SUBMIT,
    "recipient-access:import": Act.SUBMIT,
    "destination-controls:add": Act.SUBMIT,
    "destination-controls:edit": Act.SUBMIT,
    "destination-controls:edit-default": Act.SUBMIT,
    "destination-controls:edit-global-settings": Act.SUBMIT,
    "destination-controls:delete": Act.SUBMIT,
    "destination-controls:import": Act.SUBMIT,
    "smtp-routes:add": Act.SUBMIT,
    "smtp-routes:edit": Act.SUBMIT,
    "smtp-routes:delete": Act.SUBMIT,
    "smtp-routes:clear": Act.SUBMIT,
    "smtp-routes:import": Act.SUBMIT,
    "bounce-profiles:add": Act.SUBMIT,
    "bounce-profiles:edit": Act.SUBMIT,
    "bounce-profiles:edit-default": Act.SUBMIT,
    "bounce-profiles:delete": Act.SUBMIT,
    "dns:edit-settings": Act.SUBMIT,
    "tdc:change-policies": Act.SUBMIT,
    "tdc:edit-settings": Act.SUBMIT,
    "tdc:policy-choice": Act.SUBMIT,
    "tdc:test-connection": Act.CONNECTION_TESTED,
}
# Views that take a POST, or do not say what they take, and change nothing.
HARMLESS = {
    "accounts:home": "sends to another page",
    "accounts:no-pages": "says that there is nothing to see",
    "accounts:set-language": "keeps a cookie in the browser",
    "accounts:submit-again": "sends the form on to the view that records it",
    "configuration:file": "shows what loading would change",
    "policies:explain": "shows which policy takes a message",
    "policies:preview": "shows what a policy would match",
    "trace:run": "shows what would become of a message",
    "ui:help": "sends to another page",
}


def takes_posts(pattern: URLPattern, user: User) -> bool:
    """Whether a view says that it takes POSTs, or does not say what it takes: asked for something that none takes, it
    answers with the list, before it looks at its arguments."""
    request: Any = RequestFactory().generic("BREW", "/")
    request.user, request.htmx = user, HtmxDetails(request)
    try:
        response = pattern.callback(request)
    except TypeError:
        return True
    return "POST" in response.get("Allow", "POST")


def test_every_view_that_takes_a_post_is_known_to_be_recorded_or_harmless() -> None:
    user = person()
    posted = {name for name, pattern in views() if takes_posts(pattern, user)}
    assert posted - set(ACTS) - set(HARMLESS) == set()


def _with_pending(user: User) -> None:
    pending.load_pending(user, full(smtp_routes=[]))


def _route_uid(user: User) -> UUID:
    return SmtpRoute.objects.filter(configuration=pending.shown_to(user))[0].uid


def _nothing(user: User) -> None:
    pass


@pytest.mark.parametrize(
    ("name", "arguments", "data", "before"),
    [
        ("accounts:sign-out", lambda user: [], {}, _nothing),
        ("configuration:commit", lambda user: [], {"comment": "why"}, _with_pending),
        ("configuration:abandon", lambda user: [], {}, _with_pending),
        ("configuration:roll-back", lambda user: [1], {}, _nothing),
        ("monitor:delivery-status-retry", lambda user: ["the.tdc.queue"], {}, _nothing),
        ("monitor:delivery-status-retry-all", lambda user: [], {}, _nothing),
        ("policies:delete", lambda user: [policy_uid(user, "Finance")], {}, _nothing),
        ("smtp-routes:delete", lambda user: [_route_uid(user)], {}, _nothing),
        ("smtp-routes:clear", lambda user: [], {}, _nothing),
        ("tdc:policy-choice", lambda user: [policy_uid(user, "Finance")], {"mode": "no_scan"}, _nothing),
    ],
)
def test_a_view_that_acts_leaves_its_act_with_the_person_and_the_address(
    name: str, arguments: Callable[[User], list[Any]], data: dict[str, str], before: Callable[[User], None]
) -> None:
    configured()
    user = person(name="ann")
    client = signed_in(user)
    before(user)
    number = Entry.objects.count()
    client.post(reverse(name, args=arguments(user)), data)
    assert Entry.objects.count() == number + 1
    last = Entry.objects.latest("pk")
    assert (last.act, last.username, last.address) == (ACTS[name], "ann", "127.0.0.1")
