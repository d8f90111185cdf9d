"""The policies of one set, pending or committed, as its pages need them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from django.utils.translation import gettext as _

from policies.address_lists import Lists, expanded
from policies.document import MAIL_POLICY_SETTINGS
from policies.matching import (
    DEFAULT_POLICY_UID,
    JoinWord,
    Member,
    Policy,
    PolicyTable,
    RecipientCondition,
    RecipientMatchWord,
    SenderCondition,
    SenderMatchWord,
)
from policies.models import AddressList, IncomingMailPolicy, MailPolicySettings, PolicyMember, RecipientMatch
from seg_console.config.models import Configuration

DEFAULT_UID = UUID(DEFAULT_POLICY_UID)

Members = Mapping[UUID, Sequence[PolicyMember]]


@dataclass(frozen=True, slots=True)
class Table:
    """The policies with their users, in order."""

    policies: tuple[IncomingMailPolicy, ...]
    members: Members

    @classmethod
    def of(cls, configuration: Configuration) -> Table:
        """Two queries."""
        members: defaultdict[UUID, list[PolicyMember]] = defaultdict(list)
        for member in PolicyMember.objects.filter(configuration=configuration).order_by("position", "uid"):
            members[member.policy_uid].append(member)
        return cls(in_order(configuration), members)

    def said(self) -> dict[UUID, tuple[str, list[dict[str, Any]]]]:
        """What tells a changed policy from an unchanged one, its place apart."""
        return {
            policy.uid: (policy.name, [member.values() for member in self.members.get(policy.uid, ())])
            for policy in self.policies
        }

    def positions(self) -> dict[UUID, int]:
        """Positions, not numbers: a policy inserted before others changes their numbers and none of them."""
        return {policy.uid: policy.position for policy in self.policies}

    def values(self, lists: Lists, order: Sequence[str] = ()) -> list[Policy]:
        """The policies as the mail path would have them; in another `order` of their uids, if one is given."""
        policies = {str(policy.uid): policy for policy in self.policies}
        return [
            Policy(
                uid,
                policies[uid].name,
                tuple(member_of(row, lists) for row in self.members.get(policies[uid].uid, ())),
            )
            for uid in order or policies
        ]

    def matching(self, lists: Lists, settings: MailPolicySettings) -> PolicyTable:
        """The table as the mail path would have it."""
        return PolicyTable(self.values(lists), settings.sender_headers)


def in_order(configuration: Configuration) -> tuple[IncomingMailPolicy, ...]:
    """One query."""
    return tuple(IncomingMailPolicy.objects.filter(configuration=configuration).order_by("position", "uid"))


def policy_names(configuration: Configuration) -> dict[UUID, str]:
    """All policies in their order, the Default Policy last. One query."""
    rows = IncomingMailPolicy.objects.filter(configuration=configuration).order_by("position", "uid")
    return dict(rows.values_list("uid", "name")) | {DEFAULT_UID: _("Default Policy")}


def policy_name(configuration: Configuration, uid: UUID) -> str | None:
    """None where the set has no such policy. At most one query."""
    if uid == DEFAULT_UID:
        return _("Default Policy")
    found = IncomingMailPolicy.objects.filter(configuration=configuration, uid=uid)
    return found.values_list("name", flat=True).first()


def taking_any_recipient(configuration: Configuration, uids: Iterable[UUID]) -> list[UUID]:
    """Those policies of which some row of users takes any recipient; the Default Policy always does. One query."""
    members = PolicyMember.objects.filter(
        configuration=configuration, recipient_match=RecipientMatch.ANY, recipient_except=[]
    )
    found = {DEFAULT_UID, *members.values_list("policy_uid", flat=True)}
    return [uid for uid in uids if uid in found]


def member_of(row: PolicyMember, lists: Lists | None = None) -> Member:
    """A row as a value; with `lists`, their entries are in the place of references to them."""

    def entries(of_row: Sequence[str]) -> tuple[str, ...]:
        return tuple(of_row) if lists is None else expanded(of_row, lists)

    # A column is text to its type; a constraint of the table holds it to these words.
    return Member(
        SenderCondition(match=cast(SenderMatchWord, row.sender_match), entries=entries(row.sender_entries)),
        RecipientCondition(
            match=cast(RecipientMatchWord, row.recipient_match),
            join=cast(JoinWord, row.recipient_join),
            entries=entries(row.recipient_entries),
            except_=entries(row.recipient_except),
        ),
    )


class KnownLists(dict[str, tuple[str, ...]]):
    """Entries by case-folded name. A list that is not there, in a set that could not be committed, has none."""

    def __missing__(self, name: str) -> tuple[str, ...]:
        return ()


def lists_of(configuration: Configuration) -> KnownLists:
    """One query."""
    rows = AddressList.objects.filter(configuration=configuration)
    return KnownLists((row.name.casefold(), tuple(row.entries)) for row in rows)


def mail_policy_settings(configuration: Configuration) -> MailPolicySettings:
    """One query."""
    found = MailPolicySettings.objects.filter(configuration=configuration).first()
    return found or MailPolicySettings(uid=MAIL_POLICY_SETTINGS.fixed_uid)
