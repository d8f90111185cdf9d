"""What several pages of policies share."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.contrib import messages

from policies import sentences
from policies.models import IncomingMailPolicy
from policies.reach import never_reached
from policies.table import Table, lists_of
from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.ui.requests import ConsoleRequest


def uids_and_names(policies: Sequence[IncomingMailPolicy]) -> list[tuple[str, str]]:
    return [(str(policy.uid), policy.name) for policy in policies]


def name_and_place(policy: IncomingMailPolicy | None, all_policies: Sequence[IncomingMailPolicy]) -> dict[str, str]:
    """What a policy's form has in it to begin with; that of a new one: before the Default Policy."""
    if policy is None:
        return {"before": ""}
    places = [other.uid for other in all_policies]
    at = places.index(policy.uid)
    following = places[at + 1 : at + 2]
    return {"name": policy.name, "before": str(following[0]) if following else ""}


def unreached(configuration: Configuration) -> set[str]:
    """The uids of the policies that never take a message."""
    return set(never_reached(Table.of(configuration).values(lists_of(configuration))))


def tell_unreached(request: ConsoleRequest, before: set[str], *, also: UUID | None = None) -> None:
    """Warn of policies that are never reached since the change that was submitted, and of the one that was edited."""
    shown = pending.shown_to(request.user)
    policies = Table.of(shown).values(lists_of(shown))
    found = never_reached(policies)
    told = [
        (policy.name, by)
        for policy in policies
        if (by := found.get(policy.uid)) and (policy.uid not in before or policy.uid == str(also))
    ]
    if told:
        messages.warning(request, sentences.warning_of_never_reached(told))
