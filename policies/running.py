"""The policy table of the running configuration."""

from __future__ import annotations

from policies import document, matching
from policies.document import INCOMING_MAIL_POLICIES
from seg_console.config.document import Document


def policy_table(configuration: Document) -> matching.PolicyTable:
    """The incoming mail policies, indexed for matching. Each has the uid of its row."""
    uids = configuration.uids(INCOMING_MAIL_POLICIES.key)
    policies = configuration[INCOMING_MAIL_POLICIES]
    return matching.PolicyTable([_policy(uid, policy) for uid, policy in zip(uids, policies, strict=True)])


def _policy(uid: str, policy: document.Policy) -> matching.Policy:
    return matching.Policy(uid, policy.name, tuple(_member(member) for member in policy.members))


def _member(member: document.Member) -> matching.Member:
    senders, recipients = member.senders, member.recipients
    return matching.Member(
        matching.SenderCondition(match=senders.match, entries=senders.entries),
        matching.RecipientCondition(
            match=recipients.match, join=recipients.join, entries=recipients.entries, except_=recipients.except_
        ),
    )
