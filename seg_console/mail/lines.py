"""Line ends and control characters: what may not pass from one mail into a log line or another server.

A bare CR or LF that one server takes for a line end and the next one does not is how mail is smuggled, so
they are found and made CRLF before anything is sent on (RFC 5321 section 2.3.8).
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
_NAMED_ESCAPES = {"\r": "\\r", "\n": "\\n", "\t": "\\t"}


def has_bare_line_end(content: bytes) -> bool:
    """True when a CR is not followed by LF, or an LF does not follow a CR.

    Counting is three passes of memchr speed; a clean 10 MB message costs a few milliseconds.
    """
    pairs = content.count(b"\r\n")
    return content.count(b"\n") != pairs or content.count(b"\r") != pairs


def clean_line_ends(content: bytes) -> bytes:
    """Every bare CR and bare LF made CRLF; clean content comes back as the same object, uncopied."""
    if not has_bare_line_end(content):
        return content
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


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


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in _NAMED_ESCAPES:
        return _NAMED_ESCAPES[character]
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
