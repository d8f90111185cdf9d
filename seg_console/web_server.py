"""How gunicorn serves the console (`--config python:seg_console.web_server`); every name here is gunicorn's own."""

from __future__ import annotations

from pathlib import Path

from seg_console import environment, settings

environment.check_proxies(settings.SEG_PUBLIC_URL, settings.SEG_TRUSTED_PROXIES)

bind = [f"{settings.SEG_HTTP_HOST}:{settings.SEG_HTTP_PORT}"]
# Pages wait for the database, not for the processor: threads of one process share its caches.
worker_class = "gthread"
workers = 1
threads = 8
timeout = 60
# What proxies say is judged in one place (ui/behind_proxy.py); of itself gunicorn would believe any of this machine.
forwarded_allow_ips = ""
limit_request_line = settings.LONGEST_REQUEST_LINE
graceful_timeout = 4
# The worker's heartbeat file belongs in memory: on a slow disk it would stop a healthy worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
# Else a socket in the home folder, shared by every gunicorn of the user.
control_socket_disable = True
# Of what gunicorn itself writes.
umask = 0o077


def on_starting(_server: object) -> None:
    """Before there are workers, which inherit it."""
    environment.keep_files_private()
