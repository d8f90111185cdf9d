"""Variables of the environment are read with their type, and a bad value is refused by name."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from seg_console import environment


def test_an_unset_or_empty_variable_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEG_X", raising=False)
    assert environment.text("SEG_X", "default") == "default"
    monkeypatch.setenv("SEG_X", "  ")
    assert environment.text("SEG_X", "default") == "default"
    assert environment.port("SEG_X", 2525) == 2525


@pytest.mark.parametrize("value", ["-1", "65536", "smtp", "2525.0", "1 2"])
def test_a_port_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SEG_SMTP_PORT", value)
    with pytest.raises(ImproperlyConfigured, match=f"SEG_SMTP_PORT='{value}' is not a port"):
        environment.port("SEG_SMTP_PORT", 2525)


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("Yes", True), ("0", False), ("off", False)])
def test_a_switch_takes_the_usual_words(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("SEG_DEBUG", value)
    assert environment.switch("SEG_DEBUG", default=not expected) is expected


def test_a_switch_refuses_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEG_DEBUG", "maybe")
    with pytest.raises(ImproperlyConfigured, match="SEG_DEBUG='maybe' is neither true nor false"):
        environment.switch("SEG_DEBUG", default=False)


def test_postgresql_is_named_by_a_url_with_a_host_or_a_socket_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://seg:p%40ss@db.example:5433/mail")
    found = environment.database("DATABASE_URL", Path("x"))
    assert [found[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")] == [
        "mail",
        "seg",
        "p@ss",
        "db.example",
        "5433",
    ]
    monkeypatch.setenv("DATABASE_URL", "postgresql:///mail?host=%2Frun%2Fpostgresql")
    assert environment.database("DATABASE_URL", Path("x"))["HOST"] == "/run/postgresql"


def test_another_database_is_refused_without_repeating_its_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://u:secret@h/d")
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL=mysql") as refusal:
        environment.database("DATABASE_URL", Path("x"))
    assert "secret" not in str(refusal.value)


def test_sqlite_survives_a_power_cut_and_lets_writers_queue(tmp_path: Path) -> None:
    settings = environment.sqlite(tmp_path / "seg.sqlite3")
    options = settings["OPTIONS"]
    assert isinstance(options, dict)
    assert (options["transaction_mode"], options["timeout"]) == ("IMMEDIATE", 30)
    connection = sqlite3.connect(tmp_path / "seg.sqlite3")
    connection.executescript(options["init_command"])
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    connection.close()
