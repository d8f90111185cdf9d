"""showconfig and loadconfig, as automation uses them."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from seg_console.accounts.models import User
from seg_console.audit.source import machine_user
from seg_console.config import document, pending
from seg_console.config.models import Configuration
from tests.support.configurations import FULL, full

pytestmark = pytest.mark.django_db


def show() -> str:
    out = io.StringIO()
    call_command("showconfig", stdout=out)
    return out.getvalue()


def load(file: Path | str, *arguments: str) -> str:
    out = io.StringIO()
    call_command("loadconfig", str(file), "--comment", "by hand", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "configuration.json"
    path.write_text(json.dumps(FULL))
    return path


def test_what_is_shown_can_be_loaded(file: Path) -> None:
    assert load(file) == "Configuration 2 committed.\n"
    assert json.loads(show()) == FULL
    assert (pending.committed().comment, pending.committed().author) == ("by hand", machine_user())
    file.write_text(show())
    assert load(file) == "Nothing differs from configuration 2; nothing to commit.\n"


def test_loading_can_be_done_in_a_users_name(file: Path) -> None:
    User.objects.create_user("ann")
    load(file, "--user", "ann")
    assert pending.committed().author == "ann"


@pytest.mark.parametrize("comment", ["x" * 2_001, "opens \u202eno door"])
def test_a_comment_that_cannot_be_kept_loads_nothing(file: Path, comment: str) -> None:
    before = pending.committed().number
    with pytest.raises(CommandError, match="The comment cannot be kept"):
        call_command("loadconfig", str(file), "--comment", comment)
    assert pending.committed().number == before
    assert Configuration.objects.count() == 1


def test_loading_reads_standard_input(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    assert load("-") == "Configuration 2 committed.\n"


def test_every_fault_is_printed_with_its_path_and_nothing_is_loaded(file: Path) -> None:
    content: dict[str, Any] = full(listener={"max_recipients": 0}, speed=1)
    file.write_text(json.dumps(content))
    errors = io.StringIO()
    with pytest.raises(CommandError, match="nothing was loaded") as failed:
        call_command("loadconfig", str(file), "--comment", "x", stderr=errors)
    assert failed.value.returncode == 1
    assert [line.split(":")[0] for line in errors.getvalue().splitlines()] == ["speed", "listener.max_recipients"]
    assert Configuration.objects.committed().count() == 1 or not Configuration.objects.exists()
    assert document.dump(pending.committed()) == document.initial()


@pytest.mark.parametrize("content", ["", "{", '{"format": 1, "format": 1}'])
def test_text_that_is_no_document_is_refused(file: Path, content: str) -> None:
    file.write_text(content)
    errors = io.StringIO()
    with pytest.raises(CommandError):
        call_command("loadconfig", str(file), "--comment", "x", stderr=errors)
    assert "this is not a JSON document" in errors.getvalue()


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot be read: No such file or directory\."):
        load(tmp_path / "missing.json")


def test_an_unknown_user_is_one_sentence(file: Path) -> None:
    with pytest.raises(CommandError, match="There is no user 'eve'"):
        load(file, "--user", "eve")


def test_a_comment_may_be_left_out_unless_general_settings_ask_for_one(file: Path) -> None:
    file.write_text(json.dumps(full(general_settings={"comment_required": True})))
    call_command("loadconfig", str(file), stdout=io.StringIO())
    assert (pending.committed().number, pending.committed().comment) == (2, "")
    file.write_text(json.dumps(full()))
    with pytest.raises(CommandError, match="General Settings ask for a comment"):
        call_command("loadconfig", str(file), "--comment", " ", stdout=io.StringIO())
    assert pending.committed().number == 2
    assert load(file) == "Configuration 3 committed.\n"
