"""Replies as real servers give them: in other charsets, with control characters, far too long, in pieces."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.smtp_remote import Pieces, Step

# What is kept of a reply, in characters.
KEPT = 1000


@dataclass(frozen=True)
class Oddity:
    """One way to answer. `readable`: the reply's lines as rows, logs and pages show them."""

    lines: tuple[bytes, ...]
    readable: tuple[str, ...]
    before: bytes = b""
    end: bytes = b"\r\n"
    in_pieces: bool = False

    def reply(self, code: int, *more: str) -> Step:
        """The reply, with `more` lines behind those of the oddity."""
        *texts, last = [*self.lines, *(line.encode() for line in more)]
        octets = b"".join(b"%d-%b%b" % (code, text, self.end) for text in texts)
        octets = self.before + octets + b"%d%b%b" % (code, b" " + last if last else b"", self.end)
        return Pieces(octets) if self.in_pieces else octets


def _text(octets: bytes, readable: str) -> Oddity:
    return Oddity((octets,), (readable,))


PLAIN = ("as ever",)
ODDITIES = {
    "plain": _text(b"as ever", "as ever"),
    "latin-1": _text(b"Empf\xe4nger unbekannt", r"Empf\xe4nger unbekannt"),
    # Two of the octets would be UTF-8, were they alone.
    "gbk": _text("用户".encode("gbk") + b" no", r"\xd3\xc3\xbb\xa7 no"),
    "koi8-r": _text("нет".encode("koi8-r"), r"\xce\xc5\xd4"),
    "utf-8": _text("Empfänger 用户".encode(), "Empfänger 用户"),
    "nul": _text(b"no\x00body", r"no\x00body"),
    "controls": _text(b"\x1b[2J\x07bell\x7f\xc2\x9b", r"\x1b[2J\x07bell\x7f\x9b"),
    "surrogate": _text(b"a\xed\xa0\x80c", r"a\xed\xa0\x80c"),
    "long-line": _text(b"x" * 65_000, "X"),
    "many-lines": Oddity((b"x" * 60,) * 980, ("X",)),
    "many-bare-lines": Oddity((b"",) * 10_000, ("",)),
    "blank-before": Oddity((b"as ever",), PLAIN, before=b"\r\n\r\n"),
    "bare": _text(b"", ""),
    "pieces": Oddity((b"as ever",), PLAIN, in_pieces=True),
    "lf": Oddity((b"as", b"ever"), ("as", "ever"), end=b"\n"),
}


def abridged(line: str) -> str:
    """With one X for what is left of a long reply, and nothing for what is left of one that is long without a word."""
    line = re.sub(r"x[x', ]{50,}x(?:\.\.\.|…)?", "X", line)
    return re.sub(r"''(?:, '')+|' '", "''", re.sub(r" {2,}", " ", line))


def shown(readable: Sequence[str]) -> str:
    """The reply's lines in a mail-log line."""
    return repr(list(readable))
