"""The delivery states: docs/states.md and the code name the same moves."""

from __future__ import annotations

import re
from pathlib import Path

from seg_console.delivery.states import ENDED, MOVES, OPEN, Move, State

DOCUMENT = Path(__file__).parents[2] / "docs" / "states.md"


def test_every_state_is_either_open_or_ended() -> None:
    assert set(State) == OPEN | ENDED
    assert not OPEN & ENDED


def test_nothing_leaves_an_ended_state() -> None:
    assert all(not sources & ENDED for sources, _ in MOVES.values())


def test_the_document_lists_every_move_as_the_code_has_it() -> None:
    rows = re.findall(r"^\| ([a-l]) \| ([a-z, ]*) → (\w+)", DOCUMENT.read_text(), re.M)
    documented = {
        Move(letter): (frozenset(State(name) for name in sources.replace(",", " ").split()), State(to))
        for letter, sources, to in rows
    }
    assert documented == MOVES
