"""What a table of differences shows of long values that stand beside each other: the part that differs. Pure."""

from __future__ import annotations

from itertools import takewhile

from django.utils.translation import ngettext

from seg_console.config.changes import FieldChange, Text

LONGEST_TEXT = 400
LONGEST_LIST = 20
# Characters that are the same on all sides, shown before and after what differs.
AROUND = 40
LEFT_OUT = "…"


def two_sides(field: FieldChange) -> tuple[str, str]:
    """Old and new of a changed field; of a list only what went and what came, unless nothing but its order changed."""
    gone, come = field.gone, field.come
    old, new = excerpts(gone, come) if gone or come else excerpts(field.old, field.new)
    return old, new


def excerpts(*values: Text) -> tuple[str, ...]:
    """Each value as it is shown beside the others. "" and () stay empty, and are compared with nothing."""
    if any(isinstance(value, tuple) for value in values):
        return _of_lists([value if isinstance(value, tuple) else tuple(filter(None, [value])) for value in values])
    return _of_texts([str(value) for value in values])


def _of_texts(texts: list[str]) -> tuple[str, ...]:
    if all(len(text) <= LONGEST_TEXT for text in texts):
        return tuple(texts)
    present = {text for text in texts if text}
    start = end = 0
    if len(present) > 1:
        same = _same_start(present)
        start = max(0, same - AROUND)
        end = max(0, _same_start({text[same:][::-1] for text in present}) - AROUND)
    return tuple(_cut(text, start, len(text) - end) if text else "" for text in texts)


def _same_start(texts: set[str]) -> int:
    """How many characters all begin with: those that the first and the last in order share."""
    first, last = min(texts), max(texts)
    return next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))


def _cut(text: str, start: int, end: int) -> str:
    shown = text[start : min(end, start + LONGEST_TEXT)]
    before = LEFT_OUT if start else ""
    after = LEFT_OUT if start + len(shown) < len(text) else ""
    return f"{before}{shown}{after}"


def _of_lists(lists: list[tuple[str, ...]]) -> tuple[str, ...]:
    present = [entries for entries in lists if entries]
    if len(present) < 2 or all(len(entries) <= LONGEST_LIST for entries in lists):
        return tuple(_shown(entries) for entries in lists)
    shared = set.intersection(*map(set, present))
    if all(shared.issuperset(entries) for entries in present):  # the order alone differs
        begin = sum(1 for _ in takewhile(lambda row: len(set(row)) == 1, zip(*present, strict=False)))
        return tuple(_shown(entries[begin:], is_part=bool(begin and entries)) for entries in lists)
    kept = [tuple(entry for entry in entries if entry not in shared) for entries in lists]
    return tuple(_shown(part, is_part=len(part) < len(entries)) for part, entries in zip(kept, lists, strict=True))


def _shown(entries: tuple[str, ...], *, is_part: bool = False) -> str:
    lines = [LEFT_OUT] * is_part + list(entries[:LONGEST_LIST])
    more = len(entries) - LONGEST_LIST
    if more > 0:
        lines.append(ngettext("and %(n)d more", "and %(n)d more", more) % {"n": more})
    return "\n".join(lines)
