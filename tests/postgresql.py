"""Runs a command with DATABASE_URL naming a PostgreSQL cluster made for it: `python -m tests.postgresql COMMAND...`.

The cluster listens on a socket only and is gone afterwards. Without PostgreSQL's programs the command is left out, with
a word about what to install; in CI that is a failure.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

MISSING = "PostgreSQL is needed for the second half of the tests: apt-get install postgresql"


def programs() -> Path | None:
    """The folder of the newest installed server's programs; Debian keeps them off the PATH."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if packaged:
        return packaged[-1].parent
    found = shutil.which("initdb")
    return Path(found).parent if found else None


@contextmanager
def cluster(bin_folder: Path) -> Iterator[str]:
    """A running cluster; gives the URL of a database in it."""
    with tempfile.TemporaryDirectory(prefix="seg-pg-") as name:
        folder = Path(name)
        user = _server_user()
        if user:
            # The server refuses to run as root.
            shutil.chown(folder, user)
        data = folder / "data"
        # Tests ask for speed, not for surviving a power cut.
        options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=200"
        _run(user, bin_folder / "initdb", "-D", data, "-U", "seg", "-A", "trust", "-E", "UTF8", "--no-sync")
        _run(user, bin_folder / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            _run(user, bin_folder / "createdb", "-h", folder, "-U", "seg", "seg")
            yield f"postgresql://seg@/seg?host={quote(str(folder))}"
        finally:
            _run(user, bin_folder / "pg_ctl", "-D", data, "-m", "immediate", "stop")


def _server_user() -> str:
    """The user to run the server as; "" for the one we are."""
    if os.geteuid() != 0:
        return ""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(user: str, *command: str | Path) -> None:
    words = [*(["runuser", "-u", user, "--"] if user else []), *map(str, command)]
    done = subprocess.run(words, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{words} failed:\n{done.stdout}")


def main(command: Sequence[str]) -> int:
    bin_folder = programs()
    if bin_folder is None:
        sys.stderr.write(f"{MISSING}\n")
        return 1 if os.environ.get("CI") == "true" else 0
    with cluster(bin_folder) as url:
        return subprocess.run(command, env=os.environ | {"DATABASE_URL": url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
