"""The rows that a change of policies makes. Knows no request."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from itertools import zip_longest
from uuid import UUID

from policies.matching import Member
from policies.models import IncomingMailPolicy, PolicyMember
from seg_console.config.models import Configuration
from seg_console.config.order import STEP, inserted


def policy_rows(
    uid: UUID,
    others: Sequence[IncomingMailPolicy],
    *,
    name: str,
    before: str,
    old: IncomingMailPolicy | None,
) -> list[IncomingMailPolicy]:
    """The policy `old` with this name and place, None for a new one, and those of the others, in their order, that must
    make room for it. `before`: the uid of the one that it goes before, "" for none."""
    policy = IncomingMailPolicy(uid=uid, name=name)
    at = next((at for at, other in enumerate(others) if str(other.uid) == before), len(others))
    return inserted(policy, others, at=at, present=old.position if old else None)


def member_rows(uid: UUID, members: Sequence[Member], present: Sequence[PolicyMember]) -> list[PolicyMember]:
    """Rows for these users; the first keep the identity of those that are there."""
    rows: list[PolicyMember] = []
    position = 0
    for member, row in zip_longest(members, present[: len(members)]):
        position = row.position if row else position + STEP
        rows.append(
            PolicyMember(
                uid=row.uid if row else uuid.uuid4(),
                policy_uid=uid,
                position=position,
                sender_match=member.senders.match,
                sender_entries=list(member.senders.entries),
                recipient_match=member.recipients.match,
                recipient_join=member.recipients.join,
                recipient_entries=list(member.recipients.entries),
                recipient_except=list(member.recipients.except_),
            )
        )
    return rows


def members_of(configuration: Configuration, policy: IncomingMailPolicy | None) -> list[PolicyMember]:
    """Its rows of users, in order; a new policy has none. At most one query."""
    if policy is None:
        return []
    rows = PolicyMember.objects.filter(configuration=configuration, policy_uid=policy.uid)
    return list(rows.order_by("position", "uid"))
