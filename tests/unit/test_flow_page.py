"""docs/flow.md names modules and functions that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "flow.md"


def test_every_module_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`([a-z_/]+\.py)`", PAGE.read_text()))

    assert len(named) > 30
    assert [name for name in named if not any((ROOT / base / name).exists() for base in ("", "seg_console"))] == []


def test_the_picture_of_the_loops_names_functions_of_the_drain_and_the_lane() -> None:
    picture = PAGE.read_text().partition("### The loops of a drain")[2].partition("```")[2].partition("```")[0]
    code = "".join((ROOT / "seg_console" / "delivery" / name).read_text() for name in ("drain.py", "lane.py"))
    named = set(re.findall(r"\b(_[a-z_]+)\b", picture))

    assert len(named) > 10
    assert [name for name in named if f"def {name}(" not in code] == []
    assert all(f"    {line}" in code for line in picture.strip().splitlines())
