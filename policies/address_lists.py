"""Address lists in policy members: an entry `list:Partners` stands for the entries of the list Partners.

It is as if they were typed in its place, so "Only if all conditions match" asks for every one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from policies.matching import check_entry
from seg_console.mail.addresses import AddressError
from seg_console.mail.lines import visible

PREFIX = "list:"
LONGEST_NAME = 64
NAME_PATTERN = r"[\w-]+(?: [\w-]+)*"
_NAME = re.compile(NAME_PATTERN)

Lists = Mapping[str, tuple[str, ...]]
"""Entries by the list's name, case-folded."""


def reference(name: str) -> str:
    """The entry that stands for a list."""
    return PREFIX + name


def name_in(entry: str) -> str | None:
    """The name of the list that an entry stands for; None if it is an address or a part of one."""
    return entry[len(PREFIX) :].strip() if entry[: len(PREFIX)].casefold() == PREFIX else None


def check_member_entry(text: str) -> str:
    """An entry of a policy member: one of `check_entry`, or `list:` and a name. Raises AddressError."""
    name = name_in(text.strip())
    if name is None:
        return check_entry(text)
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise AddressError(
            '"%(entry)s" does not name an address list: write list: and the name of the list.',
            entry=visible(text.strip())[:80],
        )
    return reference(name)


def expanded(entries: Iterable[str], lists: Lists) -> tuple[str, ...]:
    """The entries with those of their lists in place of the references. Raises KeyError for a list there is not."""
    return tuple(_expanded(entries, lists))


def names_in(entries: Iterable[str]) -> set[str]:
    """The case-folded names of the lists that are referred to."""
    return {name.casefold() for entry in entries if (name := name_in(entry)) is not None}


def renamed(entries: Iterable[str], *, old: str, new: str) -> list[str]:
    """The entries with references to the list `old` referring to `new`."""
    return [reference(new) if (name_in(entry) or "").casefold() == old.casefold() else entry for entry in entries]


def _expanded(entries: Iterable[str], lists: Lists) -> Iterator[str]:
    for entry in entries:
        name = name_in(entry)
        if name is None:
            yield entry
        else:
            yield from lists[name.casefold()]
