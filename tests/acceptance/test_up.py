"""The whole program, started and ended as people and accidents do."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest
from django.utils import timezone

from seg_console.certificates.own import tls_context
from seg_console.guard import GRACE_S
from seg_console.launch import smtp_answers
from tests.support.own_redis import own_redis
from tests.support.running_system import System, free_port_block, started, wait_until


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One system for all tests that leave it running, and for the last, which ends it."""
    with started("up", tmp_path_factory.mktemp("up")) as system:
        system.wait_until_ready()
        yield system


def test_it_says_where_to_look_once_everything_answers(system: System) -> None:
    assert f"Console: http://127.0.0.1:{system.http_port}  (user admin, passphrase " in system.said
    assert f"SMTP: 127.0.0.1:{system.smtp_port}" in system.output
    assert smtp_answers("127.0.0.1", system.smtp_port)


@pytest.mark.parametrize("hung", [None, "manage.py stand_in"], ids=["all well", "one hangs"])
def test_nothing_outlives_a_killed_up(tmp_path: Path, hung: str | None) -> None:
    with started("up", tmp_path) as system:
        system.wait_until_ready()
        family = system.family()
        if hung:
            system.child(hung).suspend()

        system.process.kill()

        psutil.wait_procs(family, timeout=GRACE_S + 20)
        assert not [process for process in family if process.is_running()]


def test_a_process_that_dies_is_started_again_and_named(system: System) -> None:
    victim = system.child("manage.py listen")

    victim.kill()

    wait_until(lambda: "listener ended with signal SIGKILL" in system.said, what="the ending is told")
    wait_until(lambda: smtp_answers("127.0.0.1", system.smtp_port), what="the listener answers again")
    assert system.child("manage.py listen").pid != victim.pid


def test_a_redis_that_hangs_is_started_again(system: System) -> None:
    hung = system.child("redis-server")

    hung.suspend()

    wait_until(lambda: "redis has not answered for 10 s and is killed." in system.said, what="it is told")
    wait_until(lambda: "redis ended with signal SIGKILL" in system.said, what="its ending is told")
    wait_until(lambda: "they deliver again" in system.said, what="the workers are back")
    assert system.child("redis-server").pid != hung.pid


def test_a_second_start_on_the_same_data_folder_is_refused(system: System) -> None:
    with started("up", system.data_folder) as second:
        assert second.wait_for_end() == 1

    assert f"SEG Console is already running on {system.data_folder} (process {system.process.pid})" in second.said


def test_each_process_has_a_log_of_its_own(system: System) -> None:
    logs = {path.stem for path in (system.data_folder / "log").glob("*.log")}

    assert {"redis", "listener", "console", "worker", "connector", "stand-in", "beat"} <= logs


def test_embedded_redis_has_no_tcp_port(system: System) -> None:
    assert not system.child("redis-server").net_connections("tcp")


def test_the_listener_moves_at_a_commit_and_the_next_start_follows(tmp_path: Path) -> None:
    moved = free_port_block(1)
    with started("up", tmp_path / "data") as system:
        system.wait_until_ready()
        listener = system.child("manage.py listen").pid
        commit(system, tmp_path / "configuration.json", port=moved)
        wait_until(lambda: smtp_answers("127.0.0.1", moved), what="the listener answers at the new port")
        wait_until(lambda: not smtp_answers("127.0.0.1", system.smtp_port), what="the old port is given up")
        assert system.child("manage.py listen").pid == listener
        system.stop()
        # What the environment says is of no account now.
        with taken_port() as default, started_again(system, SEG_SMTP_PORT=str(default)) as second:
            second.wait_until_ready()
            assert f"SMTP: 127.0.0.1:{moved}" in second.output


def test_a_committed_port_that_is_taken_does_not_keep_mail_out(tmp_path: Path) -> None:
    with taken_port() as port, started("up", tmp_path / "data") as system:
        system.wait_until_ready()
        commit(system, tmp_path / "configuration.json", port=port)
        told = f"cannot listen on 127.0.0.1:{port} as committed, goes on at 127.0.0.1:{system.smtp_port}"
        wait_until(lambda: told in system.said, what="the refusal is told")
        system.stop()
        with started_again(system) as second:
            second.wait_until_ready()
            assert f"SMTP: 127.0.0.1:{second.smtp_port}" in second.output
            assert smtp_answers("127.0.0.1", second.smtp_port)
            second.stop()
        # Without either there is nothing to run for.
        with taken_port() as default, started_again(system, SEG_SMTP_PORT=str(default)) as third:
            assert third.wait_for_end() == 1
    assert third.output == [
        f"CommandError: Port {port} on 127.0.0.1, for the SMTP listener as committed, is taken by another program. "
        f"Port {default} on 127.0.0.1, for the SMTP listener, is taken by another program: set SEG_SMTP_PORT to "
        "another one."
    ]


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def started_again(system: System, **environment: str) -> AbstractContextManager[System]:
    """Another start on the data folder and the database of one that has ended."""
    return started("up", system.data_folder, **system.database, **environment)


def commit(system: System, file: Path, **listener: object) -> None:
    file.write_text(json.dumps({"format": 1, "listener": listener}))
    system.manage("loadconfig", str(file))


@pytest.mark.parametrize(
    ("variable", "purpose"), [("SEG_HTTP_PORT", "the web console"), ("SEG_SMTP_PORT", "the SMTP listener")]
)
def test_a_taken_port_is_named_with_the_way_to_change_it(tmp_path: Path, variable: str, purpose: str) -> None:
    with taken_port() as port, started("up", tmp_path, **{variable: str(port)}) as system:
        assert system.wait_for_end() == 1

    sentence = f"Port {port} on 127.0.0.1, for {purpose}, is taken by another program: set {variable} to another one."
    assert system.output == [f"CommandError: {sentence}"]


def test_one_port_for_two_servers_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with taken_port() as port:
        pass
    with started("up", tmp_path, SEG_HTTP_PORT=str(port), SEG_SMTP_PORT=str(port)) as system:
        assert system.wait_for_end() == 1

    assert system.output == [
        f"CommandError: Port {port} on 127.0.0.1 is to be the web console's and the SMTP listener's: "
        "set SEG_HTTP_PORT or SEG_SMTP_PORT to another one."
    ]


def test_a_data_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with started("up", tmp_path / "file" / "data", SEG_SECRET_KEY="given") as system:
        assert system.wait_for_end() == 1

    [line] = system.output
    assert "SEG_DATA_DIR=" in line
    assert "cannot be used as a folder" in line


def test_a_redis_that_does_not_answer_is_one_sentence_and_the_rest_runs(tmp_path: Path) -> None:
    with started("up", tmp_path, REDIS_URL="redis://127.0.0.1:1/0") as system:
        system.wait_until_ready()
        assert smtp_answers("127.0.0.1", system.smtp_port)
        system.stop()

    assert system.output[0] == (
        "The Redis that REDIS_URL names does not answer: until it does, mail is delivered more slowly."
    )


def test_a_redis_url_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    with started("up", tmp_path, REDIS_URL="redis://127.0.0.1:port/0") as system:
        assert system.wait_for_end() == 1

    assert "REDIS_URL is not a Redis URL: give redis://host:port/0" in system.said


def test_a_redis_of_our_own_that_cannot_start_keeps_nothing_else_from_running(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "redis-server"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho out of order\nexit 3\n")
    program.chmod(0o700)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    with started("up", tmp_path / "data", PATH=path) as system:
        system.wait_until_ready()
        assert smtp_answers("127.0.0.1", system.smtp_port)
        system.stop()

    assert "redis ended with exit code 3: out of order. It is started again in 1 s." in system.output
    assert "Redis (redis) does not answer yet; see " in system.said


def test_a_certificate_without_its_key_is_one_sentence_before_anything_starts(tmp_path: Path) -> None:
    with started("up", tmp_path, SEG_TLS_CERTIFICATE="/nonexistent") as system:
        assert system.wait_for_end() == 1

    [line] = system.output
    assert "SEG_TLS_CERTIFICATE and SEG_TLS_KEY go together" in line


def test_a_process_that_keeps_ending_is_told_and_the_others_stay_up(tmp_path: Path) -> None:
    tls_context(certificate="", key="", folder=tmp_path, hostname="gw1.corp.example", now=timezone.now())
    certificate = tmp_path / "listener.pem"
    pair = str(certificate)
    with started("up", tmp_path / "data", SEG_TLS_CERTIFICATE=pair, SEG_TLS_KEY=pair) as system:
        system.wait_until_ready()
        console = system.child("gunicorn").pid
        sound = certificate.read_text()
        certificate.write_text("no certificate any more")
        system.child("manage.py listen").kill()
        wait_until(lambda: "It has ended 2 times in a row; see " in system.said, what="it is told")
        certificate.write_text(sound)
        wait_until(lambda: smtp_answers("127.0.0.1", system.smtp_port), what="the listener answers again")
        assert system.child("gunicorn").pid == console
        system.stop()

    assert "listener ended with signal SIGKILL" in system.said
    assert "listener ended with exit code 1: " in system.said


def test_the_data_folder_is_private_also_one_that_was_open(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "log").mkdir(parents=True)
    (folder / "log" / "old.log").touch()
    for path in (folder, folder / "log", folder / "log" / "old.log"):
        path.chmod(0o777)
    with started("up", folder) as system:
        system.wait_until_ready()
        family = system.family()
        # It greets once it has written its first line.
        assert smtp_answers("127.0.0.1", system.smtp_port)
        assert len(family) > 8
        assert {_umask(pid) for pid in (*(process.pid for process in family), system.process.pid)} == {"0077"}
        written = [folder, *folder.rglob("*")]
        assert {"mail_logs", "redis.sock", "old.log", "console.log"} <= {path.name for path in written}
        assert [path for path in written if path.lstat().st_mode & 0o077] == []
        system.stop()


def _umask(pid: int) -> str:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Umask:")]
    return line.split()[1]


def test_no_secret_is_in_the_environment_or_the_command_of_a_process(tmp_path: Path) -> None:
    with own_redis() as redis:
        secrets = {
            "SEG_SECRET_KEY": "k3y-that-signs-the-sessions-" + "x" * 40,
            "SEG_ADMIN_PASSPHRASE": "correct horse 11",
            "REDIS_URL": redis.url.replace("127.0.0.1", ":r3dis-passphrase@127.0.0.1"),
            "PGPASSWORD": "p9-passphrase",
        }
        redis.require("r3dis-passphrase")
        with started("up", tmp_path, **secrets) as system:
            system.wait_until_ready()
            assert system.said.count("passphrase as set before") == 1
            family = system.family()
            told = [text for process in family for text in (*process.environ().values(), *process.cmdline())]
            known = [*secrets.values(), *([system.environment["DATABASE_URL"]] if system.database else [])]
            assert [text for text in told if any(secret in text for secret in known)] == []
            handed = tmp_path / "run" / "secrets"
            assert handed.stat().st_mode & 0o777 == 0o600
            assert not (tmp_path / "secret_key").exists()
            victim = system.child("manage.py listen")
            victim.kill()
            wait_until(lambda: "listener ended with signal SIGKILL" in system.said, what="the ending is told")
            wait_until(lambda: smtp_answers("127.0.0.1", system.smtp_port), what="the listener answers again")
            assert "correct horse 11" not in handed.read_text()
            system.stop()
        assert not handed.exists()


def test_ctrl_c_stops_everything_cleanly(system: System) -> None:
    # The last test of this file: it ends the one system that the others share.
    family = system.family()

    system.process.send_signal(signal.SIGINT)

    assert system.wait_for_end() == 0, system.said
    assert system.output[-2:] == ["Stopping ...", "Stopped."]
    assert not [process for process in family if process.is_running()]
