"""The policy table of the running configuration, and what services do about mail."""

from __future__ import annotations

from policies import document, matching
from policies.address_lists import Lists, expanded
from policies.document import ADDRESS_LISTS, INCOMING_MAIL_POLICIES, MAIL_POLICY_SETTINGS
from policies.services import Rule, services
from seg_console.config.document import Document


def policy_table(configuration: Document) -> matching.PolicyTable:
    """The incoming mail policies, indexed for matching, address lists written out. Each has the uid of its row."""
    uids = configuration.uids(INCOMING_MAIL_POLICIES.key)
    policies = configuration[INCOMING_MAIL_POLICIES]
    lists = {one.name.casefold(): one.entries for one in configuration[ADDRESS_LISTS]}
    return matching.PolicyTable(
        [_policy(uid, policy, lists) for uid, policy in zip(uids, policies, strict=True)],
        configuration[MAIL_POLICY_SETTINGS].sender_headers,
    )


def service_rules(configuration: Document) -> tuple[Rule, ...]:
    """Of each service, in the order in which a message meets them."""
    return tuple(service.rule(configuration) for service in services())


def _policy(uid: str, policy: document.Policy, lists: Lists) -> matching.Policy:
    return matching.Policy(uid, policy.name, tuple(_member(member, lists) for member in policy.members))


def _member(member: document.Member, lists: Lists) -> matching.Member:
    senders, recipients = member.senders, member.recipients
    return matching.Member(
        matching.SenderCondition(match=senders.match, entries=expanded(senders.entries, lists)),
        matching.RecipientCondition(
            match=recipients.match,
            join=recipients.join,
            entries=expanded(recipients.entries, lists),
            except_=expanded(recipients.except_, lists),
        ),
    )
