"""Where the mail of a soak goes: 200 destinations, 60 of which misbehave."""

from __future__ import annotations

from typing import Final

DESTINATIONS: Final = 200
MOODY: Final = 60
INTAKES: Final = tuple(f"intake{number}.example" for number in range(5))
SENDER: Final = "sender.example"


def places() -> list[str]:
    """All destinations, intakes first."""
    return [*INTAKES, *(f"d{number}.example" for number in range(DESTINATIONS - len(INTAKES)))]


def is_moody(place: str) -> bool:
    """Two of the intakes among them."""
    number = places().index(place)
    return number < 2 or len(INTAKES) <= number < len(INTAKES) + MOODY - 2


def intake_of(domain: str) -> str:
    """The intake that gets the copies of mail to this domain."""
    return INTAKES[int(domain.removeprefix("d").partition(".")[0]) % len(INTAKES)]
