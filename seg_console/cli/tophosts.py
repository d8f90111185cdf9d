"""The screen of `tophosts` (asyncos-cli 4.1), as pure text. Programs read it: not a blank may move."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

ROWS_SHOWN = 20
NAME_WIDTH = 22


@dataclass(frozen=True, slots=True)
class HostRow:
    """One destination's numbers. `is_down`: the last delivery attempt found it down."""

    name: str
    is_down: bool
    active_recipients: int
    connections_out: int
    delivered_recipients: int
    soft_bounced_events: int
    hard_bounced_recipients: int


@dataclass(frozen=True, slots=True)
class SortKey:
    """One way to sort: its word in the batch form, its line in the menu, its number of a row."""

    word: str
    title: str
    number: Callable[[HostRow], int]


# In the menu hard stands before soft; in the table it is the other way round.
SORT_KEYS = (
    SortKey("active_rcpts", "Active Recipients", lambda row: row.active_recipients),
    SortKey("conn_out", "Connections Out", lambda row: row.connections_out),
    SortKey("delivered_rcpts", "Delivered Recipients", lambda row: row.delivered_recipients),
    SortKey("hard_bounced_rcpts", "Hard Bounced Recipients", lambda row: row.hard_bounced_recipients),
    SortKey("soft_bounced_evts", "Soft Bounced Events", lambda row: row.soft_bounced_events),
)


def menu() -> str:
    """The question, without the prompt `[1]> ` that waits for its answer."""
    choices = "\n".join(f"{number}. {key.title}" for number, key in enumerate(SORT_KEYS, start=1))
    return f"\nSort results by:\n\n{choices}\n"


def sort_key(answer: str) -> SortKey | None:
    """The key for an answer: its number in the menu or its word; empty takes the first. None: no such key."""
    answer = answer.strip().lower()
    if not answer:
        return SORT_KEYS[0]
    if answer.isdecimal():
        at = int(answer) - 1
        return SORT_KEYS[at] if 0 <= at < len(SORT_KEYS) else None
    return next((key for key in SORT_KEYS if key.word == answer), None)


def screen(rows: Iterable[HostRow], key: SortKey, *, status_as_of: str) -> str:
    """The 20 destinations highest in `key`, ties by name. `status_as_of`: the time with its zone, as it is printed."""
    top = sorted(rows, key=lambda row: (-key.number(row), row.name))[:ROWS_SHOWN]
    lines = [
        "",
        f"{'Status as of:':<32}{status_as_of}",
        "Hosts marked with '*' were down as of the last delivery attempt.",
        "",
        _columns("  ", " ", "", ["Active", "Conn.", "Deliv.", "Soft", "Hard"]),
        _columns(" #", " ", "Recipient Host", ["Recip.", "Out", "Recip.", "Bounced", "Bounced"]),
        "",
        *(_row(rank, row) for rank, row in enumerate(top, start=1)),
    ]
    return "\n".join(lines) + "\n"


def _row(rank: int, row: HostRow) -> str:
    numbers = (
        row.active_recipients,
        row.connections_out,
        row.delivered_recipients,
        row.soft_bounced_events,
        row.hard_bounced_recipients,
    )
    return _columns(f"{rank:>2}", "*" if row.is_down else " ", row.name, [f"{number:,}" for number in numbers])


def _columns(rank: str, mark: str, name: str, cells: Sequence[str]) -> str:
    active, connections, delivered, soft, hard = cells
    return f"{rank}{mark}  {name:<{NAME_WIDTH}}{active:>13}{connections:>7}{delivered:>11}{soft:>11}{hard:>11}"
