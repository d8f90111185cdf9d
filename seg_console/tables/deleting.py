"""The page that asks before a row of a table goes. A row that others name stays, and the page says which they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from seg_console.config.models import ConfigurationObject
from seg_console.config.uses import Use
from seg_console.config.views.submitting import submitted
from seg_console.ui.requests import ConsoleRequest


@dataclass(frozen=True, slots=True)
class InUse:
    """Why a row stays. `words` end in a colon, and what names the row follows, none of them where it may go; `more`:
    there is more than is said. `back` stands on the button to the table."""

    words: str
    back: str
    used_by: Sequence[Use]
    more: bool = False


def delete_page(
    request: ConsoleRequest,
    row: ConfigurationObject,
    *,
    title: str,
    question: str,
    note: str,
    success: str,
    list_view: str,
    in_use: InUse | None = None,
) -> HttpResponse:
    """A POST takes the row out of the pending set and goes to the table, `list_view`; 409 where the row is in use.
    `note` says what happens without the row."""
    if in_use and in_use.used_by:
        context = {"title": title, "in_use": in_use, "list_url": reverse(list_view)}
        return render(request, "tables/in_use.html", context, status=409)
    if request.method == "POST" and submitted(request, Form(request.POST), remove=[row], success=success):
        return redirect(list_view)
    context = {
        "title": title,
        "question": question,
        "notes": [note],
        "action": _("Delete"),
        "cancel_url": reverse(list_view),
    }
    return render(request, "includes/confirm.html", context)
