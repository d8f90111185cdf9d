"""Which policies can never take a message, because earlier ones provably take everything they could take: pure.

A row of users is covered when, for whatever message it takes a recipient of, a row of an earlier policy takes that
recipient too, in the same round or an earlier one (see `policies.matching`):

- The earlier row has the same condition on the sender, or Any Sender. Equal conditions match by the same header, so in
  the same round; Any Sender takes in the first round, before any header is asked.
- The earlier row asks nothing of the message as a whole: no exceptions, and one of its recipients is enough.
- The earlier row takes any recipient, or one of its entries takes whatever an entry of the later row takes. Different
  entries of the later row may be taken by different policies.

A policy is never reached when each of its rows is covered. This finds the common mistakes, not every case: a policy
that could take a message is never named, one that could not is sometimes passed over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from policies.matching import Member, Policy, SenderCondition, covering_entries, entry_keys

_Sender = tuple[str, frozenset[str]]
_ANY: _Sender = ("any", frozenset())


def never_reached(policies: Sequence[Policy]) -> dict[str, tuple[Policy, ...]]:
    """By uid of a policy that never takes a message: the policies that take its mail first, in table order.

    `policies` in table order, address lists written out. One look-up for each form of entry that could cover an entry;
    a policy is left at its first entry that nothing covers.
    """
    found: dict[str, tuple[Policy, ...]] = {}
    takers = _Takers()
    for place, policy in enumerate(policies):
        covering = takers.of_policy(policy)
        if covering:
            # Whatever it would cover, those that cover it do.
            found[policy.uid] = tuple(policies[at] for at in sorted(covering))
        else:
            takers.add(policy, place)
    return found


class _Takers:
    """Places of the earliest policies that take recipients without asking more of the message."""

    def __init__(self) -> None:
        self._open: dict[_Sender, int] = {}
        self._by_entry: defaultdict[_Sender, dict[str, int]] = defaultdict(dict)

    def add(self, policy: Policy, place: int) -> None:
        for member in policy.members:
            recipients, sender = member.recipients, _sender(member.senders)
            if recipients.except_:
                continue
            if recipients.match == "any":
                self._open.setdefault(sender, place)
                continue
            entries = entry_keys(recipients.entries)
            if recipients.join == "any" or len(entries) == 1:
                index = self._by_entry[sender]
                for entry in entries:
                    index.setdefault(entry, place)

    def of_policy(self, policy: Policy) -> set[int]:
        """Places of the policies that cover all its rows; empty where some row is not covered."""
        covering: set[int] = set()
        for member in policy.members:
            of_member = self._of_member(member)
            if not of_member:
                return set()
            covering |= of_member
        return covering

    def _of_member(self, member: Member) -> set[int]:
        senders = {_ANY, _sender(member.senders)}
        first_open = min((self._open[sender] for sender in senders if sender in self._open), default=None)
        if member.recipients.match == "any":
            return set() if first_open is None else {first_open}
        indexes = [self._by_entry[sender] for sender in senders if sender in self._by_entry]
        covering: set[int] = set()
        for entry in member.recipients.entries:
            places = list(_places(entry, indexes))
            if first_open is not None:
                places.append(first_open)
            if not places:
                return set()
            covering.add(min(places))
        return covering


def _places(entry: str, indexes: Sequence[Mapping[str, int]]) -> Iterator[int]:
    for key in covering_entries(entry) if indexes else ():
        for index in indexes:
            if key in index:
                yield index[key]


def _sender(condition: SenderCondition) -> _Sender:
    return _ANY if condition.match == "any" else (condition.match, entry_keys(condition.entries))
