"""Where an action comes from: set once at the way in, read wherever something is recorded."""

from __future__ import annotations

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
    """Whatever is recorded inside comes from `address` ("" where there is none) by this way in."""
    token = _source.set(Source(address, through, username))
    try:
        yield
    finally:
        _source.reset(token)
