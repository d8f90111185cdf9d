"""Where an action comes from: set once at the way in, read wherever something is recorded."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from seg_console.audit.models import Through


class Source(NamedTuple):
    """`username` speaks where nobody is signed in: the operating system's name of whoever runs a command."""

    address: str = ""
    through: Through = Through.SYSTEM
    username: str = ""


_source: ContextVar[Source] = ContextVar("audit_source", default=Source())  # noqa: B039 - a NamedTuple is frozen


def current() -> Source:
    """The source in force; the system itself where nobody has said otherwise."""
    return _source.get()


@contextmanager
def came_from(*, address: str = "", through: Through, username: str = "") -> Iterator[None]:
    """Whatever is recorded inside comes from `address` ("" where there is none) by this way in.

    `username` is who acts where no account does; without it, on the command line, the machine's user.
    """
    if through == Through.COMMAND_LINE and not username:
        username = machine_user()
    token = _source.set(Source(address, through, username))
    try:
        yield
    finally:
        _source.reset(token)


def machine_user() -> str:
    """The operating system's name of the user who runs this program; the number of one that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
