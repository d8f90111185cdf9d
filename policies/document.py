"""The sections `address_lists`, `incoming_mail_policies`, `default_policy` and `mail_policy_settings`."""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Annotated, Any
from uuid import UUID

from django.utils.translation import gettext as _
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from policies.address_lists import check_member_entry, name_in
from policies.matching import (
    DEFAULT_POLICY_UID,
    DOCUMENTED_PRIORITIES,
    JoinWord,
    RecipientMatchWord,
    SenderHeader,
    SenderMatchWord,
    check_entry,
)
from policies.models import (
    LONGEST_DESCRIPTION,
    LONGEST_NAME,
    NAME_PATTERN,
    NAME_RULE,
    RESERVED_NAMES,
    AddressList,
    IncomingMailPolicy,
    MailPolicySettings,
    PolicyMember,
)
from seg_console.config import registry
from seg_console.config.checks import only_new
from seg_console.config.models import ConfigurationObject
from seg_console.config.order import STEP, place
from seg_console.config.problems import Problem, path_of
from seg_console.config.registry import (
    ListSection,
    MendedAt,
    ObjectSection,
    Plain,
    Section,
    Shape,
    identity_of,
    repeated,
)
from seg_console.config.rows import Rows

MOST_POLICIES = 1_000
MOST_MEMBERS = 100
MOST_ENTRIES = 10_000
MOST_LISTS = 1_000

Entries = Annotated[tuple[Annotated[str, AfterValidator(check_member_entry)], ...], Field(max_length=MOST_ENTRIES)]


def check_name(name: str) -> str:
    """The name of a policy or of an address list. Raises ValueError with a sentence."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise ValueError(str(NAME_RULE))
    return name


Name = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(check_name)]


def check_description(text: str) -> str:
    """One line of text, or nothing. Raises ValueError with a sentence."""
    if not text.isprintable():
        raise ValueError(_("give one line of text without control characters."))
    return text


def _fitting(entries: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    """Entries go with a match that uses them, and such a match needs some."""
    match = info.data.get("match")
    if match == "any" and entries:
        raise ValueError(_("leave the entries out, or give another match than any."))
    if match in {"following", "not"} and not entries:
        raise ValueError(_("give at least one entry, or the match any."))
    return entries


def _fit_the_page(members: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(members) > MOST_MEMBERS:
        raise ValueError(_("give at most %(max_length)s.") % {"max_length": MOST_MEMBERS})
    return members


class Senders(Shape):
    match: SenderMatchWord = "any"
    entries: Entries = Field(default=(), validate_default=True)

    _fit = field_validator("entries")(_fitting)


class Recipients(Shape):
    match: RecipientMatchWord = "any"
    join: JoinWord = "all"
    entries: Entries = Field(default=(), validate_default=True)
    except_: Entries = Field(default=(), alias="except")

    _fit = field_validator("entries")(_fitting)


class Member(Shape):
    senders: Senders = Senders()
    recipients: Recipients = Recipients()


class Policy(Shape):
    """One policy of the table, in table order; other packages add their services' keys."""

    name: Name
    members: Annotated[tuple[Member, ...], Field(min_length=1), only_new(_fit_the_page)]

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        if name.casefold() in RESERVED_NAMES:
            raise ValueError(_("this name is the Default Policy's; give another one."))
        return name


class DefaultPolicy(Shape):
    """What every recipient falls to that no other policy takes: it has nothing but other packages' keys."""


class NamedList(Shape):
    """An address list; its entries are addresses and parts of them, not other lists."""

    name: Name
    description: Annotated[str, Field(max_length=LONGEST_DESCRIPTION), AfterValidator(check_description)] = ""
    entries: Annotated[
        tuple[Annotated[str, AfterValidator(check_entry)], ...], Field(min_length=1, max_length=MOST_ENTRIES)
    ]


class Settings(Shape):
    """`sender_headers`: a list for each priority, the most important first; a header in none is not looked at."""

    sender_headers: Annotated[
        tuple[Annotated[tuple[SenderHeader, ...], Field(min_length=1)], ...], Field(min_length=1)
    ] = DOCUMENTED_PRIORITIES

    @field_validator("sender_headers")
    @classmethod
    def _each_once(cls, priorities: tuple[tuple[SenderHeader, ...], ...]) -> tuple[tuple[SenderHeader, ...], ...]:
        headers = [header for of_priority in priorities for header in of_priority]
        if len(headers) > len(set(headers)):
            raise ValueError(_("give each header only once."))
        return priorities


class AddressLists(ListSection[NamedList]):
    def check(self, raw: object) -> Iterator[Problem]:
        yield from super().check(raw)
        for index, item in enumerate(raw if isinstance(raw, list) else []):
            entries = item.get("entries") if isinstance(item, dict) else None
            if isinstance(entries, list):
                yield from _given_twice(path_of(self.key, index, "entries"), entries)


class IncomingMailPolicies(ListSection[Policy]):
    """A policy is found again by its name, whatever its case, and its members by their place in the list."""

    identified = True
    part_models = (PolicyMember,)

    def dump(self, rows: Rows) -> list[tuple[UUID, Plain]]:
        members = _members_by_policy(rows)
        policies = sorted(rows.of(IncomingMailPolicy), key=self.sort_key)
        return [
            (policy.uid, {"name": policy.name, "members": [member.values() for member in members[policy.uid]]})
            for policy in policies
        ]

    def load(self, items: Sequence[Shape], known: Rows) -> tuple[list[UUID], list[ConfigurationObject]]:
        policies = [item for item in items if isinstance(item, Policy)]
        present = {identity_of(row): row for row in known.of(IncomingMailPolicy)}
        same = [present.get(policy.name.casefold()) for policy in policies]
        uids = [row.uid if row else uuid.uuid4() for row in same]
        positions = place([row.position if row else None for row in same])
        rows: list[ConfigurationObject] = [
            IncomingMailPolicy(uid=uid, name=policy.name, position=position)
            for uid, policy, position in zip(uids, policies, positions, strict=True)
        ]
        members = _members_by_policy(known)
        for uid, policy in zip(uids, policies, strict=True):
            rows += _member_rows(uid, policy.members, members[uid])
        return uids, rows

    def check(self, raw: object) -> Iterator[Problem]:
        yield from super().check(raw)
        for path, entries in _entry_lists(self.key, raw):
            yield from _given_twice(path, entries)


class DefaultPolicySection(Section[DefaultPolicy]):
    """No row of its own: the Default Policy is the same in every set."""

    key = "default_policy"
    place = 30
    shape = DefaultPolicy
    model = IncomingMailPolicy
    identified = True
    mended_at = MendedAt("policies:list")

    def dump(self, rows: Rows) -> list[tuple[UUID, Plain]]:
        return [(UUID(DEFAULT_POLICY_UID), {})]

    def load(self, items: Sequence[Shape], known: Rows) -> tuple[list[UUID], list[ConfigurationObject]]:
        return [UUID(DEFAULT_POLICY_UID)], []


def _members_by_policy(rows: Rows) -> defaultdict[UUID, list[PolicyMember]]:
    found: defaultdict[UUID, list[PolicyMember]] = defaultdict(list)
    for member in sorted(rows.of(PolicyMember), key=lambda member: (member.position, member.uid)):
        found[member.policy_uid].append(member)
    return found


def _member_rows(
    policy_uid: UUID, members: Sequence[Member], present: Sequence[PolicyMember]
) -> Iterator[PolicyMember]:
    position = 0
    for member, row in zip_longest(members, present[: len(members)]):
        position = row.position if row else position + STEP
        yield PolicyMember(
            uid=row.uid if row else uuid.uuid4(),
            policy_uid=policy_uid,
            position=position,
            sender_match=member.senders.match,
            sender_entries=list(member.senders.entries),
            recipient_match=member.recipients.match,
            recipient_join=member.recipients.join,
            recipient_entries=list(member.recipients.entries),
            recipient_except=list(member.recipients.except_),
        )


def _entry_lists(key: str, raw: object) -> Iterator[tuple[str, list[Any]]]:
    """Every list of entries in the unvalidated value, with its path."""
    for index, policy in enumerate(raw if isinstance(raw, list) else []):
        members = policy.get("members") if isinstance(policy, dict) else None
        for number, member in enumerate(members if isinstance(members, list) else []):
            for side, name in (("senders", "entries"), ("recipients", "entries"), ("recipients", "except")):
                condition = member.get(side) if isinstance(member, dict) else None
                entries = condition.get(name) if isinstance(condition, dict) else None
                if isinstance(entries, list):
                    yield path_of(key, index, "members", number, side, name), entries


def _given_twice(path: str, entries: list[Any]) -> Iterator[Problem]:
    """Of entries as they are kept: two spellings of one address are one entry."""
    for again, _first in repeated(_as_kept(entry) for entry in entries):
        message = _("%(value)s is in the list already; give each entry only once.")
        yield Problem(f"{path}[{again}]", message % {"value": entries[again]})


def _as_kept(entry: object) -> object:
    """What is no entry stays as it stands: that is somebody else's fault to tell."""
    try:
        return check_entry(entry) if isinstance(entry, str) else entry
    except ValueError:
        return entry


def check_lists_exist(policies: Any, lists: Any) -> Iterator[Problem]:
    """Every list that a member refers to is there. The values are plain, and each valid by itself."""
    known = {item["name"].casefold() for item in lists}
    for path, entries in _entry_lists(INCOMING_MAIL_POLICIES.key, policies):
        for index, entry in enumerate(entries):
            name = name_in(entry.strip())
            if name is not None and name.casefold() not in known:
                message = _("there is no address list %(name)s; add it, or leave this entry out.")
                yield Problem(f"{path}[{index}]", message % {"name": name})


ADDRESS_LISTS = AddressLists(
    "address_lists",
    NamedList,
    AddressList,
    place=15,
    identity="name",
    mended_at=MendedAt("address-lists:list", "address-lists:edit"),
    most=MOST_LISTS,
)
INCOMING_MAIL_POLICIES = IncomingMailPolicies(
    "incoming_mail_policies",
    Policy,
    IncomingMailPolicy,
    place=20,
    identity="name",
    mended_at=MendedAt("policies:list", "policies:edit"),
    ordered=True,
    most=MOST_POLICIES,
)
DEFAULT_POLICY = DefaultPolicySection()
MAIL_POLICY_SETTINGS = ObjectSection(
    "mail_policy_settings", Settings, MailPolicySettings, place=35, mended_at=MendedAt("mail-policy-settings:edit")
)


def register() -> None:
    """Make the sections known; called once, when the app is ready."""
    registry.register(ADDRESS_LISTS)
    registry.register(INCOMING_MAIL_POLICIES)
    registry.register(DEFAULT_POLICY)
    registry.register(MAIL_POLICY_SETTINGS)
    registry.check_together((INCOMING_MAIL_POLICIES.key, ADDRESS_LISTS.key), check_lists_exist)
