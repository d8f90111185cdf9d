"""A pending set as the configuration that it would be."""

from __future__ import annotations

from seg_console.config import document, rows
from seg_console.config.document import Document
from seg_console.config.models import Configuration
from seg_console.config.running import Running


class CannotRun(Exception):
    """The set could not be committed as it is. `reasons` are sentences."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def running_of(pending: Configuration) -> Running:
    """The frozen values of a set that is not committed; its number is 0. Raises CannotRun.

    What one object holds was checked when it was submitted; what it refers to in others may be gone since.
    """
    found = document.prints(rows.read(pending))
    problems = document.problems_between({key: one.text for key, one in found.items()}, set(found))
    if problems:
        raise CannotRun([problem.message for problem in problems])
    texts = {key: one.text for key, one in found.items()}
    return Running(0, Document(texts, {key: one.uids for key, one in found.items()}))
