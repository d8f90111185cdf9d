"""A table given anew as a text file: checked whole, its faults told by line, nothing changed on any."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from seg_console.config import pending, replacing
from seg_console.config.problems import InvalidConfiguration
from seg_console.config.registry import ListSection, Shape
from seg_console.gateway.forms import ImportForm
from seg_console.gateway.tables_text import LineFault, Read
from seg_console.ui.requests import ConsoleRequest
from seg_console.ui.submitting import tell_submitted

FAULTS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class ImportPage:
    """The words of the page, and where it leads back to."""

    title: str
    warning: str
    list_view: str


def import_page(
    request: ConsoleRequest, page: ImportPage, section: ListSection[Any], read: Callable[[str], Read]
) -> HttpResponse:
    if request.method != "POST":
        return _shown(request, page, ImportForm())
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        return _shown(request, page, form, status=422)
    found = read(form.text())
    values, faults = _checked(request, section, found)
    if faults:
        return _shown(request, page, form, faults, status=422)
    result = replacing.replace(request.user, section, values)
    if result.size:
        words = _(
            "The table was imported: %(added)d added, %(changed)d changed, %(removed)d deleted, %(same)d unchanged."
        )
        counts = {name: getattr(result, name) for name in ("added", "changed", "removed", "same")}
        tell_submitted(request, words % counts)
    else:
        messages.info(request, _("The file says what is in the table already; nothing was changed."))
    return redirect(page.list_view)


def _checked(
    request: ConsoleRequest, section: ListSection[Any], found: Read
) -> tuple[Sequence[Shape], Sequence[LineFault]]:
    given = len(found.items)
    if given > section.most:
        words = _("The file has %(given)s rows; at most %(most)s can be imported.")
        counts = {"given": number_format(given), "most": number_format(section.most)}
        return (), [LineFault(0, words % counts), *found.in_lines(())]
    try:
        values = replacing.checked(section, found.items, pending.shown_to(request.user))
    except InvalidConfiguration as invalid:
        return (), found.in_lines(invalid.problems)
    return values, found.in_lines(())


def _shown(
    request: ConsoleRequest, page: ImportPage, form: ImportForm, faults: Sequence[LineFault] = (), *, status: int = 200
) -> HttpResponse:
    context = {
        "page": page,
        "form": form,
        "faults": faults[:FAULTS_SHOWN],
        "faults_left_out": max(len(faults) - FAULTS_SHOWN, 0),
    }
    return render(request, "gateway/import.html", context, status=status)


def export_response(text: str, name: str) -> HttpResponse:
    """A table as a file to keep, and to import again."""
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
