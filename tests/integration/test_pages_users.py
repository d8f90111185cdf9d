"""System Administration > Users and Account Settings, Options > Change Passphrase."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
from django.contrib.auth import get_user
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from seg_console.accounts import users
from seg_console.accounts.models import User
from seg_console.accounts.roles import PRIVILEGES, Role
from seg_console.audit.models import Act, Entry
from seg_console.config import document, pending, running
from seg_console.config.general import GENERAL_SETTINGS
from seg_console.config.models import Configuration, GeneralSettings
from seg_console.privileges import Privilege
from seg_console.ui.times import tracking_time
from tests.support.pages import PASSPHRASE, configured, htmx, person, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]
LIST = "/system-administration/users/"
CHANGE = "/options/change-passphrase/"
NEW = "quiet lantern 47 moss"


@pytest.fixture
def admin() -> User:
    configured(account_settings={"lock_after": 10, "minimum_length": 8, "passphrase_expiry": 0})
    return person(name="admin")


def new_user(**changes: str) -> dict[str, str]:
    return {"username": "ann", "full_name": "Ann Smith", "role": "operator", "passphrase": NEW, "again": NEW} | changes


def row_of(content: str, name: str) -> str:
    rows = re.findall(r"<tr>.*?</tr>", content, re.DOTALL)
    (row,) = [row for row in rows if f">{name}<" in row]
    return str(row)


def forced(user: User) -> Client:
    User.objects.filter(pk=user.pk).update(must_change_passphrase=True)
    user.refresh_from_db()
    return signed_in(user)


def change(client: Client, **changes: str) -> Any:
    return client.post(CHANGE, {"old": PASSPHRASE, "passphrase": NEW, "again": NEW} | changes)


def test_the_table_shows_each_account_with_its_state(admin: User) -> None:
    ann, bob = person(Role.OPERATOR, "ann"), person(Role.GUEST, "bob")
    users.lock(bob, by=admin)
    users.enforce_passphrase_change([ann], by=admin)
    content = signed_in(admin).get(LIST).content.decode()
    assert "Operator" in row_of(content, "ann")
    assert "To be changed" in row_of(content, "ann")
    assert "Lock ann" in row_of(content, "ann")
    assert "Unlock bob" in row_of(content, "bob")
    assert "Locked" in row_of(content, "bob")
    assert "Delete" not in row_of(content, "admin")
    assert "Lock" not in row_of(content, "admin")


def test_the_table_takes_the_same_queries_for_any_number_of_users(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    # The running configuration is looked up twice a second: not here.
    monkeypatch.setattr(running, "current", partial(running.Running, 2, document.document_of(pending.committed())))
    client = signed_in(admin)
    client.get(LIST)
    counts = []
    for number in range(2):
        person(Role.GUEST, f"user-{number}")
        with CaptureQueriesContext(connection) as queries:
            client.get(LIST)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_long_tables_are_turned_by_key(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seg_console.accounts.views.users.ROWS", 2)
    for name in ("bea", "cem", "dan"):
        person(Role.GUEST, name)
    client = signed_in(admin)
    first = client.get(LIST).content.decode()
    assert "bea" in first
    assert "cem" not in first
    second = client.get(LIST, {"after": "bea"}).content.decode()
    assert ">cem<" in second
    assert ">dan<" in second
    assert "?after=dan" not in second


def test_a_role_that_may_not_change_the_configuration_loses_what_was_pending(admin: User) -> None:
    oper = person(Role.OPERATOR, "oper")
    pending.submit(oper, GeneralSettings(uid=GENERAL_SETTINGS.fixed_uid, comment_required=True))
    users.change(oper, full_name="Olga", role=Role.OPERATOR, by=admin)
    assert pending.pending_of(oper) is not None
    users.change(oper, full_name="Olga", role=Role.GUEST, by=admin)
    assert pending.pending_of(oper) is None
    assert list(Entry.objects.filter(act=Act.ABANDON).values_list("username", flat=True)) == ["admin"]


@pytest.mark.parametrize("role", list(Role))
def test_seeing_users_needs_the_privilege_and_changing_them_another(admin: User, role: Role) -> None:
    other = person(Role.GUEST, "other")
    client = signed_in(person(role, "someone"))
    sees, changes = Privilege.VIEW_USERS in PRIVILEGES[role], Privilege.CHANGE_USERS in PRIVILEGES[role]
    response = client.get(LIST)
    assert response.status_code == (200 if sees else 403)
    assert ("Add User…" in response.content.decode()) == changes
    acts = {
        reverse("accounts:add-user"): new_user(),
        reverse("accounts:edit-user", args=[other.pk]): {"full_name": "X", "role": "guest"},
        reverse("accounts:lock-user", args=[other.pk]): {},
        reverse("accounts:unlock-user", args=[other.pk]): {},
        reverse("accounts:enforce-passphrase-change"): {"user": str(other.pk)},
        reverse("accounts:delete-user", args=[other.pk]): {},
    }
    answers = {client.post(url, data).status_code for url, data in acts.items()}
    if changes:
        assert answers == {302}
        return
    assert answers == {403}
    other.refresh_from_db()
    assert (other.full_name, other.locked_at, other.must_change_passphrase) == ("", None, False)
    assert not User.objects.filter(username="ann").exists()


def test_a_user_is_added_at_once_and_must_change_the_passphrase_first(admin: User) -> None:
    response = signed_in(admin).post(reverse("accounts:add-user"), new_user())
    assert response["Location"] == LIST
    ann = User.objects.get(username="ann")
    assert (ann.full_name, ann.role, ann.must_change_passphrase) == ("Ann Smith", "operator", True)
    assert ann.check_password(NEW)
    assert pending.pending_of(admin) is None
    entry = Entry.objects.get(act=Act.USER_ADDED)
    assert (entry.username, entry.target) == ("admin", "ann")
    assert entry.changes[1][:4] == ["User", "User Role", "", "Operator"]
    assert NEW not in str(vars(entry))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"username": "root"}, "“root” is a reserved word"),
        ({"username": "Ann"}, "Use lower-case letters, digits and dashes only"),
        ({"username": "admin"}, "There is a user of this name already."),
        ({"username": "a" * 17}, "at most 16 characters"),
        ({"full_name": " "}, "This field is required."),
        ({"full_name": "Ann \u202ehtimS"}, "Write a name without control characters"),
        ({"full_name": "\u200b"}, "Write a name without control characters"),
        ({"full_name": "Ann\tSmith"}, "Write a name without control characters"),
        ({"role": "emperor"}, "emperor is not one of the available choices"),
        ({"again": "another"}, "The two passphrases are not the same."),
        ({"passphrase": "short", "again": "short"}, "too short"),
        ({"passphrase": "annsmith", "again": "annsmith"}, "too similar to the full name"),
    ],
)
def test_a_refused_user_keeps_what_was_typed_and_nothing_happens(
    admin: User, changes: dict[str, str], says: str
) -> None:
    response = signed_in(admin).post(reverse("accounts:add-user"), new_user(**changes))
    content = response.content.decode()
    assert response.status_code == 422
    assert says in content
    assert f'value="{new_user(**changes)["username"]}"' in content
    assert User.objects.count() == 1
    assert not Entry.objects.filter(act=Act.USER_ADDED).exists()


def test_a_generated_passphrase_is_shown_once_and_nothing_is_kept_before_submit(admin: User) -> None:
    client = signed_in(admin)
    typed = new_user(passphrase="", again="", generate="1")
    response = client.post(reverse("accounts:add-user"), typed)
    content = response.content.decode()
    (made,) = re.findall(r'id="generated">([^<]+)<', content)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert 'value="Ann Smith"' in content
    assert content.count(f'value="{made}"') == 2
    assert not User.objects.filter(username="ann").exists()
    client.post(reverse("accounts:add-user"), new_user(passphrase=made, again=made))
    assert User.objects.get(username="ann").check_password(made)
    assert made not in client.get(LIST).content.decode()


def test_editing_changes_name_and_role_and_says_both_in_the_audit_log(admin: User) -> None:
    ann = person(Role.GUEST, "ann")
    client = signed_in(ann)
    data = {"full_name": "Ann Jones", "role": "operator", "passphrase": "", "again": ""}
    signed_in(admin).post(reverse("accounts:edit-user", args=[ann.pk]), data)
    ann.refresh_from_db()
    assert (ann.full_name, ann.role, ann.must_change_passphrase) == ("Ann Jones", "operator", False)
    changes = Entry.objects.get(act=Act.USER_CHANGED).changes
    assert [change[1:4] for change in changes] == [["Full Name", "", "Ann Jones"], ["User Role", "Guest", "Operator"]]
    # The new role holds for the session that is running.
    assert client.get("/mail-policies/incoming/").status_code == 200


def test_a_passphrase_that_somebody_else_sets_ends_sessions_and_must_be_changed(admin: User) -> None:
    ann = person(Role.GUEST, "ann")
    client = signed_in(ann)
    data = {"full_name": "Ann", "role": "guest", "passphrase": NEW, "again": NEW}
    signed_in(admin).post(reverse("accounts:edit-user", args=[ann.pk]), data)
    ann.refresh_from_db()
    assert ann.check_password(NEW)
    assert ann.must_change_passphrase
    assert not get_user(client).is_authenticated


def test_nobody_sets_the_passphrase_or_the_role_of_admin_or_the_own_role(admin: User) -> None:
    other = person(Role.ADMINISTRATOR, "other")
    client = signed_in(other)
    for user in (admin, other):
        url = reverse("accounts:edit-user", args=[user.pk])
        client.post(url, {"full_name": "New Name", "role": "guest", "passphrase": NEW, "again": NEW})
        user.refresh_from_db()
        assert (user.full_name, user.role) == ("New Name", "administrator")
        assert user.check_password(PASSPHRASE)
        assert 'name="passphrase"' not in client.get(url).content.decode()


@pytest.mark.parametrize("act", ["lock-user", "delete-user"])
def test_admin_and_oneself_can_be_neither_locked_nor_deleted(admin: User, act: str) -> None:
    other = person(Role.ADMINISTRATOR, "other")
    client = signed_in(other)
    for user in (admin, other):
        response = client.post(reverse(f"accounts:{act}", args=[user.pk]))
        assert response.status_code == 422
        assert "Error —" in response.content.decode()
        user.refresh_from_db()
        assert user.locked_at is None
    assert not Entry.objects.filter(act__in=[Act.LOCKED, Act.USER_DELETED]).exists()


def test_locking_ends_running_sessions_for_good_and_unlocking_lets_in_again(admin: User) -> None:
    ann = person(Role.GUEST, "ann")
    client, boss = Client(), signed_in(admin)
    client.post(reverse("accounts:sign-in"), {"username": "ann", "password": PASSPHRASE})
    assert client.get("/monitor/overview/").status_code == 200
    boss.post(reverse("accounts:lock-user", args=[ann.pk]))
    boss.post(reverse("accounts:unlock-user", args=[ann.pk]))
    assert client.get("/monitor/overview/").status_code == 302
    response = Client().post(reverse("accounts:sign-in"), {"username": "ann", "password": PASSPHRASE})
    assert response.status_code == 302
    assert Entry.objects.filter(act__in=[Act.LOCKED, Act.UNLOCKED], target="ann", username="admin").count() == 2


def test_locking_and_unlocking_need_a_post(admin: User) -> None:
    ann = person(Role.GUEST, "ann")
    for act in ("lock-user", "unlock-user"):
        assert signed_in(admin).get(reverse(f"accounts:{act}", args=[ann.pk])).status_code == 405


def test_the_page_of_a_locked_account_says_so_and_unlocks_it(admin: User) -> None:
    ann, client = person(Role.GUEST, "ann"), signed_in(admin)
    url, unlock = (reverse(f"accounts:{name}", args=[ann.pk]) for name in ("edit-user", "unlock-user"))
    assert "Unlock" not in client.get(url).content.decode()
    users.lock(ann, by=admin)
    ann.refresh_from_db()
    content = client.get(url).content.decode()
    assert ann.locked_at
    assert f"since {tracking_time(ann.locked_at)}" in content
    assert f"since {tracking_time(ann.locked_at)}" in row_of(client.get(LIST).content.decode(), "ann")
    assert re.search(rf'<button [^>]*formaction="{unlock}">Unlock</button>', content)
    assert client.post(unlock, follow=True).status_code == 200
    assert "Unlock" not in client.get(url).content.decode()


def test_the_audit_log_keeps_what_a_deleted_account_was(admin: User) -> None:
    ann = person(Role.OPERATOR, "ann")
    User.objects.filter(pk=ann.pk).update(full_name="Ann Smith")
    signed_in(admin).post(reverse("accounts:delete-user", args=[ann.pk]))
    assert Entry.objects.get(act=Act.USER_DELETED).changes == [
        ["User", "Full Name", "Ann Smith", "", "ann", "", False],
        ["User", "User Role", "Operator", "", "ann", "", True],
    ]


def test_deleting_asks_first_and_takes_pending_changes_and_sessions_along(admin: User) -> None:
    ann = person(Role.ADMINISTRATOR, "ann")
    client, boss = signed_in(ann), signed_in(admin)
    pending.load_pending(ann, {"format": 1})
    url = reverse("accounts:delete-user", args=[ann.pk])
    assert "changes that the user has not committed are lost" in boss.get(url).content.decode()
    assert User.objects.filter(pk=ann.pk).exists()
    boss.post(url)
    assert not User.objects.filter(pk=ann.pk).exists()
    assert not Configuration.objects.pending().exists()
    assert client.get(LIST).status_code == 302
    assert Entry.objects.get(act=Act.USER_DELETED).target == "ann"


def test_enforcing_needs_a_checked_row(admin: User) -> None:
    response = signed_in(admin).post(reverse("accounts:enforce-passphrase-change"))
    assert response.status_code == 422
    assert "Check the rows" in response.content.decode()


def test_an_enforced_change_holds_from_the_next_request_of_a_running_session(admin: User) -> None:
    ann, bob = person(Role.OPERATOR, "ann"), person(Role.OPERATOR, "bob")
    client = signed_in(ann)
    signed_in(admin).post(reverse("accounts:enforce-passphrase-change"), {"user": [str(ann.pk), "x", "999999"]})
    assert client.get("/mail-policies/incoming/")["Location"] == CHANGE
    bob.refresh_from_db()
    assert not bob.must_change_passphrase


def test_who_must_change_the_passphrase_reaches_nothing_else(admin: User) -> None:
    client = forced(person(Role.ADMINISTRATOR, "ann"))
    for url in ("/", LIST, "/monitor/overview/", "/uncommitted-changes/", reverse("accounts:account-settings")):
        assert client.get(url)["Location"] == CHANGE, url
    assert client.post(reverse("accounts:add-user"), new_user())["Location"] == CHANGE
    assert client.get("/monitor/overview/", headers=htmx())["HX-Redirect"] == CHANGE
    assert not User.objects.filter(username="ann-smith").exists()
    content = client.get(CHANGE).content.decode()
    assert "You must change your passphrase before you can go on." in content
    assert "Incoming Mail Policies" not in content
    assert client.post(reverse("accounts:sign-out")).status_code == 302
    assert not get_user(client).is_authenticated


def test_a_forced_change_opens_the_console_without_signing_in_again(admin: User) -> None:
    ann = person(Role.OPERATOR, "ann")
    elsewhere = signed_in(ann)
    client = forced(ann)
    assert change(client).status_code == 302
    ann.refresh_from_db()
    assert ann.check_password(NEW)
    assert not ann.must_change_passphrase
    assert client.get("/monitor/overview/").status_code == 200
    assert not get_user(elsewhere).is_authenticated


def test_an_ordinary_change_acts_at_once_and_ends_every_session(admin: User) -> None:
    ann = person(Role.GUEST, "ann")
    elsewhere, client = signed_in(ann), signed_in(ann)
    response = change(client)
    assert response["Location"] == reverse("accounts:sign-in")
    assert "Your passphrase was changed. Log in with the new one." in client.get("/sign-in/").content.decode()
    for session in (elsewhere, client):
        assert not get_user(session).is_authenticated
    ann.refresh_from_db()
    assert ann.check_password(NEW)
    entry = Entry.objects.get(act=Act.PASSPHRASE_CHANGED)
    assert (entry.username, entry.target) == ("ann", "ann")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"old": "wrong"}, "This is not your present passphrase."),
        ({"again": "other"}, "The two passphrases are not the same."),
        ({"passphrase": PASSPHRASE, "again": PASSPHRASE}, "Choose another passphrase than the present one."),
        ({"passphrase": "12345678", "again": "12345678"}, "This passphrase is too common."),
    ],
)
def test_a_refused_change_leaves_the_passphrase_and_the_session(
    admin: User, changes: dict[str, str], says: str
) -> None:
    ann = person(Role.GUEST, "ann")
    client = signed_in(ann)
    response = change(client, **changes)
    assert response.status_code == 422
    assert says in response.content.decode()
    ann.refresh_from_db()
    assert ann.check_password(PASSPHRASE)
    assert get_user(client).is_authenticated


def test_guessing_the_old_passphrase_is_throttled_and_counts_towards_the_lock(admin: User) -> None:
    ann = person(Role.GUEST, "ann")
    client = signed_in(ann)
    answers = [change(client, old="wrong").status_code for _attempt in range(6)]
    assert answers[:4] == [422] * 4
    assert answers[-1] == 429
    ann.refresh_from_db()
    assert ann.failed_attempts == 5


def test_account_settings_are_shown_and_become_pending(admin: User) -> None:
    client = signed_in(admin)
    assert "10 failed attempts in a row" in client.get(reverse("accounts:account-settings")).content.decode()
    data = {"lock_after": "3", "minimum_length": "12", "passphrase_expiry": "90"}
    response = client.post(reverse("accounts:edit-account-settings"), data)
    assert response["Location"] == reverse("accounts:account-settings")
    shown = document.dump(pending.shown_to(admin))["account_settings"]
    assert shown == {"lock_after": 3, "minimum_length": 12, "passphrase_expiry": 90}
    assert document.dump(pending.committed())["account_settings"]["lock_after"] == 10


@pytest.mark.parametrize(
    ("field", "value"), [("lock_after", "101"), ("minimum_length", "7"), ("passphrase_expiry", "3651")]
)
def test_settings_out_of_range_are_refused(admin: User, field: str, value: str) -> None:
    data = {"lock_after": "3", "minimum_length": "12", "passphrase_expiry": "90"} | {field: value}
    response = signed_in(admin).post(reverse("accounts:edit-account-settings"), data)
    assert response.status_code == 422
    assert f'value="{value}"' in response.content.decode()
    assert pending.pending_of(admin) is None
