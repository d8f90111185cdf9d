"""A form that somebody sent after their session had ended: kept, signed, until they are signed in again.

It travels in the sign-in page itself and names its user. Never carried: files, passphrases, tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from django.core import signing
from django.http import HttpRequest

SALT = "seg_console.accounts.carried"
# A form of everyday size fits many times over; a configuration file is better chosen again.
MOST_CHARACTERS = 1_000_000
KEPT_S = 24 * 3600
TOKEN = "csrfmiddlewaretoken"
# A test holds every passphrase field of the console's forms to this.
SECRET_PARTS = ("pass", "secret")
SECRET_NAMES = frozenset({"old", "again"})


class Carried(NamedTuple):
    """`url`: where the form goes, path and query. `fields`: name and value as they were sent, in their order.
    `left_out`: names of files and of passphrase fields."""

    user_pk: str
    url: str
    fields: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]

    @property
    def is_too_large(self) -> bool:
        return sum(len(name) + len(value) for name, value in self.fields) > MOST_CHARACTERS

    @property
    def is_worth_it(self) -> bool:
        """Whether sending it again makes sense: nothing but passphrases or files is better begun anew."""
        return bool(self.fields) or not self.left_out


def carried_from(request: HttpRequest, user_pk: str) -> Carried:
    sent = [(name, value) for name, values in request.POST.lists() for value in values if name != TOKEN]
    return Carried(
        user_pk=user_pk,
        url=request.get_full_path(),
        fields=tuple((name, value) for name, value in sent if not is_secret(name)),
        left_out=_names([*(name for name, _value in sent if is_secret(name)), *request.FILES]),
    )


def seal(carried: Carried) -> str:
    return signing.dumps(list(carried), salt=SALT, compress=True)


def unseal(text: str) -> Carried | None:
    """What `seal` made; None for anything else, and for what is older than a day."""
    try:
        user_pk, url, fields, left_out = signing.loads(text, salt=SALT, max_age=KEPT_S)
    except signing.BadSignature:
        return None
    return Carried(user_pk, url, tuple((name, value) for name, value in fields), tuple(left_out))


def is_secret(name: str) -> bool:
    """Whether a field of this name may hold a passphrase."""
    plain = name.casefold().rpartition("-")[2]
    return plain in SECRET_NAMES or any(part in plain for part in SECRET_PARTS)


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
