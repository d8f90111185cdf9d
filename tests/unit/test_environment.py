"""Variables of the environment are read with their type, and a bad value is refused by name."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from seg_console import environment
from seg_console.environment import PublicUrl


def test_an_unset_or_empty_variable_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEG_X", raising=False)
    assert environment.text("SEG_X", "default") == "default"
    monkeypatch.setenv("SEG_X", "  ")
    assert environment.text("SEG_X", "default") == "default"
    assert environment.port("SEG_X", 2525) == 2525


@pytest.mark.parametrize("value", ["-1", "0", "65536", "smtp", "2525.0", "1 2"])
def test_a_port_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SEG_SMTP_PORT", value)
    with pytest.raises(ImproperlyConfigured, match=f"SEG_SMTP_PORT='{value}' is not a port"):
        environment.port("SEG_SMTP_PORT", 2525)


@pytest.mark.parametrize("value", ["-1", "0", "15", "1000001", "many", "64.5"])
def test_a_size_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SEG_X", value)
    with pytest.raises(ImproperlyConfigured, match=f"SEG_X='{value}' is not a size: .* 16 to 1,000,000"):
        environment.megabytes("SEG_X", 256, least=16)


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("Yes", True), ("0", False), ("off", False)])
def test_a_switch_takes_the_usual_words(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("SEG_DEBUG", value)
    assert environment.switch("SEG_DEBUG", default=not expected) is expected


def test_a_switch_refuses_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEG_DEBUG", "maybe")
    with pytest.raises(ImproperlyConfigured, match="SEG_DEBUG='maybe' is neither true nor false"):
        environment.switch("SEG_DEBUG", default=False)


@pytest.mark.parametrize(
    ("read", "bad", "sentence"),
    [
        (environment.zone, "Mars/Base", "SEG_X='Mars/Base' is not a time zone"),
        (environment.zone, "../etc/passwd", "is not a time zone"),
        (environment.level, "LOUD", "SEG_X='LOUD' is not a log level: give one of DEBUG, INFO"),
        (environment.redis_url, "foo", "SEG_X is not a Redis URL: give redis://"),
        (environment.redis_url, "redis://redis.example:port/0", "SEG_X is not a Redis URL: give redis://"),
        (environment.host_name, "bad host", "SEG_X='bad host' is not a host name"),
        (environment.host_name, "a..b", "is not a host name"),
        (environment.host_name, "-a.example", "is not a host name"),
    ],
)
def test_what_a_variable_cannot_be_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[str, str], str], bad: str, sentence: str
) -> None:
    monkeypatch.setenv("SEG_X", bad)
    with pytest.raises(ImproperlyConfigured, match=re.escape(sentence)):
        read("SEG_X", "")


def test_a_data_folder_is_made_and_one_that_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEG_DATA_DIR", "new/folder")
    assert environment.folder("SEG_DATA_DIR", "var", base=tmp_path).is_dir()
    (tmp_path / "file").touch()
    monkeypatch.setenv("SEG_DATA_DIR", "file")
    with pytest.raises(ImproperlyConfigured, match="cannot be used as a folder"):
        environment.folder("SEG_DATA_DIR", "var", base=tmp_path)


def test_a_data_folder_is_closed_to_others_also_one_that_was_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEG_DATA_DIR", "new")
    assert environment.folder("SEG_DATA_DIR", "var", base=tmp_path).stat().st_mode & 0o777 == 0o700
    (tmp_path / "old").mkdir()
    (tmp_path / "old").chmod(0o755)
    monkeypatch.setenv("SEG_DATA_DIR", "old")
    assert environment.folder("SEG_DATA_DIR", "var", base=tmp_path).stat().st_mode & 0o777 == 0o700


def test_a_folder_that_everybody_shares_is_no_data_folder_and_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    for shared in ("shared", "/"):
        monkeypatch.setenv("SEG_DATA_DIR", shared)
        with pytest.raises(ImproperlyConfigured, match="is a folder that everybody shares: give one of your own"):
            environment.folder("SEG_DATA_DIR", "var", base=tmp_path)
    assert (tmp_path / "shared").stat().st_mode & 0o7777 == 0o1777


def test_a_secret_may_come_from_a_file_and_a_variable_goes_before_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secrets"
    file.write_text(json.dumps({"SEG_SECRET_KEY": "from the file", "DATABASE_URL": "postgresql://seg@db/seg"}))
    file.write_text(json.dumps({**json.loads(file.read_text()), "PGPASSWORD": "of the database"}))
    monkeypatch.setenv("SEG_SECRETS_FILE", str(file))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("SEG_SECRET_KEY", raising=False)
    assert environment.text("SEG_SECRET_KEY", "") == "from the file"
    assert environment.database("DATABASE_URL", tmp_path)["PASSWORD"] == "of the database"
    assert environment.text("SEG_HOSTNAME_OF_NOBODY", "") == ""
    monkeypatch.setenv("SEG_SECRET_KEY", "of the environment")
    assert environment.text("SEG_SECRET_KEY", "") == "of the environment"
    assert not {"SEG_SECRET_KEY", "SEG_SECRETS_FILE"} & environment.without_secrets().keys()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read (No such file or directory)."),
        ("s3cret", "is not a JSON object of texts"),
        ('["s3cret"]', "is not a JSON object of texts"),
        ('{"SEG_SECRET_KEY": 5}', "is not a JSON object of texts"),
        ('{"SEG_HTTP_PORT": "s3cret"}', ": 'SEG_HTTP_PORT' is none of SEG_SECRET_KEY, SEG_ADMIN_PASSPHRASE"),
    ],
)
def test_a_file_of_secrets_that_is_none_is_refused_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None, sentence: str
) -> None:
    file = tmp_path / "secrets"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SEG_SECRETS_FILE", str(file))
    with pytest.raises(ImproperlyConfigured, match=re.escape(sentence)) as refusal:
        environment.secrets()
    assert "s3cret" not in str(refusal.value)


def test_a_command_ends_with_the_sentence_alone() -> None:
    ended = _manage("check", SEG_SMTP_PORT="abc")
    sentence = "SEG_SMTP_PORT='abc' is not a port: give a whole number from 1 to 65535.\n"
    assert (ended.returncode, ended.stderr) == (1, sentence)


def test_a_command_on_a_database_that_was_never_prepared_ends_with_one_sentence(tmp_path: Path) -> None:
    database = {"SEG_DATA_DIR": str(tmp_path), "DATABASE_URL": ""}
    ended = _manage("showconfig", **database)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(
        r"The database cannot be used: no such table: \w+\. Is it the one that SEG_DATA_DIR or .*\n", ended.stderr
    )
    assert "Traceback" in _manage("showconfig", "--traceback", **database).stderr


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://seg.example.com", PublicUrl("https", "seg.example.com", "")),
        ("HTTPS://Seg.Example.com:443/", PublicUrl("https", "seg.example.com", "")),
        ("http://seg:8080/a/b-c/", PublicUrl("http", "seg:8080", "/a/b-c")),
        ("https://[::1]:8443/seg", PublicUrl("https", "[::1]:8443", "/seg")),
        ("", None),
    ],
)
def test_a_public_address_is_scheme_host_and_path(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: PublicUrl | None
) -> None:
    monkeypatch.setenv("SEG_X", value)
    assert environment.public_url("SEG_X") == expected
    if expected:
        assert expected.name in {"seg.example.com", "seg", "[::1]"}


@pytest.mark.parametrize(
    "value",
    [
        *("seg.example.com", "ftp://x", "https://", "https://:443", "https://a b", "https://x:0", "https://x:99999"),
        *("https://x:", "https://u:p@x/", "https://x/?a=b", "https://x/#a", "https://x/a//b", "https://x/../y"),
        *("https://x/a b", "https://x/%41", "https://seg_1.example", "https://[::1", "https://x/\\y"),
    ],
)
def test_what_is_no_address_of_a_console_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SEG_X", value)
    with pytest.raises(ImproperlyConfigured, match=r"SEG_X='.*' is not the address of a console"):
        environment.public_url("SEG_X")


def test_proxies_are_addresses_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEG_X", "127.0.0.1, ::1,10.0.0.0/8")
    assert [str(network) for network in environment.networks("SEG_X")] == ["127.0.0.1/32", "::1/128", "10.0.0.0/8"]
    monkeypatch.setenv("SEG_X", "")
    assert environment.networks("SEG_X") == ()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("10.0.0.1,proxy.example", "SEG_X: 'proxy.example' is neither an address nor a network"),
        ("10.0.0.1/8", "SEG_X: '10.0.0.1/8' is neither an address nor a network"),
        ("*", "SEG_X: '*' is neither an address nor a network"),
        ("0.0.0.0/0", "SEG_X: '0.0.0.0/0' is everybody: name the proxies alone."),
        ("::/0", "SEG_X: '::/0' is everybody"),
    ],
)
def test_what_is_no_proxy_is_refused(monkeypatch: pytest.MonkeyPatch, value: str, sentence: str) -> None:
    monkeypatch.setenv("SEG_X", value)
    with pytest.raises(ImproperlyConfigured, match=re.escape(sentence)):
        environment.networks("SEG_X")


@pytest.mark.parametrize("address", ["https://seg.example.com", "https://host.example.com/seg/"])
def test_a_deployment_behind_tls_passes_djangos_own_check(tmp_path: Path, address: str) -> None:
    checked = _manage(
        *("check", "--deploy", "--fail-level", "WARNING"),
        SEG_DATA_DIR=str(tmp_path),
        SEG_SECRET_KEY="",
        SEG_PUBLIC_URL=address,
        SEG_TRUSTED_PROXIES="127.0.0.1",
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.startswith("System check identified no issues (2 silenced).")


def test_a_console_that_only_a_proxy_could_show_does_not_start_without_one(tmp_path: Path) -> None:
    ended = _manage("up", SEG_DATA_DIR=str(tmp_path), SEG_PUBLIC_URL="https://seg.example.com/seg/")
    sentence = (
        "CommandError: SEG_PUBLIC_URL is https://seg.example.com/seg/, and the console does not speak TLS itself: "
        "name the proxy that does in SEG_TRUSTED_PROXIES, like SEG_TRUSTED_PROXIES=127.0.0.1 for one on this machine.\n"
    )
    assert (ended.returncode, ended.stderr) == (1, sentence)


def _manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a command says in a process of its own, which has the program's settings and not the tests'."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "seg_console.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


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
    assert connection.execute("PRAGMA journal_size_limit").fetchone() == (32 * 1024 * 1024,)
    assert connection.execute("PRAGMA secure_delete").fetchone() == (2,)  # FAST
    connection.close()
