"""What right and wrong passphrases do to an account: the count, the lock, and what the audit log keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth import get_user
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext

from seg_console.accounts import carried, signing_in, users
from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.audit.models import Act, Entry, Through
from seg_console.audit.views.audit_log import ShownEntry
from tests.support.pages import PASSPHRASE, configured, person, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at")]
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ONE_MESSAGE = "Invalid username or passphrase."


def settings(**changes: int) -> None:
    configured(account_settings={"lock_after": 3, "minimum_length": 8, "passphrase_expiry": 0} | changes)


def attempt(name: str, passphrase: str, address: str = "10.0.0.1") -> Any:
    return Client(REMOTE_ADDR=address).post(reverse("accounts:sign-in"), {"username": name, "password": passphrase})


def acts(*wanted: Act) -> list[tuple[str, str, str, str]]:
    found = Entry.objects.filter(act__in=wanted).order_by("pk")
    return [(entry.act, entry.username, entry.target, entry.detail) for entry in found]


def test_the_account_locks_with_the_last_failure_allowed_from_whatever_address() -> None:
    settings()
    ann = person(name="ann")
    for number in range(3):
        ann.refresh_from_db()
        assert (ann.failed_attempts, ann.locked_at) == (number, None)
        response = attempt("ann", "wrong", f"10.0.0.{number}")
        assert ONE_MESSAGE in response.content.decode()
    ann.refresh_from_db()
    assert ann.locked_at is not None
    assert acts(Act.LOCKED) == [("locked", "ann", "ann", "Too many failed attempts to log in.")]


def test_a_locked_account_answers_like_a_wrong_passphrase_and_only_the_audit_log_knows() -> None:
    settings()
    ann, admin = person(name="ann"), person(name="admin")
    users.lock(ann, by=admin)
    bodies = []
    for name, passphrase in (("ann", PASSPHRASE), ("nobody", "wrong")):
        client = Client(REMOTE_ADDR="10.0.0.9")
        response = client.post(reverse("accounts:sign-in"), {"username": name, "password": passphrase})
        assert not get_user(client).is_authenticated
        bodies.append((response.status_code, ONE_MESSAGE in response.content.decode()))
    assert bodies[0] == bodies[1]
    assert acts(Act.SIGN_IN_FAILED) == [
        ("sign_in_failed", "ann", "", "The account is locked."),
        ("sign_in_failed", "nobody", "", ""),
    ]


def test_the_right_passphrase_forgets_the_failures_before_it() -> None:
    settings()
    ann = person(name="ann")
    attempt("ann", "wrong")
    attempt("ann", "wrong")
    assert attempt("ann", PASSPHRASE).status_code == 302
    attempt("ann", "wrong")
    ann.refresh_from_db()
    assert (ann.failed_attempts, ann.locked_at) == (1, None)


def test_an_attempt_that_throttling_turns_away_does_not_count_towards_the_lock() -> None:
    settings(lock_after=6)
    ann = person(name="ann")
    answers = [attempt("ann", "wrong").status_code for _attempt in range(8)]
    assert answers[-3:] == [429] * 3
    ann.refresh_from_db()
    assert (ann.failed_attempts, ann.locked_at) == (5, None)
    assert acts(Act.SIGN_IN_FAILED)[-1][3] == signing_in.TURNED_AWAY
    with translation.override("zh-hans"):
        assert ShownEntry(Entry.objects.latest("pk")).detail == gettext(signing_in.TURNED_AWAY)


def test_one_address_cannot_try_one_passphrase_on_every_name() -> None:
    settings(lock_after=0)
    for number in range(20):
        person(name=f"user{number}")
    person(name="ann")
    person(name="known")
    assert attempt("known", PASSPHRASE, "10.0.0.7").status_code == 302
    answers = [attempt(f"user{number}", "Summer-2026", "10.0.0.7").status_code for number in range(20)]
    assert answers == [200] * 19 + [429]
    response = attempt("ann", PASSPHRASE, "10.0.0.7")
    assert (response.status_code, "Too many attempts" in response.content.decode()) == (429, True)
    assert User.objects.get(username="ann").failed_attempts == 0
    # Elsewhere ann is let in; so is, here, whoever has logged in from here before.
    assert attempt("ann", PASSPHRASE, "10.0.0.8").status_code == 302
    assert attempt("known", PASSPHRASE, "10.0.0.7").status_code == 302


def test_admin_cannot_be_guessed_from_many_addresses_nor_be_shut_out_where_the_administrator_sits() -> None:
    settings()
    person(name="admin")
    assert attempt("admin", PASSPHRASE, "192.0.2.1").status_code == 302
    answers = [attempt("admin", "wrong", f"10.0.{number}.1").status_code for number in range(25)]
    assert answers == [200] * 19 + [429] * 6
    assert User.objects.get(username="admin").failed_attempts == 20
    assert attempt("admin", PASSPHRASE, "10.0.99.1").status_code == 429
    # A known address has its own five attempts, and no more.
    assert [attempt("admin", "wrong", "192.0.2.1").status_code for _attempt in range(4)] == [200] * 4
    assert attempt("admin", PASSPHRASE, "192.0.2.1").status_code == 302
    call_command("unlock", "admin", stdout=StringIO())
    assert attempt("admin", PASSPHRASE, "10.0.99.1").status_code == 302


def log_in(client: Client, name: str = "admin", passphrase: str = PASSPHRASE) -> int:
    return client.post(reverse("accounts:sign-in"), {"username": name, "password": passphrase}).status_code


def after_login(name: str = "admin", address: str = "10.0.0.1") -> Client:
    """A browser in which somebody has logged in and out again."""
    client = Client(REMOTE_ADDR=address)
    assert log_in(client, name) == 302
    client.post(reverse("accounts:sign-out"))
    return client


def test_a_stranger_at_the_same_address_does_not_keep_admin_out_of_a_browser_that_is_known() -> None:
    settings()
    person(name="admin")
    known = after_login()
    assert [attempt("admin", "wrong").status_code for _attempt in range(30)] == [200] * 4 + [429] * 26
    for number in range(20):
        attempt(f"user{number}", "wrong")
    assert log_in(known) == 302
    # A success there gives the stranger no new attempts, and the old passphrase can be typed too.
    assert attempt("admin", PASSPHRASE).status_code == 429
    typed = {"old": "wrong", "passphrase": "correct horse 10", "again": "correct horse 10"}
    assert known.post(reverse("accounts:change-passphrase"), typed).status_code == 422
    assert known.post(reverse("accounts:change-passphrase"), typed | {"old": PASSPHRASE}).status_code == 302


def test_a_known_browser_has_its_own_attempts_and_no_more() -> None:
    settings(lock_after=0)
    person(name="admin")
    known, again = after_login(), after_login()
    assert [log_in(known, passphrase="wrong") for _attempt in range(6)] == [200] * 4 + [429] * 2
    known.defaults["REMOTE_ADDR"] = "10.0.0.2"
    assert log_in(known) == 429
    assert log_in(again) == 302
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert log_in(known) == 302
    assert not AccessAttempt.objects.exists()


def test_a_browser_is_known_for_the_one_who_logged_in_and_by_its_own_cookie_alone() -> None:
    settings(lock_after=0)
    person(name="admin")
    person(name="ann")
    known = after_login("ann")
    for _attempt in range(5):
        attempt("admin", "wrong")
    assert log_in(known, "admin") == 429
    forged = Client(REMOTE_ADDR="10.0.0.1")
    value = known.cookies["known_browser"].value
    forged.cookies["known_browser"] = value.replace(f"{User.objects.get(username='ann').pk}:", "1:", 1) + "x"
    assert log_in(forged, "admin") == 429
    assert known.cookies["known_browser"]["httponly"]
    assert known.cookies["known_browser"]["samesite"] == "Lax"


def test_who_hammers_on_while_turned_away_makes_the_wait_no_longer() -> None:
    settings()
    person(name="admin")
    for _attempt in range(5):
        attempt("admin", "wrong")
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14))
    assert attempt("admin", "wrong").status_code == 429
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=2))
    assert attempt("admin", PASSPHRASE).status_code == 302


def test_the_page_of_too_many_attempts_says_how_long_and_leads_back_in_every_language() -> None:
    settings()
    person(name="admin")
    client = Client(REMOTE_ADDR="10.0.0.1")
    page = f"{reverse('accounts:sign-in')}?next=/options/preferences/"
    typed = {"username": "admin", "password": "wrong", "next": "/options/preferences/"}
    answers = [client.post(page, typed) for _attempt in range(5)]
    content = answers[-1].content.decode()
    assert answers[-1].status_code == 429
    assert "locked" not in content
    assert "Wait 15 minutes, then try again." in content
    assert 'href="/sign-in/?next=%2Foptions%2Fpreferences%2F"' in content
    assert "简体中文" in content
    assert 'name="next" value="/sign-in/?next=%2Foptions%2Fpreferences%2F"' in content


def test_a_form_that_waits_for_its_user_outlives_too_many_attempts() -> None:
    settings(lock_after=0)
    ann = person(name="ann")
    kept = carried.seal(carried.Carried(str(ann.pk), "/x/", (("a", "b"),), ()))
    client = Client(REMOTE_ADDR="10.0.0.1")
    typed = {"username": "ann", "password": "wrong", "carried": kept, "next": "/x/"}
    answers = [client.post(reverse("accounts:sign-in"), typed) for _attempt in range(5)]
    assert answers[-1].status_code == 429
    assert f'name="carried" value="{kept}"' in answers[-1].content.decode()
    back = client.post(reverse("accounts:sign-in"), {"carried": kept, "next": "/x/"})
    assert f'name="carried" value="{kept}"' in back.content.decode()


def test_no_passphrase_is_stored_with_an_attempt() -> None:
    settings()
    client = signed_in(person(name="ann"))
    typed = {"old": "Xk3v-old-one", "passphrase": "Xk3v-new-one", "again": "Xk3v-again"}
    client.post(reverse("accounts:change-passphrase"), typed)
    client.post(reverse("accounts:sign-in"), {"username": "Xk3v-slip", "password": "Xk3v"})
    stored = AccessAttempt.objects.get()
    assert "old=***" in stored.post_data
    assert "Xk3v" not in stored.post_data


def test_admin_is_throttled_but_never_locked() -> None:
    settings()
    admin = person(name="admin")
    for number in range(12):
        attempt("admin", "wrong", f"10.0.1.{number}")
    admin.refresh_from_db()
    assert (admin.failed_attempts, admin.locked_at) == (12, None)
    assert attempt("admin", PASSPHRASE).status_code == 302
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=admin.pk).update(locked_at=NOW)


def test_with_no_limit_no_account_locks() -> None:
    settings(lock_after=0)
    person(name="ann")
    for _attempt in range(30):
        signing_in.failed("ann", now=NOW)
    assert User.objects.get(username="ann").locked_at is None


def test_a_form_without_a_passphrase_is_no_attempt() -> None:
    settings()
    ann = person(name="ann")
    attempt("ann", "")
    ann.refresh_from_db()
    assert ann.failed_attempts == 0
    assert acts(Act.SIGN_IN_FAILED) == []


def test_failures_are_kept_with_name_and_address_and_never_a_passphrase() -> None:
    settings()
    person(name="ann")
    attempt("ann", "Xk3v-wrong-one", "192.0.2.7")
    entry = Entry.objects.get(act=Act.SIGN_IN_FAILED)
    assert (entry.username, entry.address, entry.through) == ("ann", "192.0.2.7", Through.WEB)
    assert not any("Xk3v" in str(value) for value in vars(Entry.objects.get(pk=entry.pk)).values())


def test_signing_in_and_out_is_kept() -> None:
    settings()
    person(name="ann")
    client = Client()
    client.post(reverse("accounts:sign-in"), {"username": "ann", "password": PASSPHRASE})
    client.post(reverse("accounts:sign-out"))
    assert acts(Act.SIGN_IN, Act.SIGN_OUT) == [("sign_in", "ann", "", ""), ("sign_out", "ann", "", "")]


def test_an_expired_passphrase_must_be_changed_before_anything_else() -> None:
    settings(passphrase_expiry=30)
    ann = person(name="ann")
    User.objects.filter(pk=ann.pk).update(passphrase_changed_at=NOW)
    ann.refresh_from_db()
    signing_in.signed_in(ann, now=NOW + timedelta(days=29))
    assert not User.objects.get(pk=ann.pk).must_change_passphrase
    signing_in.signed_in(ann, now=NOW + timedelta(days=30))
    assert User.objects.get(pk=ann.pk).must_change_passphrase


def test_the_database_keeps_admin_an_administrator() -> None:
    admin = person(name="admin")
    for change in ({"role": Role.GUEST}, {"is_active": False}):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.filter(pk=admin.pk).update(**change)


def test_the_shell_unlocks_an_account_and_the_throttle_with_it() -> None:
    settings()
    ann = person(name="ann")
    for number in range(3):
        attempt("ann", "wrong", f"10.0.0.{number}")
    said = StringIO()
    call_command("unlock", "ann", stdout=said)
    ann.refresh_from_db()
    assert (ann.locked_at, ann.failed_attempts) == (None, 0)
    assert not AccessAttempt.objects.filter(username="ann").exists()
    assert said.getvalue() == "ann was unlocked.\n"
    entry = Entry.objects.get(act=Act.UNLOCKED)
    assert (entry.through, entry.target) == (Through.COMMAND_LINE, "ann")


def test_unlocking_somebody_unknown_fails_with_one_sentence() -> None:
    with pytest.raises(CommandError, match='There is no user "bob"'):
        call_command("unlock", "bob")


def test_the_shell_sets_a_passphrase_by_the_rules_and_ends_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    settings()
    admin = person(name="admin")
    client = signed_in(admin)
    typed = iter(["short", "short", "correct horse 10", "other", "correct horse 10", "correct horse 10"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    said, refused = StringIO(), StringIO()
    call_command("changepassword", stdout=said, stderr=refused)
    admin.refresh_from_db()
    assert admin.check_password("correct horse 10")
    assert said.getvalue() == "The passphrase of admin was changed.\n"
    assert "at least 8 characters" in refused.getvalue()
    assert "not the same" in refused.getvalue()
    assert client.get(reverse("accounts:users")).status_code == 302
    assert acts(Act.PASSPHRASE_CHANGED)[0][2] == "admin"
