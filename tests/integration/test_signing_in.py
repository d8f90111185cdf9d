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
from django.test import Client
from django.urls import reverse

from seg_console.accounts import signing_in, users
from seg_console.accounts.models import User
from seg_console.accounts.roles import Role
from seg_console.audit.models import Act, Entry, Through
from tests.pages import PASSPHRASE, configured, person, signed_in

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
    assert acts(Act.SIGN_IN_FAILED)[-1][3] == "Turned away: too many failed attempts from this address."


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
