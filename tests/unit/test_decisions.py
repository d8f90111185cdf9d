"""Code names a decision by its anchor, and each decision has one."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "decisions.md"
ANCHOR = re.compile(r'^- <a id="([a-z0-9-]+)"></a>\*\*', re.MULTILINE)
NAMED = re.compile(r"docs/decisions\.md(?:#([a-z0-9-]+))?")


def test_each_decision_has_an_anchor_of_its_own() -> None:
    text = PAGE.read_text()
    anchors = Counter(ANCHOR.findall(text))

    assert len(anchors) > 200
    assert len(re.findall(r"^- ", text, re.MULTILINE)) == sum(anchors.values())
    assert [anchor for anchor, count in anchors.items() if count > 1] == []


def test_code_names_decisions_that_there_are() -> None:
    anchors = set(ANCHOR.findall(PAGE.read_text()))
    named = {
        (path.relative_to(ROOT).as_posix(), anchor)
        for folder in ("seg_console", "policies", "tdc")
        for path in (ROOT / folder).rglob("*.py")
        for anchor in NAMED.findall(path.read_text())
    }

    assert len(named) >= 4
    assert [each for each in named if each[1] not in anchors] == []
