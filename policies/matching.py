"""How a message finds its incoming mail policies: pure, immutable, indexed (seg-webui 3.5 to 3.7).

Decisions where the reference leaves room:

- Recipient entries are about *the message's* envelope recipients, as the tables of the dialog say. "Only if all
  conditions match" holds when every entry matches some recipient of the message; the member then takes those
  recipients that match at least one entry. "If one or more conditions match" takes recipients that match an entry.
- "Following Recipients are Not" is NOT (a AND b): it fails, for the whole message, when every entry matches some
  recipient of it. A recipient that itself matches one of several such entries is not left out for that; nothing is
  added to the documented condition. No entries mean no condition.
- Who a message is from is said by several headers, each of them in one of the priorities of Mail Policy Settings. The
  table is gone through once for each priority, with the headers of that priority alone: a policy that matches by a
  header of the first priority wins over every policy that matches by one of the second, wherever the two stand. Only
  within one priority the order of the table decides.
- "Any Sender" asks for no header, so it takes in the first round. "Following Senders are Not" holds when no header of
  any priority matches an entry; it too takes in the first round. A missing header or null sender matches no entry.
- "Following" with no entries matches nobody, "Not" with no entries everybody.
- Addresses are compared by their `address_key`, so that `"joe"@example.com` cannot evade a policy for `joe@`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple, get_args

from seg_console.mail.addresses import AddressError, address_key, check_address, check_domain, check_local_part
from seg_console.mail.lines import visible

DEFAULT_POLICY_UID = "00000000-0000-0000-0000-000000000001"
DEFAULT_POLICY_NAME = "DEFAULT"
"""Its name in the mail log (mail-logs 5); pages call it "Default Policy"."""

SenderHeader = Literal["envelope_sender", "from", "reply_to", "sender"]
SenderMatchWord = Literal["any", "following", "not"]
RecipientMatchWord = Literal["any", "following"]
JoinWord = Literal["all", "any"]
SENDER_HEADERS: tuple[SenderHeader, ...] = get_args(SenderHeader)
"""What may say who a message is from, in the order of `Senders`."""
SenderPriorities = Sequence[Sequence[SenderHeader]]
DOCUMENTED_PRIORITIES: tuple[tuple[SenderHeader, ...], ...] = (("envelope_sender",), ("from",), ("reply_to",))
"""seg-webui 3.6: the envelope sender, then From, then Reply-To."""
ONE_PRIORITY: tuple[tuple[SenderHeader, ...], ...] = (SENDER_HEADERS,)


class Senders(NamedTuple):
    """The mailbox in each header that may say who a message is from; "" where there is none."""

    envelope_sender: str = ""
    from_address: str = ""
    reply_to: str = ""
    sender: str = ""


@dataclass(frozen=True, slots=True)
class SenderCondition:
    """Who sends. `entries` are joined by OR; "not" negates the whole of it."""

    match: SenderMatchWord = "any"
    entries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecipientCondition:
    """Who receives; `except_` is "Following Recipients are Not", joined to the rest by AND."""

    match: RecipientMatchWord = "any"
    join: JoinWord = "all"
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

    def __init__(self, policies: Sequence[Policy], priorities: SenderPriorities = ONE_PRIORITY) -> None:
        """`priorities`: the headers that say who a message is from, the most important first; a header that is in
        none of them is not looked at."""
        self.policies: tuple[Policy, ...] = tuple(policies)
        """As given: in table order, without the Default Policy."""
        self.priorities: tuple[tuple[SenderHeader, ...], ...] = tuple(tuple(headers) for headers in priorities)
        self._rounds = [[SENDER_HEADERS.index(header) for header in headers] for headers in self.priorities]
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
            required, excluded = _required(member.recipients), entry_keys(member.recipients.except_)
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

        `senders` are mailboxes in the order of `Senders`, any of them "", those at the end left out if need be. All
        `recipients` of the message have to be given at once: conditions may ask who else receives it.
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
        # By priority: the keys of its headers' mailboxes.
        sender_keys = [
            {key for index in indexes if index < len(senders) and senders[index] for key in _keys(senders[index])}
            for indexes in table._rounds
        ]
        first, *others = [_numbers(table._named, keys) for keys in sender_keys]
        # The members that each priority's headers name, without those that name nobody.
        self._named = [first, *filter(None, others)]
        self._barred = _numbers(table._barred, set().union(*sender_keys)) if table._barred else set()
        self._first_open = self._first_taker(table._open, len(table._policy_of), first)

    def first(self, keys: list[str]) -> int:
        """Number of the first member that takes the recipient with these keys; past the last when none does."""
        none = len(self._table._policy_of)
        index = self._table._by_recipient
        found = [index[key] for key in keys if key in index]
        best = self._first_open
        for takers in found:
            best = self._first_taker(takers, best, self._named[0])
        for named in self._named[1:]:
            if best < none:
                break
            # Members that need no header of the sender's have had their turn.
            for takers in (self._table._open, *found):
                best = self._first_named(takers, best, named)
        return best

    def _first_taker(self, takers: _Takers, best: int, named: set[int]) -> int:
        """The first of the takers that takes this message, if it is before `best`; else `best`."""
        if takers.from_others:
            best = self._first_holding(takers.from_others, best)
        return self._first_named(takers, best, named)

    def _first_named(self, takers: _Takers, best: int, named: set[int]) -> int:
        if takers.from_named and named:
            return self._first_holding(sorted(takers.from_named & named), best)
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


class Miss(Enum):
    """Why a member does not take a recipient."""

    NOT_FROM = "no header that is looked at matches an entry of Following Senders"
    BARRED = "a header matches an entry of Following Senders are Not"
    NOT_TO = "the recipient matches no entry of Following Recipients"
    NOT_ALL = "all conditions must match, and some entry matches no recipient of the message"
    EXCEPTED = "every entry of Following Recipients are Not matches some recipient of the message"
    OUTRANKED = "it would take the recipient, by a header of a lower priority than the policy that does"


@dataclass(frozen=True, slots=True)
class MemberMiss:
    """Why one member, `number` from 1 in its policy, passed a recipient by.

    `entries` decided it: those that matched (BARRED, EXCEPTED, OUTRANKED) or those that no recipient matched (NOT_ALL).
    `header` is where the sender was found (BARRED, OUTRANKED), `priority` that header's, from 1 (OUTRANKED).
    """

    number: int
    miss: Miss
    entries: tuple[str, ...] = ()
    header: SenderHeader | None = None
    priority: int = 0


@dataclass(frozen=True, slots=True)
class PassedBy:
    """A policy that stands before the one that takes a recipient; one without members has no misses."""

    policy: Policy
    misses: tuple[MemberMiss, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Which policy takes a recipient and by what; DEFAULT_POLICY takes it by nothing.

    `number`: of the member, from 1 (0: none). `header`, `priority` and `sender_entries`: what the sender matched; None,
    0 and () where the member asks for no sender. `entries`: what the recipient matched, () where any recipient will
    do. `passed_by`: every policy that stands before it.
    """

    recipient: str
    policy: Policy
    number: int
    header: SenderHeader | None
    priority: int
    sender_entries: tuple[str, ...]
    entries: tuple[str, ...]
    passed_by: tuple[PassedBy, ...]


def explain(table: PolicyTable, senders: Sequence[str], recipients: Sequence[str]) -> list[Explanation]:
    """For each recipient, in the order given: the policy that `table.match` finds, and why those before it were passed.

    Reads the conditions word by word instead of asking the index, so it is slow and serves as a check of it.
    """
    keys = [frozenset(_keys(recipient)) for recipient in recipients]
    received = frozenset().union(*keys)
    froms = {
        (place, number): _said_of_sender(member, table.priorities, senders)
        for place, policy in enumerate(table.policies)
        for number, member in enumerate(policy.members, start=1)
    }
    return [
        _explanation(table, recipient, own, received=received, froms=froms)
        for recipient, own in zip(recipients, keys, strict=True)
    ]


class _From(NamedTuple):
    """What a member says of the sender: `holds`, in the round `priority` (from 1), by which entries in which header."""

    holds: bool
    priority: int = 1
    entries: tuple[str, ...] = ()
    header: SenderHeader | None = None


_Place = tuple[int, int]


def _said_of_sender(member: Member, priorities: SenderPriorities, senders: Sequence[str]) -> _From:
    condition = member.senders
    if condition.match == "any":
        return _From(True)
    found = next(_headers_matched(condition.entries, priorities, senders), None)
    if condition.match == "not":
        return _From(True) if found is None else found._replace(holds=False)
    return found or _From(False)


def _headers_matched(entries: tuple[str, ...], priorities: SenderPriorities, senders: Sequence[str]) -> Iterator[_From]:
    """The headers that match one of the entries, the most important first."""
    for priority, headers in enumerate(priorities, start=1):
        for header in headers:
            index = SENDER_HEADERS.index(header)
            mailbox = senders[index] if index < len(senders) else ""
            matched = _matched(entries, frozenset(_keys(mailbox))) if mailbox else ()
            if matched:
                yield _From(True, priority, matched, header)


def _explanation(
    table: PolicyTable,
    recipient: str,
    keys: frozenset[str],
    *,
    received: frozenset[str],
    froms: Mapping[_Place, _From],
) -> Explanation:
    misses: dict[_Place, MemberMiss] = {}
    taken: list[tuple[int, _Place]] = []
    for place, policy in enumerate(table.policies):
        for number, member in enumerate(policy.members, start=1):
            sender = froms[place, number]
            miss = _miss(number, member, sender, keys, received)
            if miss:
                misses[place, number] = miss
            else:
                taken.append((sender.priority, (place, number)))
                misses[place, number] = MemberMiss(
                    number, Miss.OUTRANKED, sender.entries, sender.header, sender.priority
                )
    _priority, (winner, number) = min(taken, default=(0, (len(table.policies), 0)))
    passed = tuple(
        PassedBy(policy, tuple(misses[place, member] for member in range(1, len(policy.members) + 1)))
        for place, policy in enumerate(table.policies[:winner])
    )
    if not taken:
        return Explanation(recipient, DEFAULT_POLICY, 0, None, 0, (), (), passed)
    policy, sender = table.policies[winner], froms[winner, number]
    condition = policy.members[number - 1].recipients
    matched = _matched(condition.entries, keys) if condition.match == "following" else ()
    named = sender.header is not None
    return Explanation(
        recipient, policy, number, sender.header, sender.priority if named else 0, sender.entries, matched, passed
    )


def _miss(
    number: int, member: Member, sender: _From, keys: frozenset[str], received: frozenset[str]
) -> MemberMiss | None:
    """Why the member does not take the recipient with these keys in any round; None if it does in one."""
    if not sender.holds:
        miss = Miss.BARRED if member.senders.match == "not" else Miss.NOT_FROM
        return MemberMiss(number, miss, sender.entries, sender.header)
    condition = member.recipients
    if condition.match == "following" and not _matched(condition.entries, keys):
        return MemberMiss(number, Miss.NOT_TO)
    missing = tuple(entry for entry in condition.entries if not _matched((entry,), received))
    if condition.match == "following" and condition.join == "all" and missing:
        return MemberMiss(number, Miss.NOT_ALL, missing)
    if condition.except_ and len(_matched(condition.except_, received)) == len(condition.except_):
        return MemberMiss(number, Miss.EXCEPTED, condition.except_)
    return None


def _matched(entries: Iterable[str], keys: frozenset[str]) -> tuple[str, ...]:
    """Those entries that match the address, or one of the addresses, with these keys."""
    return tuple(entry for entry in entries if address_key(entry) in keys)


def check_entry(text: str) -> str:
    """One entry of a policy member, blanks around it dropped, in lower case.

    Forms: `user@example.com`, `user@` (that local part anywhere), `@example.com` (the domain, not its sub-domains),
    `@.example.com` (any sub-domain). Raises AddressError.
    """
    entry = text.strip()
    local, at, domain = entry.rpartition("@")
    blank = re.search(r"\s", domain if local.startswith('"') else entry)
    if not at or entry == "@" or "*" in entry or blank:
        raise AddressError(
            '"%(entry)s" is not an entry: '
            "write user@example.com, user@, @example.com or @.example.com (any sub-domain).",
            entry=visible(entry)[:80],
        )
    if local and domain:
        return check_address(entry).lower()
    if local:
        return check_local_part(local, whole=entry).lower() + "@"
    if domain.startswith("."):
        return "@." + check_domain(domain[1:])
    return "@" + check_domain(domain)


def _required(condition: RecipientCondition) -> frozenset[str]:
    """Entries that must all be met by the message's recipients."""
    if condition.match == "any" or condition.join == "any":
        return frozenset()
    return entry_keys(condition.entries)


def entry_keys(entries: Iterable[str]) -> frozenset[str]:
    """The entries as they are compared: those that mean the same are the same."""
    return frozenset(address_key(entry) for entry in entries)


def covering_entries(entry: str) -> list[str]:
    """Every entry that matches whatever this one matches, as they are compared; itself among them."""
    key = address_key(entry)
    if key.endswith("@"):
        return [key]
    if key.startswith("@"):
        return [key, *_parents(key.lstrip("@."))]
    return _keys(key)


def _enter(index: dict[str, list[int]], entries: Iterable[str], number: int) -> None:
    for key in entry_keys(entries):
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
    address = address_key(address)
    local, at, domain = address.rpartition("@")
    if not at:
        return [address + "@"]
    return [address, local + "@", "@" + domain, *_parents(domain)]


def _parents(domain: str) -> list[str]:
    """The entries for sub-domains that match the domain: `@.corp.example` and `@.example` for `a.corp.example`."""
    keys = []
    dot = domain.find(".")
    while dot >= 0:
        keys.append("@" + domain[dot:])
        dot = domain.find(".", dot + 1)
    return keys
