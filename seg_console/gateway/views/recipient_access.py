"""Mail Policies > Recipient Access Table (seg-webui 8.5). There may be 100,000 rows: the list is paged by place, and
editing one reads the places of the others alone."""

from __future__ import annotations

import uuid
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.config import pending, rows
from seg_console.config.forms import TextFileForm
from seg_console.config.models import Configuration
from seg_console.config.order import inserted
from seg_console.config.views.submitting import editing, submitted
from seg_console.gateway.forms import RecipientAccessForm
from seg_console.gateway.models import RecipientAccess
from seg_console.gateway.views import table_files
from seg_console.privileges import Privilege
from seg_console.tables.deleting import delete_page
from seg_console.tables.files import export_file, import_file
from seg_console.tables.ordering import OrderPage, order_page
from seg_console.tables.paging import ROWS_SHOWN, page_of
from seg_console.tables.rows import changed, find
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest

# A longer table is put in order by the numbers of single rows, or as a file.
MOST_ORDERED = 1_000


@dataclass(frozen=True, slots=True)
class AccessRow:
    """`order` is the row's place in the whole table, from 1."""

    uid: UUID
    order: int
    recipient: str
    action: str
    response: str
    is_pending: bool


@dataclass(slots=True)
class Slot:
    """The place of a row, without the row."""

    uid: UUID
    position: int


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def access_list(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    page = page_of(
        request,
        RecipientAccess.objects.filter(configuration=shown),
        label=_("Recipient Address contains"),
        lookup="recipient__icontains",
        by="position",
    )
    places = [slot.position for slot in _slots(shown)]
    pending_uids = changed(shown, page.rows)
    context = {
        "rows": [
            AccessRow(
                uid=row.uid,
                order=bisect_left(places, row.position) + 1,
                recipient=row.recipient,
                action=row.get_action_display(),
                response=f"{row.response_code} {row.response_text}" if row.response_code else "",
                is_pending=row.uid in pending_uids,
            )
            for row in page.rows
        ],
        "is_long": len(places) > ROWS_SHOWN,
        "may_order": 1 < len(places) <= MOST_ORDERED,
        **page.context(),
    }
    return render(request, "gateway/recipient_access.html", context, status=page.form.status)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(RecipientAccessForm)
def add(request: ConsoleRequest) -> HttpResponse:
    return _edit(request, pending.shown_to(request.user), None)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(RecipientAccessForm)
def edit(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    shown = pending.shown_to(request.user)
    return _edit(request, shown, find(RecipientAccess, shown, uid))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def delete(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    row = find(RecipientAccess, pending.shown_to(request.user), uid)
    return delete_page(
        request,
        row,
        title=_("Delete Recipient"),
        question=_("Delete “%(name)s” from the Recipient Access Table?") % {"name": row.recipient},
        note=_("Mail for it is refused when you commit, unless another row accepts it."),
        success=_("Recipient “%(name)s” was deleted.") % {"name": row.recipient},
        list_view="recipient-access:list",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def order(request: ConsoleRequest) -> HttpResponse:
    present = _in_order(pending.shown_to(request.user))
    if len(present) > MOST_ORDERED:
        raise Http404
    page = OrderPage(
        title=_("Edit Recipient Order"),
        box_title=_("Recipients"),
        column=_("Recipient Address"),
        last=_("All Other Recipients"),
        success=_("The order of the recipients was changed."),
        list_view="recipient-access:list",
    )
    return order_page(request, present, page)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(TextFileForm)
def import_table(request: ConsoleRequest) -> HttpResponse:
    return import_file(request, table_files.RECIPIENT_ACCESS_FILE)


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def export(request: ConsoleRequest) -> HttpResponse:
    return export_file(request, table_files.RECIPIENT_ACCESS_FILE)


def _edit(request: ConsoleRequest, shown: Configuration, row: RecipientAccess | None) -> HttpResponse:
    editing(request, row)
    slots = _slots(shown)
    others = [slot for slot in slots if row is None or slot.uid != row.uid]
    places = len(others) + 1
    if request.method != "POST":
        form = RecipientAccessForm(places=places, initial=_initial(row, slots))
        return _edit_page(request, row, form)
    form = RecipientAccessForm(request.POST, places=places)
    if form.is_valid():
        arranged = _arranged(form, others, shown, old=row)
        words = _("Recipient “%(name)s” was changed.") if row else _("Recipient “%(name)s” was added.")
        if submitted(request, form, *arranged, success=words % {"name": form.cleaned_data["recipient"]}):
            return redirect("recipient-access:list")
    return _edit_page(request, row, form, status=422)


def _edit_page(
    request: ConsoleRequest, row: RecipientAccess | None, form: RecipientAccessForm, *, status: int = 200
) -> HttpResponse:
    context = {
        "title": _("Edit Recipient") if row else _("Add Recipient"),
        "form": form,
        "cancel_url": reverse("recipient-access:list"),
    }
    return render(request, "includes/simple_form.html", context, status=status)


def _initial(row: RecipientAccess | None, slots: Sequence[Slot]) -> dict[str, object]:
    if row is None:
        return {}
    names = ("recipient", "action", "response_code", "response_text")
    place = next(number for number, slot in enumerate(slots, start=1) if slot.uid == row.uid)
    return {"order": place} | {name: getattr(row, name) for name in names}


def _arranged(
    form: RecipientAccessForm, others: Sequence[Slot], shown: Configuration, *, old: RecipientAccess | None
) -> list[RecipientAccess]:
    """The row as the form has it, and those others that must make room for it."""
    cleaned = form.cleaned_data
    slot = Slot(old.uid if old else uuid.uuid4(), 0)
    moved = inserted(slot, others, at=cleaned["order"] - 1, present=old.position if old else None)
    positions = {each.uid: each.position for each in moved}
    row = RecipientAccess(
        uid=slot.uid,
        position=positions.pop(slot.uid),
        recipient=cleaned["recipient"],
        action=cleaned["action"],
        response_code=cleaned["response_code"],
        response_text=cleaned["response_text"],
    )
    making_room = cast(dict[UUID, RecipientAccess], rows.some(RecipientAccess, shown, list(positions)))
    for uid, other in making_room.items():
        other.position = positions[uid]
    return [row, *making_room.values()]


def _slots(configuration: Configuration) -> list[Slot]:
    found = RecipientAccess.objects.filter(configuration=configuration).order_by("position", "uid")
    return [Slot(uid, position) for uid, position in found.values_list("uid", "position")]


def _in_order(configuration: Configuration) -> list[RecipientAccess]:
    return list(RecipientAccess.objects.filter(configuration=configuration).order_by("position", "uid"))
