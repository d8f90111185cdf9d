"""A private Postfix: its own configuration, queue and ports on loopback, in a folder that is thrown away."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_PATH = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/sbin:/bin"

# master(5): what an instance needs to receive, queue and deliver; nothing runs in a chroot.
_MASTER = """\
127.0.0.1:{port} inet n - n - 100 smtpd
pickup    unix  n - n 60   1   pickup
cleanup   unix  n - n -    0   cleanup
qmgr      unix  n - n 300  1   qmgr
tlsmgr    unix  - - n 1000? 1  tlsmgr
rewrite   unix  - - n -    -   trivial-rewrite
bounce    unix  - - n -    0   bounce
defer     unix  - - n -    0   bounce
trace     unix  - - n -    0   bounce
verify    unix  - - n -    1   verify
flush     unix  n - n 1000? 0  flush
proxymap  unix  - - n -    -   proxymap
smtp      unix  - - n -    100 smtp
error     unix  - - n -    -   error
retry     unix  - - n -    -   error
discard   unix  - - n -    -   discard
virtual   unix  - n n -    -   virtual
anvil     unix  - - n -    1   anvil
scache    unix  - - n -    1   scache
tlsproxy  unix  - - n -    0   tlsproxy
postlog   unix-dgram n - n - 1 postlogd
"""


class PostfixError(Exception):
    """Postfix cannot be run here, or did not do what it was asked to; the message says why in one sentence."""


def program(name: str) -> str:
    """The path of one of Postfix's programs. Raises PostfixError."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise PostfixError(f"{name} is not installed: apt-get install postfix")
    return found


def why_not() -> str:
    """Why a private Postfix cannot run here, as a sentence; empty when it can."""
    if os.geteuid() != 0:
        return "A private Postfix needs root: its master starts programs under Postfix's own user."
    try:
        program("postfix")
    except PostfixError as error:
        return str(error)
    return ""


class Postfix:
    """A running instance; `folder` is its own, `log` the file it logs to."""

    def __init__(self, folder: Path, *, port: int, settings: Mapping[str, str], services: Sequence[str]) -> None:
        self.folder = folder
        self.port = port
        self.log = folder / "maillog"
        self.virtual = folder / "virtual"
        self._etc = folder / "etc"
        self._services = services
        self._settings = settings

    def start(self) -> None:
        """Raises PostfixError."""
        for name in ("etc", "queue", "data", "virtual"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        owner = pwd.getpwnam("postfix")
        for name in ("data", "virtual"):
            os.chown(self.folder / name, owner.pw_uid, owner.pw_gid)
        (self._etc / "master.cf").write_text(_MASTER.format(port=self.port) + "".join(f"{s}\n" for s in self._services))
        self.configure(self._settings)
        self._command("start")

    def configure(self, settings: Mapping[str, str]) -> None:
        """Write main.cf; a running instance takes it up with `reload`."""
        lines = [f"{name} = {value}\n" for name, value in {**self._basics(), **settings}.items()]
        (self._etc / "main.cf").write_text("".join(lines))

    def reload(self) -> None:
        self._command("reload")

    def stop(self) -> None:
        self._command("stop")

    def master_pid(self) -> int:
        return int((self.folder / "queue" / "pid" / "master.pid").read_text())

    def queued(self) -> int:
        """Messages in the queue."""
        folders = ("incoming", "active", "deferred", "maildrop", "hold")
        return sum(len(files) for name in folders for _, _, files in os.walk(self.folder / "queue" / name))

    def _basics(self) -> dict[str, str]:
        owner = pwd.getpwnam("postfix")
        return {
            "compatibility_level": "3.6",
            "queue_directory": str(self.folder / "queue"),
            "data_directory": str(self.folder / "data"),
            "mail_owner": owner.pw_name,
            "setgid_group": grp.getgrnam("postdrop").gr_name,
            "maillog_file": str(self.log),
            "maillog_file_prefixes": str(self.folder),
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "myhostname": "postfix.bench.example",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "alias_maps": "",
            "alias_database": "",
            "biff": "no",
            "append_dot_mydomain": "no",
            "smtp_dns_support_level": "disabled",
            "smtp_host_lookup": "native",
            "smtpd_recipient_restrictions": "permit_mynetworks, reject",
        }

    def _command(self, word: str) -> None:
        done = subprocess.run(
            [program("postfix"), "-c", str(self._etc), word],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            log = self.log.read_text() if self.log.exists() else ""
            raise PostfixError(f"postfix {word} failed: {(done.stdout + log).strip()}")


@contextmanager
def running(*, port: int, settings: Mapping[str, str], services: Sequence[str] = ()) -> Iterator[Postfix]:
    """An instance that receives on 127.0.0.1:`port`; `settings` are added to main.cf, `services` to master.cf.

    Raises PostfixError.
    """
    reason = why_not()
    if reason:
        raise PostfixError(reason)
    with tempfile.TemporaryDirectory(prefix="seg-postfix-") as name:
        instance = Postfix(Path(name), port=port, settings=settings, services=services)
        instance.start()
        try:
            yield instance
        finally:
            instance.stop()
