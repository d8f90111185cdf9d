"""Typed reads of the environment that name the variable and the bad value when they refuse it."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured

from seg_console.proxies import SCHEMES, Network

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MOST_MEGABYTES = 1_000_000
_IPV6_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]")
# Path of a URL: what needs no encoding (RFC 3986, section 2.3), and no segment that leads elsewhere.
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*")
_USUAL_PORTS = {"http": 80, "https": 443}
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

# What no process needs to have in its environment, where others of the same user read it and children inherit it.
SECRETS = ("SEG_SECRET_KEY", "SEG_ADMIN_PASSPHRASE", "DATABASE_URL", "REDIS_URL", "PGPASSWORD")
SECRETS_FILE = "SEG_SECRETS_FILE"


def text(name: str, default: str) -> str:
    """The variable's value, or `default` when it is unset or empty. A secret may come from SEG_SECRETS_FILE instead.
    Raises ImproperlyConfigured when that cannot be read."""
    value = os.environ.get(name, "").strip()
    if not value and name in SECRETS:
        value = secrets().get(name, "").strip()
    return value or default


def secrets() -> Mapping[str, str]:
    """What the file that SEG_SECRETS_FILE names holds; nothing where none is named. Raises ImproperlyConfigured."""
    file = os.environ.get(SECRETS_FILE, "").strip()
    return _secrets_in(file) if file else {}


@cache
def _secrets_in(file: str) -> Mapping[str, str]:
    try:
        found = json.loads(Path(file).read_bytes())
    except OSError as error:
        raise ImproperlyConfigured(f"{SECRETS_FILE}={file!r} cannot be read ({error.strerror}).") from error
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        # Without the reason: that quotes what is in the file.
        raise ImproperlyConfigured(
            f"{SECRETS_FILE}={file!r} is not a JSON object of texts: write one like "
            '{"SEG_SECRET_KEY": "...", "DATABASE_URL": "..."}.'
        )
    unknown = sorted(set(found) - set(SECRETS))
    if unknown:
        raise ImproperlyConfigured(f"{SECRETS_FILE}={file!r}: {unknown[0]!r} is none of {', '.join(SECRETS)}.")
    return found


def without_secrets() -> dict[str, str]:
    """The environment of this process as others may have it."""
    return {name: value for name, value in os.environ.items() if name not in {*SECRETS, SECRETS_FILE}}


def keep_files_private() -> None:
    """Whatever this process and its children write from now on is their user's alone."""
    os.umask(0o077)


def port(name: str, default: int) -> int:
    """A TCP port, 1 to 65535. Raises ImproperlyConfigured."""
    value = text(name, str(default))
    if not (value.isascii() and value.isdigit()) or not 1 <= int(value) <= 65535:
        raise ImproperlyConfigured(f"{name}={value!r} is not a port: give a whole number from 1 to 65535.")
    return int(value)


def megabytes(name: str, default: int, *, least: int) -> int:
    """A size in whole megabytes, `least` or more. Raises ImproperlyConfigured."""
    value = text(name, str(default))
    if not (value.isascii() and value.isdigit()) or not least <= int(value) <= _MOST_MEGABYTES:
        raise ImproperlyConfigured(
            f"{name}={value!r} is not a size: give a whole number of megabytes, {least} to {_MOST_MEGABYTES:,}."
        )
    return int(value)


def folder(name: str, default: str, *, base: Path) -> Path:
    """A folder, made if need be and closed to other users; a relative one is looked for in `base`. Raises
    ImproperlyConfigured."""
    path = (base / text(name, default)).resolve()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.stat().st_mode
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name}={str(path)!r} cannot be used as a folder ({error.strerror}): give a folder of your own."
        ) from error
    if mode & stat.S_ISVTX or path == Path(path.anchor):
        # Like /tmp: others need it, and closing it to them would be worse than leaving it open.
        raise ImproperlyConfigured(f"{name}={str(path)!r} is a folder that everybody shares: give one of your own.")
    with suppress(PermissionError):
        close_to_others(path)
    return path


def close_to_others(path: Path) -> bool:
    """Take every right from group and others. Returns whether there was any; raises OSError."""
    mode = stat.S_IMODE(path.lstat().st_mode)
    if not mode & 0o077:
        return False
    path.chmod(mode & ~0o077)
    return True


def host_name(name: str, default: str) -> str:
    """A host name as banner and headers may show it (RFC 1123 2.1). Raises ImproperlyConfigured."""
    value = text(name, default)
    if not _HOST_NAME.fullmatch(value) or len(value) > 253:
        raise ImproperlyConfigured(f"{name}={value!r} is not a host name: give one like gw1.example.com.")
    return value


class PublicUrl(NamedTuple):
    """`host`: in lower case, with the port unless it is the usual one. `prefix`: "" or a path like /seg."""

    scheme: str
    host: str
    prefix: str

    @property
    def origin(self) -> str:
        """As browsers send it in `Origin` (RFC 6454)."""
        return f"{self.scheme}://{self.host}"

    @property
    def name(self) -> str:
        """The host without its port, as Django compares it."""
        return re.sub(r":\d+$", "", self.host)


def public_url(name: str) -> PublicUrl | None:
    """The address that people type; None where none is given. Raises ImproperlyConfigured."""
    value = text(name, "")
    if not value:
        return None
    found = _public_url(value)
    if found is None:
        raise ImproperlyConfigured(
            f"{name}={value!r} is not the address of a console: give one like https://seg.example.com or "
            "https://host.example.com/seg/, without user, query and fragment."
        )
    return found


def _public_url(value: str) -> PublicUrl | None:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return None
    scheme, prefix = parts.scheme.lower(), parts.path.rstrip("/")
    host, _colon, _port = parts.netloc.lower().partition(":")
    if parts.netloc.startswith("["):
        host = parts.netloc.lower().partition("]")[0] + "]"
    is_host = bool(_HOST_NAME.fullmatch(host) or _IPV6_HOST.fullmatch(host))
    if scheme not in SCHEMES or not is_host or port == 0 or any(mark in value for mark in "?#@\\"):
        return None
    if parts.netloc.endswith(":") or not _PREFIX.fullmatch(prefix):
        return None
    shown_port = f":{port}" if port and port != _USUAL_PORTS[scheme] else ""
    return PublicUrl(scheme, host + shown_port, prefix)


def networks(name: str) -> tuple[Network, ...]:
    """Addresses and networks, separated by commas. Raises ImproperlyConfigured."""
    return tuple(_network(name, word) for word in words(name, ""))


def check_proxies(public: PublicUrl | None, trusted: Sequence[Network]) -> None:
    """Raises ImproperlyConfigured for a console that nobody could reach: it does not speak TLS itself."""
    if public and public.scheme == "https" and not trusted:
        raise ImproperlyConfigured(
            f"SEG_PUBLIC_URL is {public.origin}{public.prefix}/, and the console does not speak TLS itself: name the "
            "proxy that does in SEG_TRUSTED_PROXIES, like SEG_TRUSTED_PROXIES=127.0.0.1 for one on this machine."
        )


def _network(name: str, word: str) -> Network:
    try:
        network = ip_network(word)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name}: {word!r} is neither an address nor a network: give some like 127.0.0.1, ::1 or 10.0.0.0/8, "
            "separated by commas."
        ) from error
    if network.prefixlen == 0:
        raise ImproperlyConfigured(f"{name}: {word!r} is everybody: name the proxies alone.")
    return network


def zone(name: str, default: str) -> str:
    """A time zone's name. Raises ImproperlyConfigured."""
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ImproperlyConfigured(f"{name}={value!r} is not a time zone: give one like Europe/Berlin.") from error
    return value


def level(name: str, default: str) -> str:
    """How much of the programs' own logs is kept. Raises ImproperlyConfigured."""
    value = text(name, default).upper()
    if value not in _LEVELS:
        raise ImproperlyConfigured(f"{name}={value!r} is not a log level: give one of {', '.join(_LEVELS)}.")
    return value


def redis_url(name: str, default: str) -> str:
    """Where Redis is. Raises ImproperlyConfigured, without repeating what may hold a passphrase."""
    value = text(name, default)
    if not value.startswith(("redis://", "rediss://", "unix://")) or not _has_sound_port(value):
        raise ImproperlyConfigured(
            f"{name} is not a Redis URL: give redis://host:port/0, rediss://... or unix:///path."
        )
    return value


def _has_sound_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


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
            "PASSWORD": unquote(parts.password or "") or text("PGPASSWORD", ""),
            "HOST": unquote(query.get("host", parts.hostname or "")),
            "PORT": str(parts.port or query.get("port", "")),
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
            # A host that is gone without a word would hold every page and worker up for minutes.
            "OPTIONS": {"connect_timeout": 10},
        }
    raise ImproperlyConfigured(f"{name}={parts.scheme}://... is not known: give postgresql://... or sqlite:///path.")


def sqlite(path: Path) -> dict[str, object]:
    """SQLite as several processes need it: a write-ahead log that survives a power cut and keeps to a size, and writers
    that queue.

    Immediate transactions take the write lock at BEGIN, where the busy time-out applies; a deferred one that has
    already read cannot wait for it and would fail with "database is locked". Debian's SQLite overwrites what is deleted
    with zeros, which wrote every body twice more; FAST does it where it costs nothing.
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
                "PRAGMA journal_size_limit=33554432; PRAGMA secure_delete=FAST;"
            ),
        },
    }
