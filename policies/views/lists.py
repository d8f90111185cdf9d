"""Mail Policies > Address Lists (ours): entries under one name, for use in policies."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from policies import sentences
from policies.address_lists import names_in, renamed
from policies.forms import AddressListForm
from policies.models import AddressList, IncomingMailPolicy, PolicyMember
from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.config.uses import Use
from seg_console.config.views.submitting import editing, submitted
from seg_console.privileges import Privilege
from seg_console.tables.deleting import InUse, delete_page
from seg_console.tables.entries import tell_dropped
from seg_console.tables.rows import changed, find
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest


@dataclass(frozen=True, slots=True)
class ListRow:
    """One list of the page. `used_by`: the policies whose members name it, in table order."""

    uid: UUID
    name: str
    description: str
    count: int
    beginning: str
    used_by: Sequence[Use]
    is_pending: bool


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def address_lists(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    lists, used = _lists(shown), _used_by(shown)
    pending_uids = changed(shown, lists)
    rows = [
        ListRow(
            uid=row.uid,
            name=row.name,
            description=row.description,
            count=len(row.entries),
            beginning=sentences.one_of(row.entries),
            used_by=used.get(row.name.casefold(), ()),
            is_pending=row.uid in pending_uids,
        )
        for row in lists
    ]
    return render(request, "policies/address_lists.html", {"rows": rows})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(AddressListForm)
def add_list(request: ConsoleRequest) -> HttpResponse:
    return _edit(request, pending.shown_to(request.user), None)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(AddressListForm)
def edit_list(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    shown = pending.shown_to(request.user)
    return _edit(request, shown, find(AddressList, shown, uid))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def delete_list(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    shown = pending.shown_to(request.user)
    row = find(AddressList, shown, uid)
    name = {"name": row.name}
    words = _(
        "Address list “%(name)s” is in use and cannot be deleted. Take it out of the users of these policies first:"
    )
    return delete_page(
        request,
        row,
        title=_("Delete Address List"),
        question=_("Delete address list “%(name)s”?") % name,
        note=_("No policy uses it."),
        success=_("Address list “%(name)s” was deleted.") % name,
        list_view="address-lists:list",
        in_use=InUse(
            words=words % name,
            back=_("Back to Address Lists"),
            used_by=_used_by(shown).get(row.name.casefold(), ()),
        ),
    )


def _edit(request: ConsoleRequest, shown: Configuration, row: AddressList | None) -> HttpResponse:
    editing(request, row)
    names = [other.name for other in _lists(shown) if row is None or other.uid != row.uid]
    if request.method != "POST":
        return _edit_page(request, row, AddressListForm(initial=_initial(row), others=names))
    form = AddressListForm(request.POST, others=names)
    if form.is_valid():
        cleaned = form.cleaned_data
        new = AddressList(
            uid=row.uid if row else uuid.uuid4(),
            name=cleaned["name"],
            description=cleaned["description"],
            entries=list(cleaned["entries"]),
        )
        members = _renaming(shown, row.name, new.name) if row and row.name != new.name else []
        success = _("Address list “%(name)s” was changed.") if row else _("Address list “%(name)s” was added.")
        if submitted(request, form, new, *members, success=success % {"name": new.name}):
            tell_dropped(request, form.dropped)
            return redirect("address-lists:list")
    return _edit_page(request, row, form, status=422)


def _edit_page(
    request: ConsoleRequest, row: AddressList | None, form: AddressListForm, *, status: int = 200
) -> HttpResponse:
    title = _("Edit Address List") if row else _("Add Address List")
    context = {
        "title": title,
        "box_title": _("Address List"),
        "form": form,
        "cancel_url": reverse("address-lists:list"),
    }
    return render(request, "includes/simple_form.html", context, status=status)


def _initial(row: AddressList | None) -> dict[str, str]:
    if row is None:
        return {}
    return {"name": row.name, "description": row.description, "entries": "\n".join(row.entries)}


def _renaming(configuration: Configuration, old: str, new: str) -> list[PolicyMember]:
    """The users that name the list `old`, naming it `new`."""
    found = []
    for member in PolicyMember.objects.filter(configuration=configuration):
        if old.casefold() in _names_in(member):
            member.sender_entries = renamed(member.sender_entries, old=old, new=new)
            member.recipient_entries = renamed(member.recipient_entries, old=old, new=new)
            member.recipient_except = renamed(member.recipient_except, old=old, new=new)
            found.append(member)
    return found


def _used_by(configuration: Configuration) -> dict[str, list[Use]]:
    """By case-folded name of a list: each policy whose users name it, in table order. Two queries."""
    named: defaultdict[UUID, set[str]] = defaultdict(set)
    for member in PolicyMember.objects.filter(configuration=configuration):
        named[member.policy_uid] |= _names_in(member)
    used: defaultdict[str, list[Use]] = defaultdict(list)
    policies = IncomingMailPolicy.objects.filter(configuration=configuration).order_by("position", "uid")
    for uid, name in policies.values_list("uid", "name"):
        for of_list in named[uid]:
            used[of_list].append(Use(name, reverse("policies:edit", args=[uid])))
    return dict(used)


def _names_in(member: PolicyMember) -> set[str]:
    lists: Iterable[list[str]] = (member.sender_entries, member.recipient_entries, member.recipient_except)
    return {name for entries in lists for name in names_in(entries)}


def _lists(configuration: Configuration) -> list[AddressList]:
    return sorted(AddressList.objects.filter(configuration=configuration), key=lambda row: row.name.casefold())
