"""Mail Policies > Recipient Access Table (seg-webui 8.5)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.forms import Form
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.accounts.roles import Privilege
from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.gateway.forms import RecipientAccessForm
from seg_console.gateway.models import RecipientAccess
from seg_console.gateway.views.arranging import inserted
from seg_console.ui.access import requires
from seg_console.ui.requests import ConsoleRequest
from seg_console.ui.submitting import submitted


@dataclass(frozen=True, slots=True)
class AccessRow:
    uid: UUID
    recipient: str
    action: str
    response: str
    is_pending: bool


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def access_list(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    began = shown.based_on if shown.number is None else None
    committed = {row.uid: row for row in _in_order(began)} if began else None
    rows = [
        AccessRow(
            uid=row.uid,
            recipient=row.recipient,
            action=row.get_action_display(),
            response=f"{row.response_code} {row.response_text}" if row.response_code else "",
            is_pending=committed is not None and not _same(row, committed.get(row.uid)),
        )
        for row in _in_order(shown)
    ]
    return render(request, "gateway/recipient_access.html", {"rows": rows})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def add(request: ConsoleRequest) -> HttpResponse:
    return _edit(request, None, _in_order(pending.shown_to(request.user)))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def edit(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    rows = _in_order(pending.shown_to(request.user))
    return _edit(request, _find(rows, uid), rows)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def delete(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    row = _find(_in_order(pending.shown_to(request.user)), uid)
    success = _("Recipient “%(name)s” was deleted.") % {"name": row.recipient}
    if request.method == "POST" and submitted(request, Form(request.POST), remove=[row], success=success):
        return redirect("recipient-access:list")
    context = {
        "title": _("Delete Recipient"),
        "question": _("Delete “%(name)s” from the Recipient Access Table?") % {"name": row.recipient},
        "notes": [_("Mail for it is refused when you commit, unless another row accepts it.")],
        "action": _("Delete"),
        "cancel_url": reverse("recipient-access:list"),
    }
    return render(request, "includes/confirm.html", context)


def _edit(request: ConsoleRequest, row: RecipientAccess | None, rows: Sequence[RecipientAccess]) -> HttpResponse:
    others = [other for other in rows if row is None or other.uid != row.uid]
    places = len(others) + 1
    if request.method != "POST":
        form = RecipientAccessForm(places=places, initial=_initial(row, rows))
        return _edit_page(request, row, form)
    form = RecipientAccessForm(request.POST, places=places)
    if form.is_valid():
        changed = _arranged(form, others, old=row)
        words = _("Recipient “%(name)s” was changed.") if row else _("Recipient “%(name)s” was added.")
        if submitted(request, form, *changed, success=words % {"name": form.cleaned_data["recipient"]}):
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


def _initial(row: RecipientAccess | None, rows: Sequence[RecipientAccess]) -> dict[str, object]:
    if row is None:
        return {}
    names = ("recipient", "action", "response_code", "response_text")
    return {"order": rows.index(row) + 1} | {name: getattr(row, name) for name in names}


def _arranged(
    form: RecipientAccessForm, others: Sequence[RecipientAccess], *, old: RecipientAccess | None
) -> list[RecipientAccess]:
    """The row as the form has it, and those others that must make room for it."""
    cleaned = form.cleaned_data
    row = RecipientAccess(
        uid=old.uid if old else uuid.uuid4(),
        recipient=cleaned["recipient"],
        action=cleaned["action"],
        response_code=cleaned["response_code"],
        response_text=cleaned["response_text"],
    )
    return inserted(row, others, at=cleaned["order"] - 1, present=old.position if old else None)


def _in_order(configuration: Configuration) -> list[RecipientAccess]:
    return list(RecipientAccess.objects.filter(configuration=configuration).order_by("position", "uid"))


def _find(rows: Sequence[RecipientAccess], uid: UUID) -> RecipientAccess:
    found = next((row for row in rows if row.uid == uid), None)
    if found is None:
        raise Http404
    return found


def _same(row: RecipientAccess, other: RecipientAccess | None) -> bool:
    return other is not None and all(
        getattr(row, name) == getattr(other, name) for name in RecipientAccess.value_fields()
    )
