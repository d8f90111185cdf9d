"""Who gets in, what each role may do, and what a refusal leaves behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth import get_user
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from seg_console.accounts.management.commands.ensure_admin import ensure_admin
from seg_console.accounts.models import User
from seg_console.accounts.roles import PRIVILEGES, Role
from seg_console.config import pending
from seg_console.privileges import Privilege
from seg_console.ui.navigation import TABS, landing_page
from tests.support.pages import PASSPHRASE, configured, htmx, person, policy_uid, said, signed_in
from tests.support.table_files import CONTROLS, ROUTES

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]

GLOBAL = "destination-controls:edit-global-settings"
HELP = {"help:contents", "help:search", "help:about", "help:page"}
OPEN_TO_ALL = {
    "accounts:active-sessions",
    "accounts:change-passphrase",
    "accounts:edit-preferences",
    "accounts:end-session",
    "accounts:home",
    "accounts:no-pages",
    "accounts:preferences",
    "accounts:set-language",
    "accounts:sign-in",
    "accounts:sign-out",
    "accounts:submit-again",
} | HELP
MENU = [page for tab in TABS for group in tab.groups for page in group.pages]


def _views(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            space = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from _views(pattern, space)
        else:
            yield f"{prefix}{pattern.name}", pattern


@pytest.fixture(autouse=True)
def _no_throttling_left_over() -> None:
    cache.clear()


def test_every_view_names_the_privilege_it_needs_or_is_open_to_everybody() -> None:
    without = {name for name, pattern in _views(get_resolver()) if not hasattr(pattern.callback, "privilege")}
    assert without == OPEN_TO_ALL


def test_an_unknown_visitor_is_sent_to_sign_in_and_back_to_the_page_asked_for() -> None:
    configured()
    person(name="ada")
    client = Client()
    asked = reverse("policies:list")
    response = client.get(asked)
    assert response["Location"] == f"{reverse('accounts:sign-in')}?next={asked}"
    response = client.post(response["Location"], {"username": "ada", "password": PASSPHRASE, "next": asked})
    assert response["Location"] == asked


def test_a_wrong_passphrase_and_an_unknown_name_get_the_same_answer() -> None:
    person(name="ada")
    for name in ("ada", "nobody"):
        client = Client()
        response = client.post(reverse("accounts:sign-in"), {"username": name, "password": "wrong"})
        assert "Invalid username or passphrase." in response.content.decode()
        assert not get_user(client).is_authenticated


def test_five_failures_lock_the_account_for_that_address_even_with_the_right_passphrase() -> None:
    person(name="ada")
    client = Client()
    for _attempt in range(5):
        client.post(reverse("accounts:sign-in"), {"username": "ada", "password": "wrong"})
    response = client.post(reverse("accounts:sign-in"), {"username": "ada", "password": PASSPHRASE})
    assert response.status_code == 429
    assert "Wait 15 minutes" in response.content.decode()


def test_a_region_asked_for_after_the_session_ended_sends_the_whole_page_to_sign_in() -> None:
    response = Client().get(reverse("accounts:sign-in"), headers=htmx("/mail-policies/incoming/?x=1"))
    assert response["HX-Redirect"] == "/sign-in/?next=%2Fmail-policies%2Fincoming%2F%3Fx%3D1"


def test_signing_out_ends_the_session_and_needs_a_post() -> None:
    client = signed_in(person())
    assert client.get(reverse("accounts:sign-out")).status_code == 405
    client.post(reverse("accounts:sign-out"))
    assert not get_user(client).is_authenticated


@pytest.mark.parametrize("role", list(Role))
def test_each_role_sees_the_pages_of_its_menu_and_is_refused_the_others(role: Role) -> None:
    configured()
    client = signed_in(person(role))
    for page in MENU:
        expected = 200 if page.privilege in PRIVILEGES[role] else 403
        assert client.get(reverse(page.view)).status_code == expected, page.view


@pytest.mark.parametrize("role", list(Role))
def test_each_role_lands_on_a_page_it_may_see(role: Role) -> None:
    configured()
    user = person(role)
    assert signed_in(user).get(landing_page(user)).status_code == 200


@pytest.mark.parametrize("role", [role for role in Role if Privilege.CHANGE_CONFIGURATION not in PRIVILEGES[role]])
def test_a_role_that_may_not_change_is_refused_every_change_and_nothing_happens(role: Role) -> None:
    configured()
    user = person(role)
    client = signed_in(user)
    uid = policy_uid(user, "Finance")
    posts = {
        reverse("tdc:policy-choice", args=[uid]): {"mode": "no_scan"},
        reverse("tdc:edit-settings"): {"messages_per_connection": 3},
        reverse("policies:delete", args=[uid]): {},
        reverse("policies:add"): {"name": "New"},
        reverse("policies:copy", args=[uid]): {"name": "New"},
        reverse("policies:order"): {str(uid): 2},
        reverse("policies:preview"): {"at": "0"},
        reverse("tdc:change-policies"): {"policy": [str(uid)], "mode": "no_scan", "submit": "1"},
        reverse("address-lists:add"): {"name": "New", "entries": "a@"},
        reverse("mail-policy-settings:edit"): {"from": "1"},
        reverse("recipient-access:add"): {"order": 1, "recipient": "evil.example", "action": "accept"},
        reverse("host-access:add"): {
            "order": 1,
            "name": "EVIL",
            "entries": "203.0.113.1",
            "action": "accept",
            "tls": "none",
        },
        reverse("host-access:import"): {"pasted": "group ALL"},
        reverse("listeners:edit"): {"max_recipients": 1},
        reverse("incoming-relays:add"): {"name": "EVIL", "address": "203.0.113.1", "client_in": "received", "hop": 1},
        reverse("incoming-relays:edit-global-settings"): {"enabled": "on"},
        reverse("certificates:add"): {"name": "Evil"},
        reverse("configuration:file-download"): {"set": "committed"},
        reverse("smtp-routes:add"): {"domain": "evil.example"},
        reverse("configuration:commit"): {},
        reverse("configuration:abandon"): {},
        reverse("configuration:file"): {"pasted": "{}"},
        reverse("configuration:file-load"): {"key": "0"},
        reverse("configuration:reset"): {},
        reverse("configuration:edit-general-settings"): {"comment_required": "on"},
        reverse("configuration:roll-back", args=[1]): {},
    }
    for url, data in posts.items():
        assert client.post(url, data).status_code == 403, url
    assert pending.pending_of(user) is None
    assert pending.committed().number == 2


def test_the_menu_holds_only_what_the_role_may_see() -> None:
    configured()
    content = signed_in(person(Role.HELP_DESK_USER)).get(reverse("monitor:message-tracking")).content.decode()
    assert "Message Tracking" in content
    assert "Incoming Mail Policies" not in content
    assert "No Changes Pending" not in content


def test_pages_that_do_not_exist_answer_in_the_frame() -> None:
    response = signed_in(person()).get("/no-such-page/")
    assert response.status_code == 404
    assert "Page not found" in response.content.decode()
    assert "No Changes Pending" in response.content.decode()


def test_a_form_without_its_token_is_refused_in_the_frame() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person())
    response = client.post(reverse("configuration:commit"))
    assert response.status_code == 403
    assert "Form out of date" in response.content.decode()


def test_pages_forbid_inline_script_and_style() -> None:
    configured()
    response = signed_in(person()).get(reverse("policies:list"))
    policy = response["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
    content = response.content.decode()
    assert " style=" not in content
    assert "<style" not in content
    assert " onclick=" not in content


def test_admin_is_made_once_with_the_passphrase_given() -> None:
    assert ensure_admin(PASSPHRASE) == ""
    assert ensure_admin("another one") == ""
    admin = User.objects.get(username="admin")
    assert admin.role == Role.ADMINISTRATOR
    assert admin.check_password(PASSPHRASE)


def test_without_a_given_passphrase_one_is_generated_and_told_once() -> None:
    generated = ensure_admin("")
    assert len(generated) >= 16
    assert User.objects.get(username="admin").check_password(generated)
    assert ensure_admin("") == ""


def test_who_may_only_look_sees_the_tables_and_changes_nothing(user: User) -> None:
    client = signed_in(person(Role.GUEST))
    views = ["destination-controls:list", "bounce-profiles:list", "dns:settings", "destination-controls:export"]
    assert {client.get(reverse(view)).status_code for view in views} == {403}
    reader = signed_in(person(Role.TECHNICIAN))
    assert {reader.get(reverse(view)).status_code for view in views} <= {200, 403}
    for view in (
        CONTROLS,
        ROUTES,
        "smtp-routes:clear",
        "destination-controls:edit-default",
        GLOBAL,
        "dns:edit-settings",
    ):
        assert client.post(reverse(view)).status_code == 403
    reader = signed_in(person(Role.READ_ONLY_OPERATOR))
    assert reverse(GLOBAL) not in said(reader, reverse("destination-controls:list"))
    assert reader.get(reverse(GLOBAL)).status_code == 403
