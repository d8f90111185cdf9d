"""What our processes say, as lines fit for a terminal: strangers have a hand in the text of an error."""

from __future__ import annotations

import logging
from typing import Final

from seg_console.mail.lines import printable, shortened

LONGEST_LINE: Final = 8192
"""Octets without the line end."""


class PlainLines(logging.Formatter):
    """Control characters are written out in every line, of a traceback too, and no line is longer than LONGEST_LINE."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(_fit(line) for line in super().format(record).split("\n"))


def _fit(line: str) -> str:
    return shortened(printable(line).encode(), LONGEST_LINE).decode()
