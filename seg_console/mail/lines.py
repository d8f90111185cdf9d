"""Line ends and control characters: what may not pass from one mail into a log line or another server.

A bare CR or LF that one server takes for a line end and the next one does not is how mail is smuggled, so
they are found and cleaned before anything is sent on (RFC 5321 section 2.3.8); NUL, which ends a text for many
programs, is taken out.
"""

from __future__ import annotations

import re

# C0 and C1 controls, DEL, the Unicode line and paragraph separators (many readers take them for line ends) and
# lone surrogates, which cannot be written as UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Marks that nobody sees: those that change the direction of the text after them, so that a sentence with them in it
# reads as another one, and those of no width, which make two names look like one. The joiners stay: Persian and
# emoji are written with them.
_UNSEEN = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
_CUT = b"... [%d octets cut]"
_NAMED_ESCAPES = {"\r": "\\r", "\n": "\\n", "\t": "\\t"}


def has_bare_line_end(content: bytes) -> bool:
    """True when a CR is not followed by LF, or an LF does not follow a CR.

    Counting is three passes of memchr speed; a clean 10 MB message costs a few milliseconds.
    """
    pairs = content.count(b"\r\n")
    return content.count(b"\n") != pairs or content.count(b"\r") != pairs


def clean_line_ends(content: bytes) -> bytes:
    """NUL taken out; then LF, with any number of CR before it, made CRLF, and every other CR a blank.

    Clean content comes back as the same object, uncopied.
    """
    if b"\0" not in content and not has_bare_line_end(content):
        return content
    cleaning = Cleaning()
    return cleaning.take(content) + cleaning.end()


class Cleaning:
    """`clean_line_ends` for content that comes in pieces: however it was cut, the result is the same.

    Linear in time whatever the octets are; a piece keeps whoever waits for it no longer than its own size takes.
    """

    def __init__(self) -> None:
        self._crs = 0  # at the end so far: whether LF follows them is not known yet
        self.bare_line_end = False
        """Whether a bare CR or LF has been found."""
        self.nul = False
        """Whether a NUL has been found."""

    def take(self, piece: bytes) -> bytes:
        """What is known for certain after this piece, and was not before."""
        if b"\0" in piece:
            self.nul = True
            piece = piece.translate(None, b"\0")
        beginning = piece.lstrip(b"\r")
        crs = self._crs + len(piece) - len(beginning)
        if not beginning:
            self._crs = crs
            return b""
        middle = beginning.rstrip(b"\r")
        self._crs = len(beginning) - len(middle)
        return self._after(crs, middle)

    def end(self) -> bytes:
        """Nothing more comes."""
        crs, self._crs = self._crs, 0
        self.bare_line_end = self.bare_line_end or crs > 0
        return b" " * crs

    def _after(self, crs: int, text: bytes) -> bytes:
        """`text`, which neither begins nor ends with CR and is not empty, behind so many of them."""
        if text.startswith(b"\n"):
            self.bare_line_end = self.bare_line_end or crs != 1
            start, text = b"\r\n", text[1:]
        else:
            self.bare_line_end = self.bare_line_end or crs > 0
            start = b" " * crs
        if has_bare_line_end(text):
            self.bare_line_end = True
            text = _without_cr_before_lf(text).replace(b"\r", b" ").replace(b"\n", b"\r\n")
        return start + text if start else text


def _without_cr_before_lf(text: bytes) -> bytes:
    """Runs of CR are taken away from before LF in pieces of 1, 2, 4, ... octets, the longest first, each of which
    shortens every run once: a run of a million costs twenty passes, where one of each length would cost a million."""
    run = b"\r"
    while run + run + b"\n" in text:
        run += run
    while run:
        text = text.replace(run + b"\n", b"\n")
        run = run[: len(run) // 2]
    return text


def printable(text: str) -> str:
    r"""Text that stays on one line: control characters written as `\r`, `\n`, `\t`, `\x07`, `\u2028` (mail-logs 1.1).

    A backslash that was already there stays single: log lines are for reading, not for turning back.
    """
    if text.isascii() and text.isprintable():
        return text
    return _UNPRINTABLE.sub(_escape, text)


def visible(text: str) -> str:
    """`printable`, with the marks that nobody sees written out too: for values named in a sentence or in a log."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub(_escape, printable(text))


def shortened(line: bytes, most: int) -> bytes:
    """A line of UTF-8 in at most so many octets; where there were more, it ends with how many were cut."""
    if len(line) <= most:
        return line
    room = most - len(_CUT % len(line))
    kept = line[:room].decode(errors="ignore").encode()
    return kept + _CUT % (len(line) - len(kept))


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in _NAMED_ESCAPES:
        return _NAMED_ESCAPES[character]
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
