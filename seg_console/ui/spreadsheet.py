"""CSV downloads whose cells no spreadsheet program takes for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from django.http import HttpResponse

# Programs that open CSV run a cell that begins with one of these; a quote in front makes it text (OWASP: CSV
# injection).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(value: object) -> str:
    """Text of `value` that is shown, not run. Numbers stay as they are: a negative one is no formula."""
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def csv_download(filename: str, heading: Iterable[object], rows: Iterable[Iterable[object]]) -> HttpResponse:
    """A CSV file (UTF-8 with a byte order mark, so that spreadsheet programs read it as UTF-8)."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([safe_cell(cell) for cell in heading])
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    response = HttpResponse("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response
