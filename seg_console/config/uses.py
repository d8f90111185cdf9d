"""What names an object of the configuration: it stands in the way of a deletion, and pages say it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """The name for people of what names an object, and the page where another one is chosen."""

    label: str
    url: str
