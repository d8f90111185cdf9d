"""Mail Policies > Incoming Mail Policies (seg-webui 3)."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any
from uuid import UUID

from django.forms import Form
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from policies.forms import (
    SENDER,
    FindPoliciesForm,
    MemberForm,
    MemberFormSet,
    OrderForm,
    PolicyForm,
    member_forms,
)
from policies.matching import DEFAULT_POLICY_UID, Member, Policy, PolicyTable, RecipientCondition, SenderCondition
from policies.models import IncomingMailPolicy, PolicyMember
from seg_console.accounts.roles import Privilege
from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.config.order import STEP, place
from seg_console.ui.access import requires
from seg_console.ui.requests import ConsoleRequest
from seg_console.ui.submitting import submitted
from tdc.views import ChoiceCell, Choices, choice_cell

ENTRIES_SHOWN = 4
Members = Mapping[UUID, Sequence[PolicyMember]]


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One row of the table. `order` is None for the Default Policy; `members` are one sentence each."""

    uid: UUID
    name: str
    order: int | None
    members: tuple[str, ...]
    choice: ChoiceCell
    is_pending: bool

    @property
    def is_default(self) -> bool:
        return self.order is None


@dataclass(frozen=True, slots=True)
class Table:
    """The policies of one set with their users, in order. Two queries."""

    policies: tuple[IncomingMailPolicy, ...]
    members: Members

    @classmethod
    def of(cls, configuration: Configuration) -> Table:
        members: defaultdict[UUID, list[PolicyMember]] = defaultdict(list)
        for member in PolicyMember.objects.filter(configuration=configuration).order_by("position", "uid"):
            members[member.policy_uid].append(member)
        return cls(_in_order(configuration), members)

    def said(self) -> dict[UUID, tuple[Any, ...]]:
        """What tells a changed policy from an unchanged one. Its position, not its number: one inserted before it
        changes the number of every policy behind and none of them."""
        return {
            policy.uid: (policy.name, policy.position, [member.values() for member in self.members.get(policy.uid, ())])
            for policy in self.policies
        }


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def policy_list(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    table = Table.of(shown)
    find = FindPoliciesForm(request.GET) if "address" in request.GET else FindPoliciesForm()
    status, found_for, wanted = 200, "", None
    if find.is_bound and find.is_valid():
        found_for = find.cleaned_data["address"].strip()
        wanted = policies_with(table, found_for, side=find.cleaned_data["side"])
    elif find.is_bound:
        status = 422
    rows = _rows(table, shown, may_change=request.user.may(Privilege.CHANGE_CONFIGURATION))
    context = {
        "rows": [row for row in rows if wanted is None or row.is_default or row.uid in wanted],
        "policy_count": len(table.policies),
        "find": find,
        "found_for": found_for,
    }
    return render(request, "policies/list.html", context, status=status)


def policies_with(table: Table, address: str, *, side: str) -> set[UUID]:
    """Policies that have an entry for this address among their senders or recipients, whether or not they would win."""
    found = set()
    for policy in table.policies:
        members = table.members.get(policy.uid, ())
        lists = (member.sender_entries if side == SENDER else member.recipient_entries for member in members)
        entries = tuple(entry for entries in lists for entry in entries)
        if entries and _matches(entries, address):
            found.add(policy.uid)
    return found


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def add(request: ConsoleRequest) -> HttpResponse:
    return _edit(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def edit(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    shown = pending.shown_to(request.user)
    return _edit(request, _policy(shown, uid))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def delete(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    policy = _policy(pending.shown_to(request.user), uid)
    form = Form(request.POST)
    if request.method == "POST":
        success = _("Policy “%(name)s” was deleted.") % {"name": policy.name}
        if submitted(request, form, remove=[policy], success=success):
            return redirect("policies:list")
    context = {
        "title": _("Delete Policy"),
        "question": _("Delete policy “%(name)s”?") % {"name": policy.name},
        "notes": [_("Its mail falls to the next policy that matches, or to the Default Policy, when you commit.")],
        "action": _("Delete"),
        "cancel_url": reverse("policies:list"),
    }
    return render(request, "includes/confirm.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def order(request: ConsoleRequest) -> HttpResponse:
    present = _in_order(pending.shown_to(request.user))
    form = OrderForm(
        request.POST if request.method == "POST" else None,
        policies=[(str(policy.uid), policy.name) for policy in present],
    )
    if request.method == "POST" and form.is_valid():
        by_uid = {str(policy.uid): policy for policy in present}
        moved = _placed([by_uid[uid] for uid in form.order()])
        if submitted(request, form, *moved, success=_("The order of the policies was changed.")):
            return redirect("policies:list")
    return render(request, "policies/order.html", {"form": form}, status=422 if form.errors else 200)


def _edit(request: ConsoleRequest, policy: IncomingMailPolicy | None) -> HttpResponse:
    """Add (no policy) or edit one: its name, its place, its users."""
    shown = pending.shown_to(request.user)
    all_policies = _in_order(shown)
    others = [other for other in all_policies if policy is None or other.uid != policy.uid]
    present = _members_of(shown, policy)
    named = [(str(other.uid), other.name) for other in others]
    if request.method != "POST":
        form = PolicyForm(others=named, initial=_initial(policy, all_policies))
        members = member_forms(initial=[MemberForm.initial_of(_member(row)) for row in present] or [{}])
        return _edit_page(request, policy, form, members)
    form = PolicyForm(request.POST, others=named)
    members = member_forms(data=request.POST)
    if "add-member" in request.POST or "remove-member" in request.POST:
        typed = PolicyForm(others=named, initial={name: form[name].value() for name in form.fields})
        return _edit_page(request, policy, typed, member_forms(initial=_resized(members, request)))
    if not (form.is_valid() & members.is_valid()):
        return _edit_page(request, policy, form, members, status=422)
    uid = policy.uid if policy else uuid.uuid4()
    rows = _policy_rows(uid, form, others, old=policy)
    member_rows = _member_rows(uid, [member.member() for member in members], present)
    name = form.cleaned_data["name"]
    success = (_("Policy “%(name)s” was changed.") if policy else _("Policy “%(name)s” was added.")) % {"name": name}
    surplus = present[len(member_rows) :]
    if submitted(request, form, *rows, *member_rows, remove=surplus, success=success):
        return redirect("policies:list")
    return _edit_page(request, policy, form, members, status=422)


def _edit_page(
    request: ConsoleRequest,
    policy: IncomingMailPolicy | None,
    form: PolicyForm,
    members: MemberFormSet,
    *,
    status: int = 200,
) -> HttpResponse:
    title = _("Edit Incoming Mail Policy") if policy else _("Add Incoming Mail Policy")
    refused = members.is_bound and not members.is_valid()
    context = {"title": title, "form": form, "members": members, "members_refused": refused}
    return render(request, "policies/edit.html", context, status=status)


def _initial(policy: IncomingMailPolicy | None, all_policies: Sequence[IncomingMailPolicy]) -> dict[str, str]:
    if policy is None:
        return {"before": ""}
    places = [other.uid for other in all_policies]
    at = places.index(policy.uid)
    following = places[at + 1 : at + 2]
    return {"name": policy.name, "before": str(following[0]) if following else ""}


def _resized(members: MemberFormSet, request: ConsoleRequest) -> list[dict[str, Any]]:
    """What was typed, with one row of users more, or without the one whose Remove was pressed."""
    typed = members.raw_values()
    if "add-member" in request.POST:
        return [*typed, {}]
    pressed = request.POST["remove-member"]
    return [values for at, values in enumerate(typed) if str(at) != pressed] or typed


def _policy_rows(
    uid: UUID, form: PolicyForm, others: Sequence[IncomingMailPolicy], *, old: IncomingMailPolicy | None
) -> list[IncomingMailPolicy]:
    """The policy with its name and place, and those others that must make room for it."""
    policy = IncomingMailPolicy(uid=uid, name=form.cleaned_data["name"])
    before = form.cleaned_data["before"]
    at = next((at for at, other in enumerate(others) if str(other.uid) == before), len(others))
    arranged = [*others[:at], policy, *others[at:]]
    positions = place([old.position if old and row is policy else row.position for row in arranged])
    changed = []
    for row, position in zip(arranged, positions, strict=True):
        if row is policy or row.position != position:
            row.position = position
            changed.append(row)
    return changed


def _member_rows(uid: UUID, members: Sequence[Member], present: Sequence[PolicyMember]) -> list[PolicyMember]:
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


def _placed(policies: Sequence[IncomingMailPolicy]) -> list[IncomingMailPolicy]:
    """Those policies that need another position to stand in this order."""
    moved = []
    for policy, position in zip(policies, place([policy.position for policy in policies]), strict=True):
        if policy.position != position:
            policy.position = position
            moved.append(policy)
    return moved


def _in_order(configuration: Configuration) -> tuple[IncomingMailPolicy, ...]:
    return tuple(IncomingMailPolicy.objects.filter(configuration=configuration).order_by("position", "uid"))


def _policy(configuration: Configuration, uid: UUID) -> IncomingMailPolicy:
    found = IncomingMailPolicy.objects.filter(configuration=configuration, uid=uid).first()
    if found is None:
        raise Http404
    return found


def _members_of(configuration: Configuration, policy: IncomingMailPolicy | None) -> list[PolicyMember]:
    if policy is None:
        return []
    rows = PolicyMember.objects.filter(configuration=configuration, policy_uid=policy.uid)
    return list(rows.order_by("position", "uid"))


def _member(row: PolicyMember) -> Member:
    return Member(
        SenderCondition(match=row.sender_match, entries=tuple(row.sender_entries)),  # type: ignore[arg-type]
        RecipientCondition(
            match=row.recipient_match,  # type: ignore[arg-type]
            join=row.recipient_join,  # type: ignore[arg-type]
            entries=tuple(row.recipient_entries),
            except_=tuple(row.recipient_except),
        ),
    )


def _matches(entries: tuple[str, ...], address: str) -> bool:
    """Whether one of the entries is for this address, by the same rules as mail."""
    probe = Policy("entries", "entries", (Member(recipients=RecipientCondition("following", "any", entries)),))
    return PolicyTable([probe]).match([], [address])[0] is probe


def _rows(table: Table, shown: Configuration, *, may_change: bool) -> list[PolicyRow]:
    choices = Choices.of(shown)
    began = shown.based_on if shown.number is None else None
    began_choices = Choices.of(began) if began else None
    began_said = Table.of(began).said() if began else None
    now_said = table.said()
    rows = [
        PolicyRow(
            uid=policy.uid,
            name=policy.name,
            order=order,
            members=tuple(describe_member(member) for member in table.members.get(policy.uid, ())),
            choice=choice_cell(policy.uid, policy.name, choices, began_choices, may_change=may_change),
            is_pending=began_said is not None and began_said.get(policy.uid) != now_said[policy.uid],
        )
        for order, policy in enumerate(table.policies, start=1)
    ]
    default_uid = UUID(DEFAULT_POLICY_UID)
    name = _("Default Policy")
    cell = choice_cell(default_uid, name, choices, began_choices, may_change=may_change)
    return [*rows, PolicyRow(uid=default_uid, name=name, order=None, members=(), choice=cell, is_pending=False)]


def describe_member(member: PolicyMember) -> str:
    """A row of users in one line: `any sender · @finance.corp.example or cfo@ · not joe@corp.example`."""
    parts = [
        {
            "any": _("any sender"),
            "following": _listed(member.sender_entries, _("or")),
            "not": _("not from %(entries)s") % {"entries": _listed(member.sender_entries, _("or"))},
        }[member.sender_match]
    ]
    word = _("and") if member.recipient_join == "all" else _("or")
    parts.append(_("any recipient") if member.recipient_match == "any" else _listed(member.recipient_entries, word))
    if member.recipient_except:
        parts.append(_("not to %(entries)s") % {"entries": _listed(member.recipient_except, _("and"))})
    return " · ".join(parts)


def _listed(entries: Iterable[str], word: str) -> str:
    shown = list(entries)
    more = len(shown) - ENTRIES_SHOWN
    text = f" {word} ".join(shown[:ENTRIES_SHOWN])
    return _("%(entries)s (%(n)d more)") % {"entries": text, "n": more} if more > 0 else text
