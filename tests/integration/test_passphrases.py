"""What a passphrase must be, when it expires, and what generated ones are like."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError

from seg_console.accounts import passphrases
from seg_console.accounts.models import User
from tests.support.pages import configured

pytestmark = pytest.mark.django_db
THEN = datetime(2026, 1, 1, tzinfo=UTC)


def refusals(passphrase: str, **user: Any) -> list[str]:
    try:
        validate_password(passphrase, User(**user) if user else None)
    except ValidationError as error:
        return error.messages
    return []


def settings(**changes: int) -> None:
    configured(account_settings={"lock_after": 10, "minimum_length": 8, "passphrase_expiry": 0} | changes)


@pytest.mark.parametrize("passphrase", ["correct horse 9", "xK3vQ9pL", "雪落无声的夜晚很长", "x" + "Lk93 vmQ" * 12])
def test_a_passphrase_that_is_hard_to_guess_is_taken(passphrase: str) -> None:
    settings()
    assert refusals(passphrase, username="ann", full_name="Ann Smith") == []


@pytest.mark.parametrize(
    ("passphrase", "says"),
    [
        ("xK3vQ9p", "This passphrase is too short: it must have at least 8 characters."),
        ("xK3v" * 33, "This passphrase is too long: it may have at most 128 characters."),
        ("xK3vQ9pL\x00", "A passphrase holds no control characters."),
        ("password", "This passphrase is too common."),
        ("8402951736", "This passphrase is made of digits only."),
        ("qwertyuiop[", "It holds a row of keys next to each other."),
        ("abcdefghijk", "It holds a sequence like abc or 6543."),
        ("aaaaaaaaaaa", "It repeats characters or words."),
        ("12/03/1975", "It holds a date"),
        ("Password123!", "It is made of common words or names."),
    ],
)
def test_a_bad_one_is_refused_with_its_own_reason(passphrase: str, says: str) -> None:
    settings()
    assert any(says in message for message in refusals(passphrase)), refusals(passphrase)


def test_one_like_the_users_own_names_is_refused() -> None:
    settings()
    found = refusals("wilhelmina1", username="mina", full_name="Wilhelmina Okonkwo")
    assert "This passphrase is too similar to the full name." in found


@pytest.mark.parametrize(
    ("username", "passphrase"),
    [("admin", "admin-admin1"), ("admin", "Admin2026!"), ("z13", "Z13-z13-z13"), ("rolex", "rolex-rolex1")],
)
def test_one_that_is_little_more_than_a_short_name_is_refused(username: str, passphrase: str) -> None:
    settings()
    found = refusals(passphrase, username=username, full_name="")
    assert "This passphrase is little more than the user's own names." in found


def test_a_name_may_stand_in_a_longer_one() -> None:
    settings()
    assert refusals("admiring lantern 47 admin", username="admin", full_name="") == []
    assert refusals("channel lantern 47", username="ann", full_name="Ann Li") == []


def test_the_shortest_length_is_the_committed_one() -> None:
    settings(minimum_length=20)
    assert refusals("correct horse 9") == ["This passphrase is too short: it must have at least 20 characters."]


def test_no_sentence_says_password() -> None:
    settings()
    said = [message for text in ("", "password", "12345678", "ann", "abcabcabc") for message in refusals(text)]
    said += password_validators_help_texts()
    assert said
    assert not [text for text in said if "password" in text.lower()]


@pytest.mark.parametrize("minimum_length", [8, 17, 64, 128])
def test_a_generated_passphrase_passes_every_rule_and_never_comes_twice(minimum_length: int) -> None:
    settings(minimum_length=minimum_length)
    made = {passphrases.generated() for _attempt in range(20)}
    assert len(made) == 20
    assert [refusals(passphrase) for passphrase in made] == [[]] * 20


def test_a_passphrase_expires_when_its_days_are_over_and_never_with_none() -> None:
    day = timedelta(days=1)
    assert not passphrases.has_expired(THEN, after_days=30, now=THEN + 30 * day - timedelta(seconds=1))
    assert passphrases.has_expired(THEN, after_days=30, now=THEN + 30 * day)
    assert not passphrases.has_expired(THEN, after_days=0, now=THEN + 10_000 * day)
