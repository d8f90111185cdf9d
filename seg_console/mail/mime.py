"""Writing header fields and MIME parts of the gateway's own messages.

Values come from strangers' mail: whatever they hold, a field written here stays one field, is ASCII, and has no
line over 998 octets (RFC 5322 section 2.1.1).
"""

from __future__ import annotations

import base64
import hashlib
import quopri
import re

from seg_console.mail.headers import decode_words

LONGEST_LINE = 998
"""Octets of a line without its CRLF."""

_FOLD_AT = 78
# A word that is longer than this cannot stand on a line of its own behind a field name.
_LONGEST_WORD = 900
# Octets of UTF-8 that fill one encoded word: 60 digits of base64 and 12 around them, of the 75 that are allowed.
_OCTETS_PER_WORD = 45

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_WORD = re.compile("[ ]*[^ ]+")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,253}")
# What may need encoding in an address field: a quoted name, or the words of an unquoted one.
_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"|[^\s"<>(),:;@]+(?: +[^\s"<>(),:;@]+)*')


def one_line(text: str) -> str:
    """Control characters, line separators and lone surrogates made blanks; no blanks around it."""
    if text.isascii() and text.isprintable():
        return text.strip()
    return _CONTROL.sub(" ", text).strip()


def text_field(name: str, value: str) -> bytes:
    """An unstructured field such as Subject, CRLF included; non-ASCII text as encoded words (RFC 2047)."""
    value = one_line(value)
    if _is_plain(name, value):
        return f"{name}: {value}\r\n".encode("ascii")
    if not value.isascii() or _has_long_word(value):
        value = encoded_words(decode_words(value))
    return _folded(name, value)


def address_field(name: str, value: str) -> bytes:
    """A field of mailboxes, CRLF included, as it stood as far as that is ASCII; other names as encoded words."""
    value = one_line(value)
    if _is_plain(name, value):
        return f"{name}: {value}\r\n".encode("ascii")
    if not value.isascii():
        value = _NAME.sub(_name_in_ascii, value).encode("ascii", "replace").decode("ascii")
    if _has_long_word(value):
        value = " ".join(piece for word in value.replace(",", ", ").split() for piece in _pieces(word))
    return _folded(name, value)


def encoded_words(text: str) -> str:
    """Text as encoded words of UTF-8 in base64, at most 75 characters each, whole characters in each."""
    words: list[bytes] = []
    word = b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(word) + len(octets) > _OCTETS_PER_WORD:
            words.append(word)
            word = b""
        word += octets
    words.append(word)
    return " ".join(f"=?utf-8?b?{base64.b64encode(octets).decode('ascii')}?=" for octets in words)


def quoted_printable(content: bytes) -> bytes:
    """Text of CRLF lines in quoted-printable (RFC 2045 section 6.7), a little over three times as long at most.

    Lines of at most 76 octets, or 77 where a blank ends the line of text: so Python's codec counts.
    """
    return quopri.encodestring(content)


def host_name(text: str) -> str:
    """A host name fit for a header; "localhost" for what is none."""
    return text if _HOST.fullmatch(text) else "localhost"


def boundary(seed: str, *contents: bytes) -> str:
    """A boundary that occurs in none of the contents: the same one each time for the same seed and contents.

    It holds "=_", which neither base64 nor quoted-printable text can contain.
    """
    attempt = 0
    while True:
        name = "=_" + hashlib.sha256(f"{attempt} {seed}".encode("utf-8", "replace")).hexdigest()[:32]
        if not any(name.encode("ascii") in content for content in contents):
            return name
        attempt += 1


def _is_plain(name: str, value: str) -> bool:
    """Whether the field is one short line as it is: most are, and every copy writes several."""
    return 0 < len(value) < _FOLD_AT - len(name) and value.isascii()


def _folded(name: str, value: str) -> bytes:
    """`Name: value`, folded at blanks so that lines stay short where they can."""
    words = _WORD.findall(value)
    lines = [f"{name}: {words[0]}" if words else f"{name}:"]
    for word in words[1:]:
        if len(lines[-1]) + len(word) > _FOLD_AT:
            lines.append(word)
        else:
            lines[-1] += word
    return "".join(f"{line}\r\n" for line in lines).encode("ascii", "replace")


def _has_long_word(value: str) -> bool:
    return len(value) > _LONGEST_WORD and any(len(word) > _LONGEST_WORD for word in _WORD.findall(value))


def _pieces(word: str) -> list[str]:
    return [word[start : start + _LONGEST_WORD] for start in range(0, len(word), _LONGEST_WORD)]


def _name_in_ascii(match: re.Match[str]) -> str:
    if match[0].isascii():
        return match[0]
    quoted: str | None = match[1]
    return encoded_words(match[0] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
