"""The policies table, with Find Policies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from policies import sentences
from policies.address_lists import Lists, expanded
from policies.forms import SENDER, FindPoliciesForm
from policies.matching import Member, Policy, PolicyTable, RecipientCondition
from policies.reach import never_reached
from policies.services import Cell, services
from policies.table import DEFAULT_UID, Table, lists_of, member_of
from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.mail.lines import visible
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.requests import ConsoleRequest

NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class RowLinks:
    """Where a row's links lead."""

    edit: str
    copy: str
    delete: str

    @classmethod
    def of(cls, uid: UUID) -> RowLinks:
        """Made from one URL of each kind: to ask for each anew takes a long table's better part."""
        nobody = str(NOBODY)
        return cls(*(url.replace(nobody, str(uid)) for url in _link_patterns()))


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One row of the table. `order` is None for the Default Policy; `members` are sentences of each row of users,
    `cells` one for each service; `never_reached` says which policies take all its mail, "" where they do not."""

    uid: UUID
    name: str
    order: int | None
    members: tuple[tuple[str, ...], ...]
    cells: tuple[Cell, ...]
    is_pending: bool
    order_is_pending: bool
    links: RowLinks
    never_reached: str = ""

    @property
    def is_default(self) -> bool:
        return self.order is None

    @property
    def tick_label(self) -> str:
        return _("Tick %(name)s") % {"name": self.name}

    @property
    def copy_label(self) -> str:
        return _("Copy %(name)s") % {"name": self.name}

    @property
    def delete_label(self) -> str:
        return _("Delete %(name)s") % {"name": self.name}


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def policy_list(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    began = shown.based_on if shown.number is None else None
    table, began_table = Table.of(shown), Table.of(began) if began else None
    find = FindPoliciesForm(request.GET) if "address" in request.GET else FindPoliciesForm()
    lists = lists_of(shown)
    status, found_for, wanted = 200, "", None
    if find.is_bound and find.is_valid():
        found_for = find.cleaned_data["address"].strip()
        wanted = policies_with(table, found_for, side=find.cleaned_data["side"], lists=lists)
    elif find.is_bound:
        status = 422
    may_change = request.user.may(Privilege.CHANGE_CONFIGURATION)
    rows = _rows(table, lists, shown, began, began_table, may_change=may_change)
    context = {
        "services": services(),
        "rows": [row for row in rows if wanted is None or row.is_default or row.uid in wanted],
        "policy_count": len(table.policies),
        "removed": _removed(table, began_table),
        "find": find,
        "found_for": visible(found_for),
    }
    return render(request, "policies/list.html", context, status=status)


def policies_with(table: Table, address: str, *, side: str, lists: Lists) -> set[UUID]:
    """Policies that have an entry for this address among their senders or recipients, whether or not they would win."""
    found = set()
    for policy in table.policies:
        members = table.members.get(policy.uid, ())
        of_side = (member.sender_entries if side == SENDER else member.recipient_entries for member in members)
        entries = expanded((entry for entries in of_side for entry in entries), lists)
        if entries and _matches(entries, address):
            found.add(policy.uid)
    return found


@cache
def _link_patterns() -> tuple[str, str, str]:
    edit, copy, delete = (reverse(f"policies:{name}", args=[NOBODY]) for name in ("edit", "copy", "delete"))
    return edit, copy, delete


def _matches(entries: tuple[str, ...], address: str) -> bool:
    """Whether one of the entries is for this address, by the same rules as mail."""
    probe = Policy("entries", "entries", (Member(recipients=RecipientCondition("following", "any", entries)),))
    return PolicyTable([probe]).match([], [address])[0] is probe


def _rows(
    table: Table,
    lists: Lists,
    shown: Configuration,
    began: Configuration | None,
    began_table: Table | None,
    *,
    may_change: bool,
) -> list[PolicyRow]:
    names = {policy.uid: policy.name for policy in table.policies} | {DEFAULT_UID: _("Default Policy")}
    cells = [service.cells(names, shown, began, may_change=may_change) for service in services()]
    said, positions = table.said(), table.positions()
    unreached = never_reached(table.values(lists))
    began_said = began_table.said() if began_table else said
    began_positions = began_table.positions() if began_table else positions
    rows = [
        PolicyRow(
            uid=policy.uid,
            name=policy.name,
            order=order,
            members=_described(table, policy.uid),
            cells=tuple(of_service[policy.uid] for of_service in cells),
            is_pending=began_said.get(policy.uid) != said[policy.uid],
            order_is_pending=began_positions.get(policy.uid) != policy.position,
            links=RowLinks.of(policy.uid),
            never_reached=sentences.never_reached(by) if (by := unreached.get(str(policy.uid))) else "",
        )
        for order, policy in enumerate(table.policies, start=1)
    ]
    default = PolicyRow(
        uid=DEFAULT_UID,
        name=names[DEFAULT_UID],
        order=None,
        members=(),
        cells=tuple(of_service[DEFAULT_UID] for of_service in cells),
        is_pending=False,
        order_is_pending=False,
        links=RowLinks.of(DEFAULT_UID),
    )
    return [*rows, default]


def _described(table: Table, uid: UUID) -> tuple[tuple[str, ...], ...]:
    return tuple(sentences.describe(member_of(row)) for row in table.members.get(uid, ()))


def _removed(table: Table, began_table: Table | None) -> list[str]:
    """Names of the policies that the next commit takes away."""
    if began_table is None:
        return []
    present = {policy.uid for policy in table.policies}
    return [policy.name for policy in began_table.policies if policy.uid not in present]
