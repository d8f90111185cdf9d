"""Destination Controls as a CSV file: one row a destination, the keys of the configuration document as its heading."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from seg_console.config.table_text import Reading
from seg_console.delivery.document import DESTINATION_CONTROLS, Control
from seg_console.tables.files import TableFile
from seg_console.ui.spreadsheet import plain_cell, safe_cell

COLUMNS = tuple(Control.model_fields)
NUMBERS = frozenset(
    {
        "max_connections",
        "max_messages_per_connection",
        "max_recipients_per_transaction",
        "max_recipients",
        "recipients_minutes",
    }
)
# As spreadsheet programs write them: where numbers have a decimal comma it is semicolons; tabs when cells are pasted.
SEPARATORS = ",;\t"
_STATED = re.compile(r'[^\s,;"]')
# A negative or a very large one is told its range by the rules of the document.
_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)


def read(text: str) -> Reading:
    """An empty cell says what a key that is left out says: the default."""
    reading = Reading(DESTINATION_CONTROLS.key)
    source = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=_separator(text))
    heading: list[str] | None = None
    try:
        before = 0
        for cells in source:
            line, before = before + 1, source.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if heading is None:
                heading = [cell.strip() for cell in cells]
                _check_heading(heading, line, reading)
                if reading.faults:
                    return reading
                continue
            _read_row(heading, cells, line, reading)
    except csv.Error:
        reading.fault(
            source.line_num, _now("this line is not CSV, or a cell of it is too long: nothing behind it was read.")
        )
    if heading is None:
        reading.fault(None, _now("The file is empty; its first line names the columns."))
    return reading


def _separator(text: str) -> str:
    """What stands between the names of the heading, none of which holds any of these."""
    heading = next((line for line in text.splitlines() if _STATED.search(line)), "")
    return max(SEPARATORS, key=heading.count)


def _check_heading(heading: Sequence[str], line: int, reading: Reading) -> None:
    unknown = [name for name in heading if name not in COLUMNS]
    if unknown or "domain" not in heading or len(set(heading)) < len(heading):
        words = _now("give the names of columns, each once and domain among them: %(columns)s.")
        reading.fault(line, words % {"columns": ", ".join(COLUMNS)})


def _read_row(heading: Sequence[str], cells: Sequence[str], line: int, reading: Reading) -> None:
    if len(cells) != len(heading):
        words = _now("this line has %(cells)s cells, and the heading has %(columns)s.")
        reading.fault(line, words % {"cells": len(cells), "columns": len(heading)})
    item: dict[str, Any] = {}
    # What is right under its column is checked all the same.
    for name, cell in zip(heading, cells, strict=False):
        value = plain_cell(cell.strip())
        if not value:
            continue
        if name not in NUMBERS:
            item[name] = value
        elif _NUMBER.fullmatch(value):
            item[name] = int(value)
        else:
            words = _now("%(field)s: give a whole number, or nothing for the default.")
            reading.fault(line, words % {"field": name})
    reading.add(item, line)


def write(items: Sequence[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(name, item[name]) for name in COLUMNS] for item in items)
    # The mark lets spreadsheet programs read it as UTF-8.
    return ("\ufeff" + text.getvalue()).encode()


def _cell(name: str, value: Any) -> str:
    if value is None or (value == "default" and name != "domain"):
        return ""
    return safe_cell(value)


FILE = TableFile(
    section=DESTINATION_CONTROLS,
    read=read,
    write=write,
    filename="destination-controls.csv",
    content_type="text/csv; charset=utf-8",
    title=_("Import Destination Controls"),
    list_view="destination-controls:list",
    import_view="destination-controls:import",
    form_help=_(
        "A CSV file, as Export gives it: the first line names the columns, each further line is a destination. An "
        "empty cell means the default; the destination ALL is the default row. Semicolons or tabs may stand in place "
        "of commas, as some spreadsheet programs write them."
    ),
    example="domain,max_connections,max_recipients,recipients_minutes,tls\n"
    "partner.example,20,500,60,required\n"
    ".corp.example,,0,,",
    too_many=_("The file has %(given)s rows; at most %(most)s can be imported."),
    when_empty=_("Mail to every destination then follows the built-in values."),
    # Its columns are named like the keys.
    field_name=lambda path, _item: path,
)
