"""Tables as files: export, and import after a look at what comes and goes. A file is validated whole; on any fault
nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from seg_console.config.changes import MOST_SHOWN, Comparison
from seg_console.config.forms import TextFileForm
from seg_console.config.list_difference import Replacement
from seg_console.config.models import Configuration, LoadedFile
from seg_console.config.problems import InvalidConfiguration
from seg_console.config.registry import ListSection, Shape
from seg_console.config.replacing import Preview
from seg_console.config.table_text import Fault, Reading
from seg_console.ui.requests import ConsoleRequest


@dataclass(frozen=True, slots=True)
class TableFile:
    """A section as a file. `list_view` and `import_view` are names of views; `form_help` tells how a line looks.

    `field_name` names what the rest of a path is about, as `hosts[1].port` of the object that stands on the line; "" if
    the message needs no name. `too_many` is a sentence with `given` and `most`; `when_empty` says what an empty table
    means.
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
    when_empty: str | Promise
    field_name: Callable[[str, dict[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of what an import does, under a heading of its own."""

    key: str
    title: str
    comparison: Comparison


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
    shown = pending.shown_to(request.user)
    values, faults = _checked(table, text, shown)
    if faults:
        return _page(request, table, form, faults)
    preview = replacing.preview(table.section, values, shown)
    given = None
    if preview.counts.size:
        given, _new = LoadedFile.objects.update_or_create(
            owner=request.user, defaults={"text": f"{table.section.key}\n{text}", "key": uuid4()}
        )
    return _look(request, table, preview, given, shown)


def _load(request: ConsoleRequest, table: TableFile, key: str) -> HttpResponse:
    given = LoadedFile.objects.filter(owner=request.user).first()
    section, _newline, text = given.text.partition("\n") if given else ("", "", "")
    if given is None or str(given.key) != key or section != table.section.key:
        messages.warning(request, _("That file is not here any more. Import it again."))
        return redirect(table.import_view)
    shown = pending.shown_to(request.user)
    values, faults = _checked(table, text, shown)
    if faults:
        given.delete()
        return _page(request, table, TextFileForm(), faults)
    if request.POST.get("seen") != shown.version:
        # A row that somebody added meanwhile is not removed before anybody has seen that it would be.
        preview = replacing.preview(table.section, values, shown)
        if not preview.counts.size:
            given.delete()
        return _look(request, table, preview, given, shown, is_again=True)
    result = replacing.replace(request.user, table.section, values)
    given.delete()
    messages.success(request, _in_words(result, table.section))
    return redirect(table.list_view)


def _checked(table: TableFile, text: str, shown: Configuration) -> tuple[tuple[Shape, ...], list[Fault]]:
    with rows.collector_paused():
        reading = table.read(text)
        faults, most = reading.faults, table.section.most
        if len(reading.items) > most:
            counts = {"given": number_format(len(reading.items)), "most": number_format(most)}
            reading.fault(None, str(table.too_many) % counts)
        try:
            values = replacing.checked(table.section, reading.items[:most], shown)
        except InvalidConfiguration as invalid:
            values = ()
            faults = [*faults, *reading.in_lines(invalid.problems, table.field_name)]
    return values, sorted(faults, key=lambda fault: fault.line or 0)


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
    return render(request, "tables/import.html", context, status=422 if faults or form.errors else 200)


def _look(
    request: ConsoleRequest,
    table: TableFile,
    preview: Preview,
    given: LoadedFile | None,
    shown: Configuration,
    *,
    is_again: bool = False,
) -> HttpResponse:
    context = {
        "title": table.title,
        "preview": preview,
        "parts": [part for part in _parts(preview) if part.comparison.shown],
        "is_ordered": table.section.ordered,
        "is_again": is_again,
        "warning": _warning(preview.counts, table),
        "key": given.key if given else "",
        "seen": shown.version,
        "cancel_url": reverse(table.list_view),
    }
    return render(request, "tables/import_preview.html", context, status=409 if is_again else 200)


def _parts(preview: Preview) -> list[Part]:
    """What is lost comes first."""
    counts = preview.counts
    removed = ngettext("%(n)s row is removed", "%(n)s rows are removed", counts.removed)
    changed = ngettext("%(n)s row is changed", "%(n)s rows are changed", counts.changed)
    moved = ngettext("The order changes: %(n)s row is moved", "The order changes: %(n)s rows are moved", counts.moved)
    added = ngettext("%(n)s row is added", "%(n)s rows are added", counts.added)
    return [
        Part("removed", removed % {"n": number_format(counts.removed)}, preview.removed),
        Part("changed", changed % {"n": number_format(counts.changed)}, preview.changed),
        Part("moved", moved % {"n": number_format(counts.moved)}, preview.moved),
        Part("added", added % {"n": number_format(counts.added)}, preview.added),
    ]


def _warning(counts: Replacement, table: TableFile) -> str:
    """Of what is more often a mistake than meant; "" if there is nothing of the kind."""
    if counts.empties:
        return _("The import empties the table. %(meaning)s") % {"meaning": table.when_empty}
    if counts.removes_most:
        words = _("The import removes more than half of the table: %(removed)s of %(before)s rows.")
        return words % {"removed": number_format(counts.removed), "before": number_format(counts.before)}
    return ""


def _in_words(result: Replacement, section: ListSection[Any]) -> str:
    if section.ordered:
        words = ngettext(
            "%(total)s row was imported: %(added)s added, %(changed)s changed, %(moved)s moved, %(removed)s removed. "
            "It takes effect when you commit.",
            "%(total)s rows were imported: %(added)s added, %(changed)s changed, %(moved)s moved, %(removed)s removed. "
            "They take effect when you commit.",
            result.total,
        )
    else:
        words = ngettext(
            "%(total)s row was imported: %(added)s added, %(changed)s changed, %(removed)s removed. "
            "It takes effect when you commit.",
            "%(total)s rows were imported: %(added)s added, %(changed)s changed, %(removed)s removed. "
            "They take effect when you commit.",
            result.total,
        )
    counts = ("total", "added", "changed", "moved", "removed")
    return words % {name: number_format(getattr(result, name)) for name in counts}
