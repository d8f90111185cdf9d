"""Times and CSV cells as pages write them."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation
from django.utils.formats import number_format
from hypothesis import given
from hypothesis import strategies as st

from seg_console.accounts.roles import PRIVILEGES, Role, allows
from seg_console.privileges import Privilege
from seg_console.ui.spreadsheet import csv_download, plain_cell, safe_cell
from seg_console.ui.times import status_time, tracking_time

AT = datetime(2024, 2, 17, 3, 19, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "tracking", "status"),
    [
        ("America/Chicago", "16 Feb 2024 21:19:22 (GMT -06:00)", "Fri Feb 16 21:19:22 2024 CST"),
        ("Asia/Kolkata", "17 Feb 2024 08:49:22 (GMT +05:30)", "Sat Feb 17 08:49:22 2024 IST"),
        ("UTC", "17 Feb 2024 03:19:22 (GMT +00:00)", "Sat Feb 17 03:19:22 2024 UTC"),
    ],
)
def test_times_are_written_in_the_gateways_zone(zone: str, tracking: str, status: str) -> None:
    with timezone.override(ZoneInfo(zone)):
        assert tracking_time(AT) == tracking
        assert status_time(AT) == status


@pytest.mark.parametrize(
    ("zone", "tracking", "status"),
    [
        ("America/Chicago", "2024年2月16日 21:19:22 (GMT -06:00)", "2024年2月16日 星期五 21:19:22 CST"),
        ("Asia/Shanghai", "2024年2月17日 11:19:22 (GMT +08:00)", "2024年2月17日 星期六 11:19:22 CST"),
    ],
)
def test_times_are_written_as_chinese_readers_write_them(zone: str, tracking: str, status: str) -> None:
    with timezone.override(ZoneInfo(zone)), translation.override("zh-hans"):
        assert tracking_time(AT) == tracking
        assert status_time(AT) == status


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_thousands_are_set_apart_in_both_languages(language: str) -> None:
    with translation.override(language):
        assert number_format(1234567) == "1,234,567"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+1", "@SUM(A1)", " =1", "'=1", '"=1', "\uff1d1", "\uff20SUM(A1)"])
def test_a_text_that_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert safe_cell(f"a;{text}") == f"a;'{text}"
    assert safe_cell(f"a\n{text}") == f"a\n'{text}"


@pytest.mark.parametrize(
    ("value", "cell"),
    [(-5, "-5"), (0, "0"), ("a=b", "a=b"), ("a; b", "a; b"), ("a,=b", "a,=b"), ("'a'", "'a'"), ("", "")],
)
def test_numbers_and_plain_texts_stay_as_they_are(value: object, cell: str) -> None:
    assert safe_cell(value) == cell


@pytest.mark.parametrize(
    ("text", "cell"), [("\x1b[31m=1", "\\x1b[31m=1"), ("\t=1", "\\t=1"), ("\r=1", "\n'=1"), ("a\r\nb\x00", "a\nb\\x00")]
)
def test_controls_in_a_cell_are_written_out(text: str, cell: str) -> None:
    assert safe_cell(text) == cell


CELLS = st.lists(st.sampled_from(["a", "=", "-", "@", ";", ",", "'", '"', " ", "\n", "\uff0b"])).map("".join)


@given(CELLS)
def test_a_cell_is_read_again_as_it_was(text: str) -> None:
    assert plain_cell(safe_cell(text)) == text


@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=4))
def test_no_program_finds_a_formula_whatever_separates_its_cells(rows: list[list[str]]) -> None:
    text = csv_download("x.csv", ["Heading"], rows).content.decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text)))[1:] == [[safe_cell(cell) for cell in row] for row in rows]
    for separator in ",;":
        for row in csv.reader(io.StringIO(text), delimiter=separator):
            assert not [cell for cell in row if cell.lstrip(' "').startswith(("=", "-", "@", "\uff0b"))]


def test_every_role_has_its_privileges_written_down_and_an_unknown_one_has_none() -> None:
    assert set(PRIVILEGES) == set(Role)
    assert not any(allows("root", privilege) for privilege in Privilege)
