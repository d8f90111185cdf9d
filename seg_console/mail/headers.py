"""The few header fields that the gateway looks at, read without parsing the message.

Runs for every message accepted, so the plain path is one search for the end of the header block and one regular
expression over it. Input comes from strangers: nothing here raises, nothing takes more than linear time over a
bounded look, and no returned text holds CR, LF or NUL.
"""

from __future__ import annotations

import binascii
import codecs
import re
from dataclasses import dataclass

LONGEST_LOOK = 256 * 1024
"""Octets of a message that are searched for header fields; what comes later is not seen."""

_BLOCK_END = re.compile(rb"\n\r?\n")
# A field and its folded lines. The literal LF in front is what makes the search fast; case is ignored after it.
_FIELD = re.compile(
    rb"\n(?i:(subject|message-id|from|to|cc|reply-to|sender|date))[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)",
)
_WANTED = 8

# Encoded words, RFC 2047 section 2, with the blanks that careless senders leave inside them tolerated. A question
# mark ends each part, so the search stays linear on hostile input.
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([BbQq])\?([^?]*)\?=")
# Python codecs that are no charsets of mail; some of them take quadratic time on hostile input.
_NO_CHARSETS = frozenset(
    {"punycode", "idna", "unicode-escape", "raw-unicode-escape", "undefined"}
    | {"base64", "bz2", "hex", "quopri", "rot-13", "uu", "zlib"}  # turn bytes into bytes
)
_FORBIDDEN = str.maketrans({"\r": " ", "\n": " ", "\0": " ", **{chr(n): "\ufffd" for n in range(0xD800, 0xE000)}})
_NEEDS_CLEANING = re.compile("[\r\n\0\ud800-\udfff]")

_PART = r'[^\s"()<>,:;@\\\[\]]'
_MAILBOX = rf"{_PART}{{1,64}}@(?:{_PART}{{1,255}}|\[[^\s\[\]]{{1,60}}\])"
_PLAIN_FROM = re.compile(rf'[^"()<>,:;@]*<({_MAILBOX})>\s*|\s*({_MAILBOX})\s*')
_COMMENT_OR_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*")|\((?:[^()\\]|\\.)*\)')
_QUOTED_NAME = re.compile(r'"(?:[^"\\]|\\.)*"(?!\s*@)')
_QUOTED_MAILBOX = rf'(?:"(?:[^"\\]|\\.){{1,62}}"@{_PART}{{1,255}}|{_MAILBOX})'
_ANGLE = re.compile(rf"<\s*(?:@[^:<>]*:)?\s*({_QUOTED_MAILBOX})\s*>")
_BARE = re.compile(_QUOTED_MAILBOX)
# Past this many characters the search for a mailbox in an odd From header is given up.
MOST_HOPS = 100
MOST_HOPS = 100
_LONGEST_ODD_FROM = 2048
_LONGEST_MESSAGE_ID = 998
_DEEPEST_COMMENT = 8


@dataclass(frozen=True, slots=True)
class Headers:
    """Fields of one message; None where the field is missing, the first one where it stands twice.

    All text is unfolded and free of CR, LF and NUL. Raw 8-bit octets are read as UTF-8, else as Latin-1.
    """

    subject: str | None = None
    """Encoded words decoded (RFC 2047)."""
    raw_subject: str | None = None
    """As it stood."""
    message_id: str | None = None
    """As it stood, angle brackets included; at most 998 characters."""
    from_header: str | None = None
    to_header: str | None = None
    cc_header: str | None = None
    from_address: str = ""
    """First mailbox of From, lower-cased; "" when there is none to be found."""
    reply_to: str = ""
    """First mailbox of Reply-To, lower-cased."""
    sender: str = ""
    """The mailbox of Sender, lower-cased."""
    date: str | None = None


def read_headers(content: bytes) -> Headers:
    """The fields above from the header block of a message. Never raises."""
    found: dict[bytes, bytes] = {}
    for match in _FIELD.finditer(b"\n" + header_block(content)):
        name = match[1].lower()
        if name not in found:
            found[name] = match[2]
            if len(found) == _WANTED:
                break
    raw_subject = _text(found.get(b"subject"))
    message_id = _text(found.get(b"message-id"))
    from_header = _text(found.get(b"from"))
    return Headers(
        subject=raw_subject and decode_words(raw_subject),
        raw_subject=raw_subject,
        message_id=message_id and message_id[:_LONGEST_MESSAGE_ID],
        from_header=from_header,
        to_header=_text(found.get(b"to")),
        cc_header=_text(found.get(b"cc")),
        from_address=first_mailbox(from_header),
        reply_to=first_mailbox(_text(found.get(b"reply-to"))),
        sender=first_mailbox(_text(found.get(b"sender"))),
        date=_text(found.get(b"date")),
    )


def header_block(content: bytes) -> bytes:
    """Everything before the first empty line, without that line; at most LONGEST_LOOK octets.

    A message without an empty line is all header block; one that begins with it has none. Bare LF ends a line too.
    """
    if content.startswith((b"\r\n", b"\n")):
        return b""
    end = _BLOCK_END.search(content, 0, LONGEST_LOOK)
    return content[: end.start() + 1 if end else LONGEST_LOOK]


def is_looping(content: bytes) -> bool:
    """Whether the message has passed MOST_HOPS servers, going by its Received fields (RFC 5321 6.3)."""
    return (b"\n" + header_block(content)).lower().count(b"\nreceived:") >= MOST_HOPS


def decode_words(text: str) -> str:
    """Encoded words decoded as RFC 2047 says; a word that cannot be decoded stays as it stood. Never raises."""
    if "=?" not in text:
        return text
    out: list[str] = []
    pending: list[bytes] = []  # adjacent words of one charset: senders split characters between words
    charset = ""
    position = 0
    for word in _ENCODED_WORD.finditer(text):
        data = _word_octets(word)
        if data is None:
            continue
        gap = text[position : word.start()]
        name = word[1].lower()
        if pending and (name != charset or gap.strip()):
            out.append(_decode(b"".join(pending), charset))
            pending.clear()
        if position == 0 or gap.strip():  # blanks between two encoded words are not part of the text
            out.append(gap)
        pending.append(data)
        charset = name
        position = word.end()
    if pending:
        out.append(_decode(b"".join(pending), charset))
    out.append(text[position:])
    return _clean("".join(out))


def first_mailbox(header: str | None) -> str:
    """The first mailbox of an address header, lower-cased; "" when there is none. Tolerant, never raises.

    Names in quotes and comments are not searched, so an address written in them is never taken for the mailbox.
    """
    if not header:
        return ""
    plain = _PLAIN_FROM.fullmatch(header)
    if plain:
        return (plain[1] or plain[2]).lower()
    text = header[:_LONGEST_ODD_FROM]
    for _ in range(_DEEPEST_COMMENT):
        text, comments = _COMMENT_OR_QUOTED.subn(lambda match: match[1] or " ", text)
        if not comments or "(" not in text:
            break
    text = _QUOTED_NAME.sub(" ", text)
    for part in re.split("[,;]", text):
        match = _ANGLE.search(part)
        if match:
            return match[1].lower()
        bare = _BARE.search(part)
        if bare:
            return bare[0].lower()
    return ""


def _text(value: bytes | None) -> str | None:
    """A field's octets as unfolded text without blanks around it."""
    if value is None:
        return None
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    value = value.strip()
    if b"\r" in value or b"\0" in value:
        value = value.replace(b"\r", b" ").replace(b"\0", b" ")
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _clean(text: str) -> str:
    return text.translate(_FORBIDDEN) if _NEEDS_CLEANING.search(text) else text


def _word_octets(word: re.Match[str]) -> bytes | None:
    """The octets of an encoded word's text, or None when it is broken."""
    charset, encoding, text = word.groups()
    if encoding in "Qq":
        # Some senders leave letters of the charset as they are in what should be ASCII.
        octets = text.encode("ascii") if text.isascii() else text.encode(_codec(charset) or "utf-8", "replace")
        return binascii.a2b_qp(octets, header=True)
    if not text.isascii():
        return None
    digits = text.rstrip("=").encode("ascii")
    try:
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
    except binascii.Error:
        return None


def _decode(data: bytes, charset: str) -> str:
    codec = _codec(charset)
    try:
        return data.decode(codec, "replace") if codec else data.decode()
    except ValueError:
        return data.decode("latin-1")


def _codec(charset: str) -> str | None:
    """Python's codec for a charset of mail, a language after it dropped (RFC 2231 section 5); None for no charset."""
    try:
        codec = codecs.lookup(charset.partition("*")[0])
    except (LookupError, ValueError):  # ValueError: a NUL in the name
        return None
    return codec.name if codec.name.replace("_", "-") not in _NO_CHARSETS else None
