"""Typed reads of the environment that name the variable and the bad value when they refuse it."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str) -> str:
    """The variable's value, or `default` when it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def port(name: str, default: int) -> int:
    """A TCP port, 0 to 65535 (0 lets the system choose). Raises ImproperlyConfigured."""
    value = text(name, str(default))
    if not value.isdigit() or int(value) > 65535:
        raise ImproperlyConfigured(f"{name}={value!r} is not a port: give a whole number from 0 to 65535.")
    return int(value)


def switch(name: str, *, default: bool) -> bool:
    """`true` or `false`, also 1/0, yes/no, on/off. Raises ImproperlyConfigured."""
    value = text(name, str(default)).lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name}={value!r} is neither true nor false.")


def words(name: str, default: str) -> list[str]:
    """Comma-separated words."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def database(name: str, default_path: Path) -> dict[str, object]:
    """Django's database settings from a URL: `postgresql://user:pass@host:port/name` or `sqlite:///path`.

    A host given as the query parameter `host` may be a socket folder. Raises ImproperlyConfigured.
    """
    url = text(name, f"sqlite:///{default_path}")
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return sqlite(Path(parts.path))
    if parts.scheme in {"postgres", "postgresql"}:
        query = dict(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(query.get("host", parts.hostname or "")),
            "PORT": str(parts.port or query.get("port", "")),
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
        }
    raise ImproperlyConfigured(f"{name}={parts.scheme}://... is not known: give postgresql://... or sqlite:///path.")


def sqlite(path: Path) -> dict[str, object]:
    """SQLite as several processes need it: a write-ahead log that survives a power cut, and writers that queue.

    Immediate transactions take the write lock at BEGIN, where the busy time-out applies; a deferred one that has
    already read cannot wait for it and would fail with "database is locked".
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;"
                "PRAGMA temp_store=MEMORY; PRAGMA mmap_size=268435456; PRAGMA wal_autocheckpoint=4000;"
            ),
        },
    }
