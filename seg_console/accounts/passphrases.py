"""What a passphrase must be, as validators in Django's manner (AUTH_PASSWORD_VALIDATORS), in the console's own words.

They hold wherever a person chooses a passphrase: on the console's pages and at the command line. What
SEG_ADMIN_PASSPHRASE gives is taken as it is.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.contrib.auth.password_validation import (
    CommonPasswordValidator,
    NumericPasswordValidator,
    UserAttributeSimilarityValidator,
)
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from zxcvbn import zxcvbn

from seg_console.accounts.document import account_settings
from seg_console.config import running

LONGEST_PASSPHRASE = 128
# zxcvbn's scale from 0 to 4. 2 withstands guessing at the throttled sign-in page, and eight random characters reach it.
LEAST_STRENGTH = 2
# A longer passphrase is judged by its beginning: many substitutes (@ for a) cost zxcvbn seconds in a long one.
LONGEST_JUDGED = 32
GENERATED_BYTES = 12  # 16 characters, 96 bits
# Shorter parts of names stand in many words.
SHORTEST_NAME = 3
LEAST_BESIDE_NAMES = 6

_PATTERNS = {
    "sequence": _("It holds a sequence like abc or 6543. Add a word or two that nobody expects."),
    "repeat": _("It repeats characters or words. Add a word or two that nobody expects."),
    "spatial": _("It holds a row of keys next to each other. Add a word or two that nobody expects."),
    "date": _("It holds a date, which is easy to guess. Add a word or two that nobody expects."),
    "regex": _("It holds a year, which is easy to guess. Add a word or two that nobody expects."),
    "dictionary": _("It is made of common words or names. Add a word or two that nobody expects."),
}
_SHORT = _("It is too short for what it is made of. Add a word or two that nobody expects.")


class Owner(Protocol):
    """Whose passphrase it is."""

    username: str
    full_name: str


def generated() -> str:
    """A new random passphrase that passes every rule, whatever the shortest length is."""
    shortest = account_settings(running.current().document).minimum_length
    return secrets.token_urlsafe(max(GENERATED_BYTES, -(-shortest * 3 // 4)))


def has_expired(changed_at: datetime, *, after_days: int, now: datetime) -> bool:
    """Whether a passphrase set at `changed_at` is too old; `after_days` 0: it never is."""
    return after_days > 0 and now >= changed_at + timedelta(days=after_days)


class LengthValidator:
    """As long as the committed Account Settings say."""

    def validate(self, password: str, user: Owner | None = None) -> None:
        shortest = account_settings(running.current().document).minimum_length
        if len(password) < shortest:
            raise ValidationError(
                ngettext(
                    "This passphrase is too short: it must have at least %(n)d character.",
                    "This passphrase is too short: it must have at least %(n)d characters.",
                    shortest,
                ),
                code="passphrase_too_short",
                params={"n": shortest},
            )
        if len(password) > LONGEST_PASSPHRASE:
            raise ValidationError(
                _("This passphrase is too long: it may have at most %(n)d characters."),
                code="passphrase_too_long",
                params={"n": LONGEST_PASSPHRASE},
            )

    def get_help_text(self) -> str:
        shortest = account_settings(running.current().document).minimum_length
        return ngettext("At least %(n)d character.", "At least %(n)d characters.", shortest) % {"n": shortest}


class CharactersValidator:
    """No control characters: nobody could type them again."""

    def validate(self, password: str, user: Owner | None = None) -> None:
        if any(unicodedata.category(character) == "Cc" for character in password):
            raise ValidationError(_("A passphrase holds no control characters."), code="passphrase_characters")

    def get_help_text(self) -> str:
        return ""


class SimilarityValidator(UserAttributeSimilarityValidator):
    """Not much like the user's own names."""

    def __init__(self) -> None:
        super().__init__(user_attributes=("username", "full_name"))

    def validate(self, password: str, user: Any = None) -> None:
        super().validate(password, user)
        # Django's measure of likeness is diluted by whatever stands around a short name.
        if user and _is_little_more_than_names(password, [user.username, *user.full_name.split()]):
            raise ValidationError(
                _now("This passphrase is little more than the user's own names."), "password_of_names"
            )

    def get_error_message(self) -> str:
        return _now("This passphrase is too similar to the %(verbose_name)s.")

    def get_help_text(self) -> str:
        return _now("Not similar to the user's names.")


def _is_little_more_than_names(password: str, names: Iterable[str]) -> bool:
    """Whether fewer than LEAST_BESIDE_NAMES letters and digits are left of it without the names that are in it."""
    whole = rest = password.casefold()
    for name in sorted(map(str.casefold, names), key=len, reverse=True):
        rest = rest.replace(name, "") if len(name) >= SHORTEST_NAME else rest
    return rest != whole and sum(map(str.isalnum, rest)) < LEAST_BESIDE_NAMES


class CommonValidator(CommonPasswordValidator):
    """None of the 20,000 that most people use."""

    def get_error_message(self) -> str:
        return _now("This passphrase is too common.")

    def get_help_text(self) -> str:
        return _now("Not one that many people use.")


class NumericValidator(NumericPasswordValidator):
    """Not digits alone."""

    def get_error_message(self) -> str:
        return _now("This passphrase is made of digits only.")

    def get_help_text(self) -> str:
        return _now("Not made of digits only.")


class StrengthValidator:
    """Hard enough to guess, as zxcvbn estimates it; what makes it easy is said."""

    def validate(self, password: str, user: Owner | None = None) -> None:
        if not password:
            return  # zxcvbn knows no empty one, and the length has said it
        names = [user.username, *user.full_name.split()] if user else []
        found = zxcvbn(password[:LONGEST_JUDGED], user_inputs=[name for name in names if name])
        if found["score"] >= LEAST_STRENGTH:
            return
        longest = max(found["sequence"], key=lambda match: len(match["token"]), default={"pattern": ""})
        reason = _PATTERNS.get(longest["pattern"], _SHORT)
        raise ValidationError(
            _("This passphrase is too easy to guess. %(reason)s"),
            code="passphrase_too_weak",
            params={"reason": reason},
        )

    def get_help_text(self) -> str:
        return _now("Several uncommon words are easy to remember and hard to guess.")
