"""Adding, editing and ordering policies."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from policies import sentences
from policies.changes import member_rows, members_of, policy_rows
from policies.forms import (
    UNUSED_SENTENCES,
    ListNames,
    MemberForm,
    MemberFormSet,
    PolicyForm,
    member_forms,
)
from policies.models import AddressList, IncomingMailPolicy
from policies.reach import never_reached
from policies.services import services
from policies.table import Table, in_order, lists_of, member_of
from policies.views.shared import name_and_place, tell_unreached, uids_and_names, unreached
from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.config.views.submitting import editing, submitted
from seg_console.privileges import Privilege
from seg_console.tables.entries import tell_dropped
from seg_console.tables.ordering import OrderPage, order_page
from seg_console.tables.rows import find
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest

# What a button other than Submit is called: the page is shown again, and nothing is submitted.
RESHAPING = ("add-member", "edit-member", "remove-member", "empty-senders", "empty-recipients")
EMPTIED = {"empty-senders": "sender_entries", "empty-recipients": "recipient_entries"}


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(PolicyForm, row=MemberForm)
def add(request: ConsoleRequest) -> HttpResponse:
    return _edit(request, pending.shown_to(request.user), None)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(PolicyForm, row=MemberForm)
def edit(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    shown = pending.shown_to(request.user)
    return _edit(request, shown, find(IncomingMailPolicy, shown, uid))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def order(request: ConsoleRequest) -> HttpResponse:
    """Marks the policies that would never be reached in the order typed."""
    shown = pending.shown_to(request.user)
    table, lists = Table.of(shown), lists_of(shown)

    def noted(order: Sequence[str]) -> dict[str, str]:
        found = never_reached(table.values(lists, order=order))
        return {uid: sentences.never_reached(by) for uid, by in found.items()}

    page = OrderPage(
        title=_("Edit Policy Order"),
        box_title=_("Policies"),
        column=_("Policy Name"),
        last=_("Default Policy"),
        success=_("The order of the policies was changed."),
        list_view="policies:list",
        noted=noted,
    )
    answer = order_page(request, table.policies, page)
    if isinstance(answer, HttpResponseRedirect):
        # The table still stands as it was read, before the new order.
        tell_unreached(request, before=set(never_reached(table.values(lists))))
    return answer


@require_POST
@requires(Privilege.CHANGE_CONFIGURATION)
def preview(request: ConsoleRequest) -> HttpResponse:
    """What one row of users would match as it is typed so far: its sentence alone. Changes nothing."""
    at = request.POST.get("at", "")
    if not at.isdecimal() or len(at) > 4:
        return HttpResponseBadRequest()
    form = MemberForm(request.POST, prefix=f"member-{at}", lists=_list_names(pending.shown_to(request.user)))
    return render(request, "policies/says.html", {"says": _says(form)})


def _edit(request: ConsoleRequest, shown: Configuration, policy: IncomingMailPolicy | None) -> HttpResponse:
    """Add (no policy) or edit one: its name, its place, its users."""
    all_policies, lists = in_order(shown), _list_names(shown)
    others = [other for other in all_policies if policy is None or other.uid != policy.uid]
    present = members_of(shown, policy)
    editing(request, policy, *present)
    named = uids_and_names(others)
    if request.method != "POST":
        form = PolicyForm(others=named, initial=name_and_place(policy, all_policies))
        initial = [MemberForm.initial_of(member_of(row)) for row in present] or [{}]
        opened = set() if present else {0}
        return _edit_page(request, policy, form, member_forms(initial=initial, lists=lists), opened, lists)
    form = PolicyForm(request.POST, others=named)
    members, opened = member_forms(data=request.POST, lists=lists), _opened(request)
    if any(name in request.POST for name in RESHAPING):
        typed = PolicyForm(others=named, initial={name: form[name].value() for name in form.fields})
        values, shown_open = _reshaped(members, opened, request)
        members = member_forms(initial=values, lists=lists)
        focus = max(shown_open - opened, default=None)
        return _edit_page(request, policy, typed, members, shown_open, lists, focus=focus)
    if not (form.is_valid() & members.is_valid()):
        return _edit_page(request, policy, form, members, opened, lists, status=422)
    uid = policy.uid if policy else uuid.uuid4()
    name, behind = form.cleaned_data["name"], form.cleaned_data["before"]
    rows = policy_rows(uid, others, name=name, before=behind, old=policy)
    users = member_rows(uid, [member.member() for member in members], present)
    success = (_("Policy “%(name)s” was changed.") if policy else _("Policy “%(name)s” was added.")) % {"name": name}
    surplus, before = present[len(users) :], unreached(shown)
    if submitted(request, form, *rows, *users, remove=surplus, success=success):
        tell_dropped(request, sum(member.dropped for member in members))
        tell_unreached(request, before, also=uid)
        return redirect("policies:list")
    return _edit_page(request, policy, form, members, opened, lists, status=422)


def _edit_page(
    request: ConsoleRequest,
    policy: IncomingMailPolicy | None,
    form: PolicyForm,
    members: MemberFormSet,
    opened: set[int],
    lists: ListNames,
    *,
    status: int = 200,
    focus: int | None = None,
) -> HttpResponse:
    """`opened`: places of the rows of users whose fields show; `focus`: of the one that was opened just now."""
    refused = members.is_bound and not members.is_valid()
    context = {
        "title": _("Edit Incoming Mail Policy") if policy else _("Add Incoming Mail Policy"),
        "policy": policy,
        "services": services(),
        "form": form,
        "members": members,
        "focus": focus,
        "reshaped": any(name in request.POST for name in RESHAPING),
        "users": [_user(member, at, opened) for at, member in enumerate(members.forms)],
        "members_refused": refused,
        "list_names": list(lists.values()),
    }
    return render(request, "policies/edit.html", context, status=status)


def _user(form: MemberForm, at: int, opened: set[int]) -> dict[str, Any]:
    """One row of users: a line of the table, or, where it is opened or refused, its fields."""
    is_open = at in opened or bool(form.is_bound and form.errors)
    return {"form": form, "at": at, "is_open": is_open, "says": _says(form)}


def _says(form: MemberForm) -> tuple[str, ...]:
    """What the row of users matches as far as it is typed."""
    draft = form.draft()
    member = draft.member
    senders_missing = member.senders.match != "any" and not member.senders.entries
    recipients_missing = member.recipients.match != "any" and not member.recipients.entries
    if senders_missing or recipients_missing:
        said: tuple[str, ...] = (_("Matches nobody yet: an entry is missing."),)
    else:
        said = sentences.describe(member)
    if draft.bad:
        sentence = ngettext("%(n)d entry cannot be read.", "%(n)d entries cannot be read.", draft.bad)
        said = *said, sentence % {"n": draft.bad}
    return *said, *(str(UNUSED_SENTENCES[field]) for field in draft.unused)


def _opened(request: ConsoleRequest) -> set[int]:
    return {int(at) for at in request.POST.getlist("opened") if at.isdecimal() and len(at) < 5}


def _reshaped(
    members: MemberFormSet, opened: set[int], request: ConsoleRequest
) -> tuple[list[dict[str, Any]], set[int]]:
    """What was typed and which rows of users are opened after the button: one row more, one less, one opened, or a list
    emptied."""
    typed = members.raw_values()
    for button, field in EMPTIED.items():
        if button in request.POST:
            emptied = request.POST[button]
            return [row | ({field: ""} if str(at) == emptied else {}) for at, row in enumerate(typed)], opened
    if "add-member" in request.POST:
        return [*typed, {}], {*opened, len(typed)}
    if "edit-member" in request.POST:
        pressed = request.POST["edit-member"]
        return typed, {*opened, int(pressed)} if pressed.isdecimal() and len(pressed) < 5 else opened
    pressed = request.POST["remove-member"]
    left = [at for at in range(len(typed)) if str(at) != pressed]
    if not left:
        return typed, opened
    return [typed[at] for at in left], {new for new, at in enumerate(left) if at in opened}


def _list_names(configuration: Configuration) -> ListNames:
    names = AddressList.objects.filter(configuration=configuration).order_by("name").values_list("name", flat=True)
    return {name.casefold(): name for name in names}
