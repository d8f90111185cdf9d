"""Where to listen: the address and port that hold, and in words why one cannot be had."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings
from django.utils.translation import gettext as _

# Where a server listens on every address, one knocks at this one.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Place:
    """A TCP address to listen on. `host` is an IP address; from the environment it may be a name."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def nearby(self) -> Place:
        """Where a program on this machine connects to reach it."""
        return Place(_LOOPBACK.get(self.host, self.host), self.port)


def of_environment() -> Place:
    """What SEG_SMTP_HOST and SEG_SMTP_PORT say."""
    return Place(settings.SEG_SMTP_HOST, settings.SEG_SMTP_PORT)


def place_of(address: str, port: int | None) -> Place:
    """Where to listen by the configuration, and in what it does not say ("", None) by the environment."""
    default = of_environment()
    return Place(address or default.host, port or default.port)


def is_reachable(address: str) -> bool:
    """Whether hosts of the network reach a configured IP address; False for ""."""
    return bool(address) and not ipaddress.ip_address(address).is_loopback


@dataclass(frozen=True, slots=True)
class Orders:
    """What says where to listen beside the configuration: an operator's command line before it, and behind it what
    holds where it says nothing."""

    default: Place
    host: str | None = None
    port: int | None = None

    @property
    def are_whole(self) -> bool:
        """Whether the command line leaves nothing to the configuration."""
        return self.host is not None and self.port is not None

    @property
    def fallback(self) -> Place:
        """Where to begin when what the configuration says cannot be had."""
        return self.on(self.default)

    def on(self, committed: Place) -> Place:
        """Where to listen when the configuration says `committed`."""
        return Place(
            committed.host if self.host is None else self.host, committed.port if self.port is None else self.port
        )


class Reason(StrEnum):
    """Why a listener is not where the configuration says."""

    TAKEN = "taken"
    ELSEWHERE = "elsewhere"  # no address of this machine
    FORBIDDEN = "forbidden"
    ORDERED = "ordered"  # the command line says otherwise
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Trouble:
    """`committed` is where the listener should be; `detail` is the system's own word for OTHER, in English."""

    committed: Place
    reason: Reason
    detail: str = ""


def trouble_of(place: Place, error: OSError) -> Trouble:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return Trouble(place, Reason.ELSEWHERE)
    if error.errno == errno.EADDRINUSE:
        return Trouble(place, Reason.TAKEN)
    if error.errno in {errno.EACCES, errno.EPERM}:
        return Trouble(place, Reason.FORBIDDEN)
    return Trouble(place, Reason.OTHER, os.strerror(error.errno) if error.errno else str(error))


def sentence(trouble: Trouble) -> str:
    """Why the listener is not there, in the language in force."""
    host, port = trouble.committed.host, trouble.committed.port
    match trouble.reason:
        case Reason.TAKEN:
            return _("Port %(port)d on %(address)s is taken by another program.") % {"port": port, "address": host}
        case Reason.ELSEWHERE:
            return _("%(address)s is not an address of this machine.") % {"address": host}
        case Reason.FORBIDDEN:
            return _("Port %(port)d may not be used: the listener has no right to ports below 1024.") % {"port": port}
        case Reason.ORDERED:
            return _("The listener was started with an address or port on its command line, which holds.")
    words = {"port": port, "address": host, "reason": trouble.detail}
    return _("Port %(port)d on %(address)s cannot be listened on: %(reason)s.") % words
