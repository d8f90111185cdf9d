"""A real nginx with TLS before the console, set up with the very lines of docs/howto/behind-a-proxy.md."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.certificates import made
from tests.support.programs import require_program
from tests.support.running_system import ROOT, wait_until

DOCUMENT = ROOT / "docs" / "howto" / "behind-a-proxy.md"
# In the foreground, in one process, and with every file in the folder.
AROUND = """\
daemon off;
master_process off;
user {user};
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


@contextmanager
def nginx(folder: Path, *, port: int, console_port: int) -> Iterator[None]:
    """Listens on `port` of 127.0.0.1 with a certificate of its own, and hands /seg/ on to the console."""
    program = require_program("nginx", "nginx-light")
    folder.mkdir()
    pair = made("localhost")
    (folder / "certificate").write_text(pair.certificate)
    (folder / "key").write_text(pair.key)
    file = folder / "nginx.conf"
    user = "root" if os.geteuid() == 0 else "nobody"
    file.write_text(AROUND.format(folder=folder, user=user, server=_documented(folder, port, console_port)))
    log = folder / "output"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "-c", str(file), "-p", str(folder), "-e", "stderr"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: _answers(port) or process.poll() is not None, what=f"nginx; {log.read_text()}")
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(20)


def _documented(folder: Path, port: int, console_port: int) -> str:
    [block] = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    for wanted, ours in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("server_name host.example.com;", "server_name localhost;"),
        ("/etc/ssl/host.example.com.pem", str(folder / "certificate")),
        ("/etc/ssl/private/host.example.com.key", str(folder / "key")),
        ("http://127.0.0.1:8000", f"http://127.0.0.1:{console_port}"),
    ):
        assert block.count(wanted) == 1, wanted
        block = block.replace(wanted, ours)
    return str(block)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False
