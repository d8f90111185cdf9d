"""Where the lab's servers are and what they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seg_console import environment

CORP_DOMAIN = "corp.example"
INTAKE_DOMAIN = "intake.example"
CUSTOM_INTAKE_DOMAIN = "second.intake.example"
DEFAULT_ADDRESS = f"journal@{INTAKE_DOMAIN}"
CUSTOM_ADDRESS = f"journal@{CUSTOM_INTAKE_DOMAIN}"


@dataclass(frozen=True, slots=True)
class Place:
    """One server. `offset` is its distance from SEG_LAB_PORT; `domains` are what is routed to it."""

    name: str
    title: str
    offset: int
    tls: bool
    domains: tuple[str, ...]

    def port(self) -> int:
        return first_port() + self.offset


MAILBOX = Place("mailbox", "the lab's mailbox server", 0, False, (CORP_DOMAIN, f".{CORP_DOMAIN}"))
INTAKE = Place("intake", "the lab's default intake", 1, True, (INTAKE_DOMAIN,))
CUSTOM_INTAKE = Place("custom-intake", "the lab's custom intake", 2, True, (CUSTOM_INTAKE_DOMAIN,))
PLACES = (MAILBOX, INTAKE, CUSTOM_INTAKE)


def host() -> str:
    """SEG_LAB_HOST: the address the lab's servers listen on, loopback by default."""
    return environment.text("SEG_LAB_HOST", "127.0.0.1")


def first_port() -> int:
    """SEG_LAB_PORT: the first of the lab's three ports."""
    return environment.port("SEG_LAB_PORT", 2526)


def certificate_names() -> list[str]:
    """Every name by which a client may check an intake: its domain, or the host that a route leads to."""
    names = [INTAKE_DOMAIN, CUSTOM_INTAKE_DOMAIN, "lab", "localhost", "127.0.0.1"]
    return names if host() in names or host() in {"0.0.0.0", "::"} else [*names, host()]


def folder(data_folder: Path, place: Place) -> Path:
    """Where the place keeps what it received."""
    return data_folder / "lab" / place.name
