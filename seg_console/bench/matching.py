"""What it costs to find the policies of a message's recipients."""

from __future__ import annotations

import time
from collections.abc import Sequence

from policies.matching import Member, Policy, PolicyTable, RecipientCondition, SenderCondition

POLICIES = 200
ENTRIES = 50
RECIPIENTS = 100
LEAST_S = 1.0


def cost_per_recipient_us() -> tuple[float, float]:
    """Microseconds per recipient with POLICIES policies of ENTRIES entries: on one that the last policy takes, and on
    one that falls through to the Default Policy."""
    table = PolicyTable([_policy(number) for number in range(POLICIES)])
    last = [f"user{number % ENTRIES}@part{POLICIES - 1}.corp.example" for number in range(RECIPIENTS)]
    none = [f"user{number}@elsewhere.corp.example" for number in range(RECIPIENTS)]
    return _cost(table, last), _cost(table, none)


def _policy(number: int) -> Policy:
    entries = tuple(f"user{entry}@part{number}.corp.example" for entry in range(ENTRIES))
    member = Member(
        senders=SenderCondition(match="any", entries=()),
        recipients=RecipientCondition(match="following", join="any", entries=entries, except_=()),
    )
    return Policy(uid=f"{number:036d}", name=f"Policy {number}", members=(member,))


def _cost(table: PolicyTable, recipients: Sequence[str]) -> float:
    senders = ("carla@supplier.example", "carla@supplier.example", "")
    rounds, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < LEAST_S:
        table.match(senders, recipients)
        rounds += 1
    return passed / rounds / len(recipients) * 1_000_000
