"""Mail servers that real people run, as private instances: each takes `good...@corp.example` and nobody else, at most
RECIPIENTS in a message, and passes on what it took to a ledger."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from seg_console.bench import postfix
from seg_console.launch import smtp_answers
from tests.support.programs import missing, require_program
from tests.support.running_system import free_port_block, wait_until
from tests.support.smtp_remote import Remote, Taken

ROOT = Path(__file__).parents[2]
FILES = ROOT / ".peers"
RECIPIENTS = 100
# The numbers are nobody's: they are seen only inside the instance's own folders.
USERS = {"Debian-exim": 61_001, "opensmtpd": 61_002, "opensmtpq": 61_003}


@dataclass(frozen=True)
class Peer:
    """A running server. `taken`: what has arrived behind it by now."""

    port: int
    taken: Callable[[], list[Taken]]


@contextmanager
def postfix_peer(folder: Path, ledger: Remote) -> Iterator[Peer]:
    """As it comes, but for the limits: it says 421 at the 20th error of a connection."""
    require_program("postfix", "postfix")
    if reason := postfix.why_not():
        pytest.skip(reason)
    settings = {
        "relay_domains": "corp.example",
        "relay_transport": "smtp",
        "relay_recipient_maps": r"regexp:{{/^good.*@corp\.example/ known}}",
        "relayhost": f"[127.0.0.1]:{ledger.port}",
        "smtpd_recipient_limit": str(RECIPIENTS),
        "smtpd_discard_ehlo_keywords": "8bitmime, silent-discard",
        # Its second of thought after each error is only time.
        "smtpd_error_sleep_time": "0",
    }
    port = free_port_block(1)
    with postfix.running(port=port, settings=settings):
        yield Peer(port, lambda: ledger.taken)


EXIM = """\
exim_path = {program}
spool_directory = {folder}/spool
log_file_path = {folder}/spool/%slog
primary_hostname = exim.peer.example
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
accept_8bitmime = false
recipients_max = {recipients}
smtp_accept_max_per_connection = 3
tls_advertise_hosts =
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
acl_smtp_rcpt = rcpt
acl_smtp_data = data
begin acl
rcpt:
  accept domains = corp.example
         local_parts = ^good
  deny message = 5.1.1 nobody here
data:
  accept
begin routers
ledger:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = ledger
begin transports
ledger:
  driver = smtp
  port = {ledger}
  allow_localhost
  hosts_avoid_tls = *
"""


@contextmanager
def exim_peer(folder: Path, ledger: Remote) -> Iterator[Peer]:
    """It says 421 to the fourth message of a connection."""
    program = _file("usr/sbin/exim4", "Exim")
    port = free_port_block(1)
    (folder / "spool").mkdir()
    os.chown(folder / "spool", USERS["Debian-exim"], USERS["Debian-exim"])
    configuration = folder / "exim.conf"
    configuration.write_text(
        EXIM.format(program=program, folder=folder, port=port, recipients=RECIPIENTS, ledger=ledger.port)
    )
    with _apart(folder, [program, "-C", str(configuration), "-bdf", "-q10s"], port):
        yield Peer(port, lambda: ledger.taken)


OPENSMTPD = """\
smtp limit max-rcpt {recipients}
listen on 127.0.0.1 port {port} hostname opensmtpd.peer.example
action "ledger" relay host smtp://127.0.0.1:{ledger}
match from any for domain "corp.example" rcpt-to regex "^good" action "ledger"
"""


@contextmanager
def opensmtpd_peer(folder: Path, ledger: Remote) -> Iterator[Peer]:
    """It knows no PIPELINING, and always offers 8BITMIME."""
    program = _file("usr/sbin/smtpd", "OpenSMTPD")
    port = free_port_block(1)
    configuration = folder / "smtpd.conf"
    configuration.write_text(OPENSMTPD.format(port=port, recipients=RECIPIENTS, ledger=ledger.port))
    with _apart(folder, [program, "-d", "-f", str(configuration)], port):
        yield Peer(port, lambda: ledger.taken)


@contextmanager
def smtp_server_peer(folder: Path, ledger: Remote, *, certificate: Path | None = None) -> Iterator[Peer]:
    """npm's smtp-server, which is its own ledger: it offers no 8BITMIME, and closes politely after each message."""
    node = require_program("node", "nodejs")
    modules = _file("node_modules", "npm's smtp-server")
    options = {"modules": modules, "recipients": RECIPIENTS, "closes": True, "hide8BITMIME": True, "logger": False}
    options |= {"certificate": str(certificate)} if certificate else {}
    command = [node, str(ROOT / "tests" / "support" / "smtp_server_peer.cjs"), json.dumps(options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        taken: list[Taken] = []
        port = int(process.stdout.readline())
        reader = threading.Thread(target=_read, args=(process.stdout, taken), daemon=True)
        reader.start()
        try:
            yield Peer(port, lambda: taken)
        finally:
            process.terminate()
            reader.join(5)


def _read(lines: IO[bytes], taken: list[Taken]) -> None:
    for line in lines:
        said = json.loads(line)
        mail_line = f"BODY={said['body']}" if said["body"] else ""
        content = said["content"].encode("latin-1")
        taken.append(Taken(said["sender"], said["recipients"], content, mail_line, said["tls"]))


PEERS: Mapping[str, Callable[[Path, Remote], AbstractContextManager[Peer]]] = {
    "postfix": postfix_peer,
    "exim": exim_peer,
    "opensmtpd": opensmtpd_peer,
    "smtp-server": smtp_server_peer,
}

# --- programs that know only one place for their files ---

# Debian's programs look for their users and folders where the package puts them; here they see their own.
APART = """\
set -eu
mount --make-rprivate /
mount --bind "$0/passwd" /etc/passwd
mount --bind "$0/group" /etc/group
for folder in /run /var/spool /var/lib; do mount -t tmpfs tmpfs "$folder"; done
mkdir -p /var/lib/opensmtpd/empty
exec "$@"
"""


@contextmanager
def _apart(folder: Path, command: Sequence[str], port: int) -> Iterator[None]:
    """The program in the foreground, in a mount namespace that ends with it."""
    if os.geteuid() != 0:
        pytest.skip("Programs with folders of their own need root.")
    unshare = require_program("unshare", "util-linux")
    users = "".join(f"{name}:x:{number}:{number}::/nonexistent:/bin/false\n" for name, number in USERS.items())
    groups = "".join(f"{name}:x:{number}:\n" for name, number in USERS.items())
    (folder / "passwd").write_text(Path("/etc/passwd").read_text() + users)
    (folder / "group").write_text(Path("/etc/group").read_text() + groups)
    log = folder / "output"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [unshare, "--mount", "sh", "-c", APART, str(folder), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(
            lambda: smtp_answers("127.0.0.1", port) or process.poll() is not None, what=f"an answer; {log.read_text()}"
        )
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _file(path: str, what: str) -> str:
    if not (FILES / path).exists():
        missing(what, "sh .ci/peers")
    return str(FILES / path)
