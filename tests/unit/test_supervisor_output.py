from __future__ import annotations

from pathlib import Path

import pytest

from seg_console.supervisor import TERMINAL_LINES, Output


@pytest.fixture
def terminal() -> list[str]:
    return []


def output(tmp_path: Path, terminal: list[str], *, show_warnings: bool = True) -> Output:
    return Output("worker", tmp_path / "worker.log", terminal.append, show_warnings=show_warnings)


def test_everything_goes_to_the_log_and_warnings_to_the_terminal(tmp_path: Path, terminal: list[str]) -> None:
    worker = output(tmp_path, terminal)

    worker({"data": b"2026-11-02 INFO started\n2026-11-02 WARN"})
    worker({"data": b"ING disk is full\n[2026-11-02: ERROR/MainProcess] no\n"})
    worker.close()

    assert terminal == ["worker: 2026-11-02 WARNING disk is full", "worker: [2026-11-02: ERROR/MainProcess] no"]
    assert (tmp_path / "worker.log").read_text().count("\n") == 3


def test_control_characters_reach_neither_terminal_nor_log(tmp_path: Path, terminal: list[str]) -> None:
    worker = output(tmp_path, terminal)

    worker({"data": "ERROR \x1b[2J\x07\r\x9b\t\x7f\n".encode()})
    worker({"data": b"\x1b"})
    worker.close()

    assert terminal == [r"worker: ERROR \x1b[2J\x07\x0d\x9b\t\x7f"]
    assert (tmp_path / "worker.log").read_text() == "ERROR \\x1b[2J\\x07\\x0d\x9b\t\\x7f\n\\x1b"


@pytest.mark.parametrize("line", ["SecurityWarning: root", ". logfile -> [stderr]@%WARNING", "a" * 200 + " ERROR "])
def test_a_word_that_is_no_level_is_not_shown(tmp_path: Path, terminal: list[str], line: str) -> None:
    worker = output(tmp_path, terminal)

    worker({"data": f"{line}\n".encode()})
    worker.close()

    assert terminal == []


def test_a_flood_is_bounded_on_the_terminal_only(tmp_path: Path, terminal: list[str]) -> None:
    worker = output(tmp_path, terminal)

    worker({"data": b"ERROR again\n" * 1_000})
    worker.close()

    assert len(terminal) == TERMINAL_LINES
    assert (tmp_path / "worker.log").read_text().count("again") == 1_000


def test_the_last_line_said_is_the_last_that_is_not_blank(tmp_path: Path, terminal: list[str]) -> None:
    worker = output(tmp_path, terminal)

    worker({"data": b"Traceback\n  detail\nValueError: no\n\n  \n"})
    worker.close()

    assert worker.last_line == "ValueError: no"
