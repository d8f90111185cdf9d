"""How a message finds its incoming mail policies: pure, immutable, indexed (seg-webui 3.5 to 3.7).

Decisions where the reference leaves room:

- Recipient entries are about *the message's* envelope recipients, as the tables of the dialog say. "Only if all
  conditions match" holds when every entry matches some recipient of the message; the member then takes those
  recipients that match at least one entry. "If one or more conditions match" takes recipients that match an entry.
- "Following Recipients are Not" is NOT (a AND b): it fails, for the whole message, when every entry matches some
  recipient of it. A recipient that itself matches one of several such entries is not left out for that; nothing is
  added to the documented condition. No entries mean no condition.
- Sender entries are compared with the envelope sender, then From, then Reply-To. A message is from X when any of
  the three is X; the order would only say which of them is named. "Following Senders are Not" is the negation: it
  holds when none of the three matches any entry. A missing or null identity matches no entry.
- "Following" with no entries matches nobody, "Not" with no entries everybody.
- A quoted local part is compared by what it means, so that `"joe"@example.com` cannot evade a policy for `joe@`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from seg_console.mail.addresses import AddressError, check_address, check_domain, check_local_part
from seg_console.mail.lines import printable

DEFAULT_POLICY_UID = "00000000-0000-0000-0000-000000000001"
DEFAULT_POLICY_NAME = "DEFAULT"
"""Its name in the mail log (mail-logs 5); pages call it "Default Policy"."""

_QUOTED_PAIR = re.compile(r"\\(.)")
_TO_QUOTE = re.compile(r'["\\]')
_UNQUOTED = re.compile(r'[^\s"()<>,:;@.\\\[\]]+(?:\.[^\s"()<>,:;@.\\\[\]]+)*')


@dataclass(frozen=True, slots=True)
class SenderCondition:
    """Who sends. `entries` are joined by OR; "not" negates the whole of it."""

    match: Literal["any", "following", "not"] = "any"
    entries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecipientCondition:
    """Who receives; `except_` is "Following Recipients are Not", joined to the rest by AND."""

    match: Literal["any", "following"] = "any"
    join: Literal["all", "any"] = "all"
    entries: tuple[str, ...] = ()
    except_: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """One row of a policy's Users table: a pair of conditions that must both hold."""

    senders: SenderCondition = SenderCondition()
    recipients: RecipientCondition = RecipientCondition()


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy matches where any one of its members does; without members it matches nobody."""

    uid: str
    name: str
    members: tuple[Member, ...]


DEFAULT_POLICY = Policy(DEFAULT_POLICY_UID, DEFAULT_POLICY_NAME, (Member(),))


@dataclass(frozen=True, slots=True)
class Part:
    """The recipients of one message that fall to one policy."""

    policy: Policy
    rids: tuple[int, ...]
    """Indexes into the recipients given, ascending."""


class _Takers(NamedTuple):
    """Numbers of the members that a recipient's key leads to, apart by what they ask of the sender."""

    from_others: tuple[int, ...]
    """Ascending; from any sender, or from all but those named."""
    from_named: frozenset[int]


class PolicyTable:
    """The incoming table, built once per configuration and shared by every message.

    An address has a handful of keys, one per form of entry that would match it (`joe@example.com`, `joe@`,
    `@example.com`, `@.com`), so looking them up replaces comparing with every entry. Members are numbered in table
    order; the smallest number that holds wins, and DEFAULT_POLICY stands behind them all.
    """

    def __init__(self, policies: Sequence[Policy]) -> None:
        self.policies: tuple[Policy, ...] = tuple(policies)
        """As given: in table order, without the Default Policy."""
        self._policy_of = [policy for policy in self.policies for _ in policy.members]
        self._order = {id(policy): position for position, policy in enumerate((*self.policies, DEFAULT_POLICY))}
        members = [member for policy in self.policies for member in policy.members]
        named: dict[str, list[int]] = defaultdict(list)
        barred: dict[str, list[int]] = defaultdict(list)
        received: dict[str, list[int]] = defaultdict(list)
        opened: list[int] = []
        conditions: dict[int, tuple[frozenset[str], frozenset[str]]] = {}
        for number, member in enumerate(members):
            if member.senders.match != "any":
                _enter(named if member.senders.match == "following" else barred, member.senders.entries, number)
            if member.recipients.match == "any":
                opened.append(number)
            else:
                _enter(received, member.recipients.entries, number)
            required, excluded = _required(member.recipients), _entry_keys(member.recipients.except_)
            if required or excluded:
                conditions[number] = (required, excluded)
        from_named = frozenset(n for n, member in enumerate(members) if member.senders.match == "following")
        self._named = dict(named)
        self._barred = dict(barred)
        self._conditions = conditions
        self._open = _takers(opened, from_named)
        self._by_recipient = {key: _takers(numbers, from_named) for key, numbers in received.items()}

    def match(self, senders: Sequence[str], recipients: Sequence[str]) -> list[Policy]:
        """The policy of each recipient, in the order given.

        `senders` are envelope sender, From and Reply-To mailboxes, any of them "". All `recipients` of the message
        have to be given at once: conditions may ask who else receives it.
        """
        if not self._policy_of:
            return [DEFAULT_POLICY] * len(recipients)
        message = _Message(self, senders, recipients)
        return [self._policy(message.first(keys)) for keys in message.keys]

    def split(self, senders: Sequence[str], recipients: Sequence[str]) -> list[Part]:
        """Recipients grouped by policy, in table order: more than one part means the message splits."""
        rids: dict[int, list[int]] = defaultdict(list)
        found = self.match(senders, recipients)
        for rid, policy in enumerate(found):
            rids[self._order[id(policy)]].append(rid)
        return [Part(found[rids[order][0]], tuple(rids[order])) for order in sorted(rids)]

    def _policy(self, number: int) -> Policy:
        return self._policy_of[number] if number < len(self._policy_of) else DEFAULT_POLICY


class _Message:
    """One message held against the table; answers about a member are kept for its other recipients."""

    __slots__ = ("_answers", "_barred", "_first_open", "_named", "_received", "_table", "keys")

    def __init__(self, table: PolicyTable, senders: Sequence[str], recipients: Sequence[str]) -> None:
        self._table = table
        self.keys = [_keys(recipient) for recipient in recipients]
        self._received: set[str] | None = None
        self._answers: dict[int, bool] = {}
        sender_keys = {key for sender in senders if sender for key in _keys(sender)}
        self._named = _numbers(table._named, sender_keys)
        self._barred = _numbers(table._barred, sender_keys)
        self._first_open = self._first_taker(table._open, len(table._policy_of))

    def first(self, keys: list[str]) -> int:
        """Number of the first member that takes the recipient with these keys; past the last when none does."""
        best = self._first_open
        index = self._table._by_recipient
        for key in keys:
            takers = index.get(key)
            if takers is not None:
                best = self._first_taker(takers, best)
        return best

    def _first_taker(self, takers: _Takers, best: int) -> int:
        """The first of the takers that takes this message, if it is before `best`; else `best`."""
        if takers.from_others:
            best = self._first_holding(takers.from_others, best)
        if takers.from_named and self._named:
            best = self._first_holding(sorted(takers.from_named & self._named), best)
        return best

    def _first_holding(self, numbers: Sequence[int], best: int) -> int:
        barred, conditions = self._barred, self._table._conditions
        for number in numbers:
            if number >= best:
                break
            if number not in barred and (number not in conditions or self._holds(number)):
                return number
        return best

    def _holds(self, number: int) -> bool:
        """Whether the member's conditions on the recipients as a whole hold: "all" and "not"."""
        holds = self._answers.get(number)
        if holds is None:
            if self._received is None:
                self._received = {key for keys in self.keys for key in keys}
            required, excluded = self._table._conditions[number]
            holds = required <= self._received and not (excluded and excluded <= self._received)
            self._answers[number] = holds
        return holds


def check_entry(text: str) -> str:
    """One entry of a policy member, blanks around it dropped, in lower case.

    Forms: `user@example.com`, `user@` (that local part anywhere), `@example.com` (the domain, not its sub-domains),
    `@.example.com` (any sub-domain). Raises AddressError.
    """
    entry = text.strip()
    local, at, domain = entry.rpartition("@")
    if not at or entry == "@" or "*" in entry or re.search(r"\s", entry):
        raise AddressError(
            '"%(entry)s" is not an entry: '
            "write user@example.com, user@, @example.com or @.example.com (any sub-domain).",
            entry=printable(entry)[:80],
        )
    if local and domain:
        return _plain(check_address(entry).lower())
    if local:
        return _plain(check_local_part(local, whole=entry).lower() + "@")
    if domain.startswith("."):
        return "@." + check_domain(domain[1:])
    return "@" + check_domain(domain)


def _required(condition: RecipientCondition) -> frozenset[str]:
    """Entries that must all be met by the message's recipients."""
    if condition.match == "any" or condition.join == "any":
        return frozenset()
    return _entry_keys(condition.entries)


def _entry_keys(entries: Iterable[str]) -> frozenset[str]:
    return frozenset(_plain(entry.lower()) for entry in entries)


def _enter(index: dict[str, list[int]], entries: Iterable[str], number: int) -> None:
    for key in _entry_keys(entries):
        index[key].append(number)


def _takers(numbers: Sequence[int], from_named: frozenset[int]) -> _Takers:
    return _Takers(tuple(n for n in numbers if n not in from_named), from_named.intersection(numbers))


def _numbers(index: Mapping[str, Sequence[int]], keys: Iterable[str]) -> set[int]:
    found: set[int] = set()
    for key in keys:
        if key in index:
            found.update(index[key])
    return found


def _keys(address: str) -> list[str]:
    """Every entry that would match this address."""
    address = address.lower()
    if address.startswith('"'):
        address = _plain(address)
    local, at, domain = address.rpartition("@")
    if not at:
        return [address + "@"]
    keys = [address, local + "@", "@" + domain]
    dot = domain.find(".")
    while dot >= 0:
        keys.append("@" + domain[dot:])
        dot = domain.find(".", dot + 1)
    return keys


def _plain(address: str) -> str:
    """The address with its local part in the least quoted spelling (RFC 5321 section 4.1.2: all mean the same)."""
    if not address.startswith('"'):
        return address
    local, _, domain = address.rpartition("@")
    if len(local) < 3 or not local.endswith('"'):
        return address
    meaning = _QUOTED_PAIR.sub(r"\1", local[1:-1])
    if not _UNQUOTED.fullmatch(meaning):
        meaning = '"' + _TO_QUOTE.sub(r"\\\g<0>", meaning) + '"'
    return f"{meaning}@{domain}"
