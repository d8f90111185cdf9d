"""Tables as files: export, and import after a look at what it changes. A file is validated whole; on any error nothing
is changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from seg_console.config import pending, replacing, rows
from seg_console.config.changes import MOST_SHOWN
from seg_console.config.forms import TextFileForm
from seg_console.config.models import LoadedFile
from seg_console.config.problems import InvalidConfiguration, Problem, Repeated, index_in
from seg_console.config.registry import ListSection, Shape
from seg_console.config.replacing import Replacement
from seg_console.ui.requests import ConsoleRequest

_PLACE = re.compile(r"\w+\[(\d+)\]\.?(.*)")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a file, in line `line` from 1; None for the file as a whole."""

    line: int | None
    message: str


@dataclass(slots=True)
class Reading:
    """The objects of a file as the configuration document has them, the line of each, and what could not be read.

    An object of which a part could not be read stands among them too, without that part or with a good one in its
    place: the rest of its line is checked with all others.
    """

    items: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TableFile:
    """A section as a file. `list_view` and `import_view` are names of views; `form_help` tells how a line looks.

    `field_name` names what the rest of a path is about, as `hosts[1].port` of the object that stands on the line; "" if
    the message needs no name. `too_many` is a sentence with `given` and `most`.
    """

    section: ListSection[Any]
    read: Callable[[str], Reading]
    write: Callable[[Sequence[dict[str, Any]]], bytes]
    filename: str
    content_type: str
    title: str | Promise
    list_view: str
    import_view: str
    form_help: str | Promise
    example: str
    too_many: str | Promise
    field_name: Callable[[str, dict[str, Any]], str]


def export_file(request: ConsoleRequest, table: TableFile) -> HttpResponse:
    """The table that the user sees, pending changes included, as a file that imports again."""
    shown = pending.shown_to(request.user)
    with rows.collector_paused():
        found = table.section.dump(rows.read(shown, [table.section.model]))
        content = table.write([plain for _uid, plain in found])
    response = HttpResponse(content, content_type=table.content_type)
    response["Content-Disposition"] = f'attachment; filename="{table.filename}"'
    return response


def import_file(request: ConsoleRequest, table: TableFile) -> HttpResponse:
    """A POST with a file shows what it would change; one with the key of a file that was looked at makes it pending."""
    if request.method != "POST":
        return _page(request, table, TextFileForm())
    if "key" in request.POST:
        return _load(request, table, request.POST["key"])
    form = TextFileForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, table, form)
    text = form.text()
    values, faults = _checked(request, table, text)
    if faults:
        return _page(request, table, form, faults)
    shown = pending.shown_to(request.user)
    given, _new = LoadedFile.objects.update_or_create(
        owner=request.user, defaults={"text": f"{table.section.key}\n{text}", "key": uuid4()}
    )
    context = {
        "title": table.title,
        "replacement": replacing.preview(table.section, values, shown),
        "key": given.key,
        "cancel_url": reverse(table.list_view),
    }
    return render(request, "delivery/import_preview.html", context)


def _load(request: ConsoleRequest, table: TableFile, key: str) -> HttpResponse:
    given = LoadedFile.objects.filter(owner=request.user).first()
    section, _newline, text = given.text.partition("\n") if given else ("", "", "")
    if given is None or str(given.key) != key or section != table.section.key:
        messages.warning(request, _("That file is not here any more. Import it again."))
        return redirect(table.import_view)
    values, faults = _checked(request, table, text)
    if faults:
        return _page(request, table, TextFileForm(), faults)
    result = replacing.replace(request.user, table.section, values)
    given.delete()
    messages.success(request, _in_words(result))
    return redirect(table.list_view)


def _checked(request: ConsoleRequest, table: TableFile, text: str) -> tuple[tuple[Shape, ...], list[Fault]]:
    with rows.collector_paused():
        reading = table.read(text)
        faults, most = reading.faults, table.section.most
        if len(reading.items) > most:
            counts = {"given": number_format(len(reading.items)), "most": number_format(most)}
            faults.append(Fault(None, str(table.too_many) % counts))
        try:
            values = replacing.checked(table.section, reading.items[:most], pending.shown_to(request.user))
        except InvalidConfiguration as invalid:
            values = ()
            faults += [_fault(problem, reading, table) for problem in invalid.problems]
    return values, sorted(faults, key=lambda fault: fault.line or 0)


def _fault(problem: Problem, reading: Reading, table: TableFile) -> Fault:
    place = _PLACE.fullmatch(problem.path)
    if place is None:
        return Fault(None, problem.message)
    index = int(place[1])
    if isinstance(problem, Repeated):
        earlier = index_in(problem.earlier, table.section.key)
        assert earlier is not None, "an object is repeated in its own list"
        return Fault(reading.lines[index], problem.in_file(reading.lines[earlier]))
    name, message = table.field_name(place[2], reading.items[index]), problem.message
    text = _("%(field)s: %(message)s") % {"field": name, "message": message} if name else message
    return Fault(reading.lines[index], text)


def _page(request: ConsoleRequest, table: TableFile, form: TextFileForm, faults: Sequence[Fault] = ()) -> HttpResponse:
    context = {
        "title": table.title,
        "form": form,
        "form_help": table.form_help,
        "example": table.example,
        "faults": faults[:MOST_SHOWN],
        "faults_left_out": max(len(faults) - MOST_SHOWN, 0),
        "cancel_url": reverse(table.list_view),
    }
    return render(request, "delivery/import.html", context, status=422 if faults or form.errors else 200)


def _in_words(result: Replacement) -> str:
    if not result.size:
        return _("The file says what the table says already. Nothing was changed.")
    counts = ngettext(
        "%(total)s row was imported: %(added)s added, %(changed)s changed, %(removed)s removed. "
        "It takes effect when you commit.",
        "%(total)s rows were imported: %(added)s added, %(changed)s changed, %(removed)s removed. "
        "They take effect when you commit.",
        result.total,
    )
    values = {"total": result.total, "added": result.added, "changed": result.changed, "removed": result.removed}
    return counts % values
