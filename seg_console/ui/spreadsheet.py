"""CSV downloads whose cells no spreadsheet program takes for a formula, whether it reads commas or semicolons."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Final

from django.http import HttpResponse

from seg_console.mail.lines import printable

# Programs that open CSV run a cell that begins with one of these; a quote in front makes it text (OWASP: CSV
# injection). The wide ones are those that Chinese and Japanese keyboards type.
_FORMULA: Final = r"[ '\"]*[=+\-@\uff1d\uff0b\uff0d\uff20]"
# Where a program begins a cell: for one that reads semicolons the quotes around ours mean nothing, so its cells begin
# and its rows end inside of them.
_BEGINNING: Final = r"(?:\A|(?<=[;\n]))"
_RUN: Final = re.compile(f"{_BEGINNING}(?={_FORMULA})")
_QUOTED: Final = re.compile(f"{_BEGINNING}'(?={_FORMULA})")
_LINE_END: Final = re.compile("\r\n|\r|\n")


def safe_cell(value: object) -> str:
    """Text of `value` that is shown, not run, with control characters written out. Numbers stay as they are: a negative
    one is no formula."""
    if isinstance(value, int | float):
        return str(value)
    return _RUN.sub("'", "\n".join(printable(line) for line in _LINE_END.split(str(value))))


def plain_cell(cell: str) -> str:
    """The text of which `safe_cell` made a cell, but for control characters."""
    return _QUOTED.sub("", cell)


def csv_download(filename: str, heading: Iterable[object], rows: Iterable[Iterable[object]]) -> HttpResponse:
    """A CSV file (UTF-8 with a byte order mark, so that spreadsheet programs read it as UTF-8)."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([safe_cell(cell) for cell in heading])
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    response = HttpResponse("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response
