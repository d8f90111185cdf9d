"""Mail Policies > HAT Overview (seg-webui 8.4): which hosts may connect, and what each group of them may do."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.config import pending
from seg_console.config.forms import TextFileForm
from seg_console.config.models import Configuration
from seg_console.config.order import inserted
from seg_console.config.views.submitting import editing, submitted
from seg_console.gateway.forms import FindSendersForm, LastRowForm, SenderGroupForm
from seg_console.gateway.host_access import ALL, Group, HostAccessTable
from seg_console.gateway.models import ALL_UID, ClientTls, HostAction, SenderGroup, last_row
from seg_console.gateway.views import table_files
from seg_console.privileges import Privilege
from seg_console.tables.deleting import delete_page
from seg_console.tables.files import export_file, import_file
from seg_console.tables.ordering import OrderPage, order_page
from seg_console.tables.rows import changed, find
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest

ENTRIES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One row of the page. `order` is None for ALL; `settings` are sentences about what its hosts may do."""

    uid: UUID
    order: int | None
    name: str
    comment: str
    beginning: tuple[str, ...]
    more: int
    action: str
    settings: tuple[str, ...]
    is_pending: bool
    is_found: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Which group a host falls to, and why."""

    asked: str
    uid: UUID
    why: str
    caveat: str


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def group_list(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    groups = _groups(shown)
    pending_uids = changed(shown, groups)
    form = FindSendersForm(request.GET) if "find" in request.GET else FindSendersForm()
    found = _found(form.cleaned_data["find"], groups) if form.is_bound and form.is_valid() else None
    rows = [
        GroupRow(
            uid=group.uid,
            order=None if group.uid == ALL_UID else order,
            name=group.name,
            comment=group.comment,
            beginning=tuple(group.entries[:ENTRIES_SHOWN]),
            more=max(len(group.entries) - ENTRIES_SHOWN, 0),
            action=group.get_action_display(),
            settings=tuple(_settings(group)),
            is_pending=group.uid in pending_uids,
            is_found=found is not None and found.uid == group.uid,
        )
        for order, group in enumerate(groups, start=1)
    ]
    context = {"rows": rows, "find": form, "found": found, "group_count": len(rows) - 1}
    return render(request, "gateway/host_access.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(SenderGroupForm)
def add(request: ConsoleRequest) -> HttpResponse:
    return _edit(request, None, _groups(pending.shown_to(request.user))[:-1])


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(SenderGroupForm)
def edit(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    shown = pending.shown_to(request.user)
    groups = _groups(shown)
    if uid == ALL_UID:
        return _edit_last(request, groups[-1])
    return _edit(request, find(SenderGroup, shown, uid), groups[:-1])


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def delete(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    if uid == ALL_UID:
        raise Http404
    group = find(SenderGroup, pending.shown_to(request.user), uid)
    return delete_page(
        request,
        group,
        title=_("Delete Sender Group"),
        question=_("Delete sender group “%(name)s”?") % {"name": group.name},
        note=_("Its hosts fall to the next group that matches, or to the row ALL, when you commit."),
        success=_("Sender group “%(name)s” was deleted.") % {"name": group.name},
        list_view="host-access:list",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def order(request: ConsoleRequest) -> HttpResponse:
    page = OrderPage(
        title=_("Edit Sender Group Order"),
        box_title=_("Sender Groups"),
        column=_("Sender Group"),
        last=ALL,
        success=_("The order of the sender groups was changed."),
        list_view="host-access:list",
    )
    return order_page(request, _groups(pending.shown_to(request.user))[:-1], page)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(TextFileForm)
def import_table(request: ConsoleRequest) -> HttpResponse:
    return import_file(request, table_files.HOST_ACCESS_FILE)


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def export(request: ConsoleRequest) -> HttpResponse:
    return export_file(request, table_files.HOST_ACCESS_FILE)


def _edit(request: ConsoleRequest, group: SenderGroup | None, groups: Sequence[SenderGroup]) -> HttpResponse:
    editing(request, group)
    others = [other for other in groups if group is None or other.uid != group.uid]
    names = [other.name for other in others]
    if request.method != "POST":
        initial = _initial(group) | {"order": groups.index(group) + 1} if group else {}
        return _edit_page(request, SenderGroupForm(others=names, initial=initial), group)
    form = SenderGroupForm(request.POST, others=names)
    if form.is_valid():
        changed = SenderGroup(uid=group.uid if group else uuid.uuid4(), **form.values())
        at = form.cleaned_data["order"] - 1
        rows = inserted(changed, others, at=at, present=group.position if group else None)
        words = _("Sender group “%(name)s” was changed.") if group else _("Sender group “%(name)s” was added.")
        if submitted(request, form, *rows, success=words % {"name": changed.name}):
            return redirect("host-access:list")
    return _edit_page(request, form, group, status=422)


def _edit_last(request: ConsoleRequest, group: SenderGroup) -> HttpResponse:
    editing(request, group)
    if request.method != "POST":
        return _edit_page(request, LastRowForm(initial=_initial(group)), group)
    form = LastRowForm(request.POST)
    if form.is_valid():
        changed = last_row()
        for name, value in form.values().items():
            setattr(changed, name, value)
        # The row as every system has it at first needs no row of its own.
        usual = _same(changed, last_row()) and not group.comment
        changed.comment = group.comment
        rows, gone = ([], [changed]) if usual else ([changed], [])
        if submitted(request, form, *rows, remove=gone, success=_("The row ALL was changed.")):
            return redirect("host-access:list")
    return _edit_page(request, form, group, status=422)


def _edit_page(
    request: ConsoleRequest, form: LastRowForm, group: SenderGroup | None, *, status: int = 200
) -> HttpResponse:
    context = {
        "title": _("Edit Sender Group") if group else _("Add Sender Group"),
        "box_title": _("Sender Group: %(name)s") % {"name": group.name} if group else _("Sender Group"),
        "form": form,
        "cancel_url": reverse("host-access:list"),
    }
    return render(request, "includes/simple_form.html", context, status=status)


def _initial(group: SenderGroup) -> dict[str, Any]:
    values = {name: getattr(group, name) for name in SenderGroup.value_fields()}
    return values | {"entries": "\n".join(group.entries)}


def _settings(group: SenderGroup) -> list[str]:
    """What sets a group apart from the usual, a sentence for each."""
    if group.action == HostAction.REJECT and group.response:
        return [group.response]
    if group.action != HostAction.ACCEPT:
        return []
    said = [
        sentence % {"n": number}
        for number, sentence in (
            (
                group.max_connections_per_client,
                ngettext(
                    "At most %(n)d connection from one IP address",
                    "At most %(n)d connections from one IP address",
                    group.max_connections_per_client or 0,
                ),
            ),
            (
                group.max_messages_per_connection,
                ngettext(
                    "At most %(n)d message per connection",
                    "At most %(n)d messages per connection",
                    group.max_messages_per_connection or 0,
                ),
            ),
            (
                group.max_recipients,
                ngettext(
                    "At most %(n)d recipient per message",
                    "At most %(n)d recipients per message",
                    group.max_recipients or 0,
                ),
            ),
            (
                group.max_recipients_per_hour,
                ngettext(
                    "At most %(n)d recipient per hour from one IP address",
                    "At most %(n)d recipients per hour from one IP address",
                    group.max_recipients_per_hour or 0,
                ),
            ),
        )
        if number
    ]
    if group.tls != ClientTls.PREFERRED:
        said.append(_("TLS: %(choice)s") % {"choice": group.get_tls_display()})
    return said


def _found(asked: str, groups: Sequence[SenderGroup]) -> Found:
    """The group of an address, or of a name as far as names decide."""
    named = [Group(group.name, tuple(group.entries), group) for group in groups[:-1]]
    table = HostAccessTable(named, otherwise=groups[-1])
    is_address = ":" in asked or asked[-1:].isdigit()
    match = table.match(asked) if is_address else table.match_name(asked)
    if match.name == ALL:
        why = _("%(host)s falls to the last row, ALL: no sender group has an entry for it.") % {"host": asked}
    else:
        names = {"host": asked, "group": match.name, "place": match.place, "entry": match.entry}
        why = _("%(host)s falls to sender group %(group)s (number %(place)d), because of its entry %(entry)s.") % names
    caveat = (
        _("An entry further up for the host name of this address would come first.")
        if is_address
        else _(
            "A name counts only where it leads back to the address of the host; an entry further up for that "
            "address would come first."
        )
    )
    return Found(asked, match.policy.uid, why, caveat)


def _groups(configuration: Configuration) -> list[SenderGroup]:
    """The rows in their order, ALL the last, whether or not it has a row."""
    rows = list(SenderGroup.objects.filter(configuration=configuration).order_by("position", "uid"))
    return rows if rows and rows[-1].uid == ALL_UID else [*rows, last_row()]


def _same(group: SenderGroup, other: SenderGroup) -> bool:
    return all(getattr(group, name) == getattr(other, name) for name in SenderGroup.value_fields())
