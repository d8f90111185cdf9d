"""The few header fields that the gateway looks at, read without parsing the message.

Runs for every message accepted, so the plain path is one search for the end of the header block and one regular
expression over it. Input comes from strangers: nothing here raises, nothing takes more than linear time, no field takes
more than LONGEST_FIELD octets of memory, and no returned text holds CR, LF or NUL.
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from functools import cached_property
from typing import NamedTuple

from seg_console.mail import charsets

LONGEST_LOOK = 256 * 1024
"""Octets of a header block that are returned to its sender, or searched for hops."""
LONGEST_FIELD = 256 * 1024
"""Octets of one field that are read."""

_BLOCK_END = re.compile(rb"\n\r?\n")
# A field and its folded lines. Possessive repetitions keep nothing to go back to, however many folded lines there are.
_VALUE = rb"[ \t]*:([^\n]*+(?:\n[ \t][^\n]*+)*+)"
_WANTED_FIELD = rb"(?i:(subject|message-id|from|to|cc|reply-to|sender|date))" + _VALUE
_FIRST_FIELD = re.compile(_WANTED_FIELD)
# The literal LF in front is what makes the search fast; then most lines are refused by their first letter. Without a
# field it is the empty line that ends them.
_FIELD = re.compile(rb"\n(?=[cdfmrstCDFMRST\r\n])(?:" + _WANTED_FIELD + rb"|\r?\n)")
_WANTED = 8
_ANY_FIELD = re.compile(rb"[^\n]*+(?:\n[ \t][^\n]*+)*+(?:\n|\Z)")
_CONTENT_TYPE = re.compile(rb"(?:\A|\n)(?i:content-type)" + _VALUE)
_CHARSET = re.compile(rb"(?i:;\s*charset)\s*=\s*\"?\s*([^\s\";]{1,60})")
_LONGEST_CONTENT_TYPE = 2048

# Encoded words, RFC 2047 section 2, with what careless senders leave in them: blanks, question marks, letters of the
# charset. Neither "=?" nor "?=" can be part of one, so the search stays linear on hostile input.
_ENCODED_WORD = re.compile(rb"=\?([^?\s]{1,60})\?([BbQq])\?([^?]*+(?:(?<!=)\?(?!=)[^?]*+)*+)\?=")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\s]")
_FORBIDDEN = str.maketrans({"\r": " ", "\n": " ", "\0": " ", **{chr(n): "\ufffd" for n in range(0xD800, 0xE000)}})
_NEEDS_CLEANING = re.compile("[\r\n\0\ud800-\udfff]")
_BLANKS = re.compile("[ \t]+")
# Characters that are composed at once, up to a blank where there is one: a run of combining marks is sorted in
# quadratic time.
_COMPOSED_AT_ONCE = 1000
_PIECES = re.compile(rf".{{1,{_COMPOSED_AT_ONCE}}}(?= |\Z)|.{{1,{_COMPOSED_AT_ONCE}}}", re.DOTALL)
# Japanese mail without any label, in seven bits.
_JIS_ESCAPE = b"\x1b$"

_PART = r'[^\s"()<>,:;@\\\[\]]'
# A local part of more octets than 64 is against RFC 5321, and daily practice: SRS, VERP.
_MAILBOX = rf"{_PART}{{1,255}}@(?:{_PART}{{1,255}}|\[[^\s\[\]]{{1,60}}\])"
_PLAIN_FROM = re.compile(rf'[^"()<>,:;@]*<({_MAILBOX})>\s*|\s*({_MAILBOX})\s*')
_COMMENT_OR_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*")|\((?:[^()\\]|\\.)*\)')
_QUOTED_NAME = re.compile(r'"(?:[^"\\]|\\.)*"(?!\s*@)')
_QUOTED_MAILBOX = rf'(?:"(?:[^"\\]|\\.){{1,253}}"@{_PART}{{1,255}}|{_MAILBOX})'
_ANGLE = re.compile(rf"<\s*(?:@[^:<>]*:)?\s*({_QUOTED_MAILBOX})\s*>")
_BARE = re.compile(_QUOTED_MAILBOX)
MOST_HOPS = 100
# Past this many characters the search for a mailbox in an odd From header, or for the id in a Message-ID, is given up.
_LONGEST_ODD_FIELD = 2048
_LONGEST_MESSAGE_ID = 998
_DEEPEST_COMMENT = 8

# Short enough for any letters.
_PLAIN_MESSAGE_ID = re.compile(r"<[^<>()\s;\"?]{1,240}>")
_COMMENT_OR_BRACKETS = re.compile(r'(<[^<>]*>|"(?:[^"\\]|\\.)*")|\((?:[^()\\]|\\.)*\)')
_IN_BRACKETS = re.compile(r"<\s*([^<>\s][^<>]*)>")
_WORD = re.compile(r'(?:"(?:[^"\\]|\\.)*"|\S)+')
_QUOTED_OR_BLANKS = re.compile(r'("(?:[^"\\]|\\.)*")|\s+')


class Headers(NamedTuple):
    """Fields of one message; None where the field is missing, the first one where it stands twice.

    All text is unfolded and free of CR, LF and NUL. Raw 8-bit octets are read as UTF-8, else in the charset of the
    message's own Content-Type, else as windows-1252.
    """

    subject: str | None = None
    """Encoded words decoded (RFC 2047), composed (NFC), every run of blanks and tabs one blank, none at the ends."""
    raw_subject: str | None = None
    """As it stood."""
    message_id: str | None = None
    """The id alone, in angle brackets if it stood in any; "" where there is none in it; at most 998 octets of UTF-8."""
    raw_message_id: str | None = None
    """As it stood, comments and all."""
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
    """The fields above from the header block of a message, wherever they stand in it. Never raises."""
    found = _wanted_fields(content)
    everything = b"".join(found.values())
    if b"\n" in everything or b"\r" in everything or b"\0" in everything:
        found = {name: _one_line(value) for name, value in found.items()}
    # What octets mean only matters where there are any, in few messages.
    plain = everything.isascii() and _JIS_ESCAPE not in everything
    declared = _Declared(content)
    text = {name: value.decode() if plain else _raw(value, declared) for name, value in found.items()}
    subject = text.get(b"subject")
    if subject and b"=?" in found[b"subject"]:
        subject = _decode_words(found[b"subject"], declared)
    message_id, from_header = text.get(b"message-id"), text.get(b"from")
    return Headers(
        subject=subject and _shown(subject),
        raw_subject=text.get(b"subject"),
        message_id=message_id and read_message_id(message_id),
        raw_message_id=message_id,
        from_header=from_header,
        to_header=text.get(b"to"),
        cc_header=text.get(b"cc"),
        from_address=first_mailbox(from_header),
        reply_to=first_mailbox(text.get(b"reply-to")),
        sender=first_mailbox(text.get(b"sender")),
        date=text.get(b"date"),
    )


def header_end(content: bytes) -> int:
    """Where the header block ends: behind the line end before the first empty line.

    A message without an empty line is all header block; one that begins with it has none. Bare LF ends a line too.
    """
    if content.startswith((b"\r\n", b"\n")):
        return 0
    empty_line = _BLOCK_END.search(content)
    return empty_line.start() + 1 if empty_line else len(content)


def header_block(content: bytes) -> bytes:
    """Everything before the first empty line, without that line; at most LONGEST_LOOK octets."""
    return content[: min(header_end(content), LONGEST_LOOK)]


def without_fields(content: bytes, names: frozenset[bytes]) -> bytes:
    """The message without any field of these lower-cased names; the same object where it has none."""
    end = header_end(content)
    block = content[:end].lower()
    if not any(name in block for name in names):
        return content
    fields = _ANY_FIELD.findall(content, 0, end)
    return b"".join(field for field in fields if field.partition(b":")[0].strip().lower() not in names) + content[end:]


def is_looping(content: bytes) -> bool:
    """Whether the message has passed MOST_HOPS servers, going by its Received fields (RFC 5321 6.3)."""
    return (b"\n" + header_block(content)).lower().count(b"\nreceived:") >= MOST_HOPS


def decode_words(text: str) -> str:
    """Encoded words decoded as RFC 2047 says; a word that cannot be decoded stays as it stood. Never raises."""
    return _decode_words(text.encode("utf-8", "replace"), None) if "=?" in text else text


def read_message_id(text: str) -> str:
    """The id in a Message-ID field, or as a person types it: without comments, blanks, further brackets, `;`.

    In angle brackets if any stood there; "" when there is no id. Never raises.
    """
    if _PLAIN_MESSAGE_ID.fullmatch(text):
        return text
    text = decode_words(text[:_LONGEST_ODD_FIELD])  # long ones are encoded by programs that fold them so
    text = _without_comments(text, _COMMENT_OR_BRACKETS)
    within = _IN_BRACKETS.search(text)
    if within:
        name = within[1].strip("; \t,")
    else:
        name = text.strip("<>; \t,")
        if name[:1] == name[-1:] == '"':
            name = name.strip('"')
        # Whatever else somebody wrote there is no part of it.
        name = next((word for word in _WORD.findall(name) if "@" in word.strip("@")), name)
    name = _QUOTED_OR_BLANKS.sub(lambda match: match[1] or "", name)
    return _cut(f"<{name}>" if name and ("<" in text or ">" in text) else name)


def first_mailbox(header: str | None) -> str:
    """The first mailbox of an address header, lower-cased; "" when there is none. Tolerant, never raises.

    Names in quotes and comments are not searched, so an address written in them is never taken for the mailbox.
    """
    if not header:
        return ""
    plain = _PLAIN_FROM.fullmatch(header)
    if plain:
        return (plain[1] or plain[2]).lower()
    text = _without_comments(header[:_LONGEST_ODD_FIELD], _COMMENT_OR_QUOTED)
    text = _QUOTED_NAME.sub(" ", text)
    for part in re.split("[,;]", text):
        match = _ANGLE.search(part)
        if match:
            return match[1].lower()
        bare = _BARE.search(part)
        if bare:
            return bare[0].lower()
    return ""


def _wanted_fields(content: bytes) -> dict[bytes, bytes]:
    """Octets of the first field of each wanted name, folded or not, by its lower-cased name."""
    found: dict[bytes, bytes] = {}
    if content.startswith((b"\r\n", b"\n")):
        return found
    first = _FIRST_FIELD.match(content)
    if first:
        found[first[1].lower()] = _beginning(first[2])
    for field in _FIELD.finditer(content):
        name = field[1]
        if name is None:
            break
        name = name.lower()
        if name not in found:
            found[name] = _beginning(field[2])
            if len(found) == _WANTED:
                break
    return found


def _beginning(value: bytes) -> bytes:
    """A field's octets without blanks around them; of a very long list of addresses the first of them."""
    if len(value) > LONGEST_FIELD:
        value = value[:LONGEST_FIELD]
        value = value.rpartition(b",")[0] or value
    return value.strip()


def _one_line(value: bytes) -> bytes:
    """A field's octets unfolded, with blanks for CR and NUL."""
    value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value.replace(b"\r", b" ").replace(b"\0", b" ")


class _Declared:
    """The charset that the message's own Content-Type names, looked for when somebody first asks."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @cached_property
    def codec(self) -> str | None:
        field = _CONTENT_TYPE.search(self._content, 0, header_end(self._content))
        charset = field and _CHARSET.search(field[1][:_LONGEST_CONTENT_TYPE])
        return charsets.codec_of(charset[1].decode("latin-1")) if charset else None


def _raw(octets: bytes, declared: _Declared | None) -> str:
    """Octets that no encoded word says anything about."""
    if _JIS_ESCAPE in octets and octets.isascii():
        japanese = charsets.decode_whole(octets, "iso2022_jp")
        if japanese is not None:
            return _clean(japanese)
    try:
        return octets.decode()
    except UnicodeDecodeError:
        pass
    for codec in ("utf-8", declared and declared.codec):
        text = charsets.decode_whole(octets, codec) if codec else None
        if text is not None:
            return _clean(text)
    return _clean(charsets.decode(octets, charsets.WINDOWS_1252))


def _decode_words(octets: bytes, declared: _Declared | None) -> str:
    """Raw octets and encoded words of one field as text."""
    if b"=?" not in octets:
        return _raw(octets, declared)
    out: list[str] = []
    pending: list[bytes] = []  # adjacent words of one charset: senders split characters between words
    charset: str | None = None
    position = 0
    for word in _ENCODED_WORD.finditer(octets):
        codec = charsets.codec_of(word[1].decode("latin-1"))
        data = _word_octets(word[2], word[3], codec)
        if data is None:
            continue
        start, end = word.span()
        gap = octets[position:start]
        apart = not position or (gap and not gap.isspace())
        if pending and (apart or codec != charset):
            out.append(_decode(pending, charset, declared))
            pending.clear()
        if gap and apart:  # blanks between two encoded words are not part of the text
            out.append(_raw(gap, declared))
        pending.append(data)
        charset, position = codec, end
    if pending:
        out.append(_decode(pending, charset, declared))
    if position < len(octets):
        out.append(_raw(octets[position:], declared))
    return _clean("".join(out))


def _decode(words: list[bytes], codec: str | None, declared: _Declared | None) -> str:
    octets = b"".join(words)
    return charsets.decode(octets, codec) if codec else _raw(octets, declared)


def _word_octets(encoding: bytes, text: bytes, codec: str | None) -> bytes | None:
    """The octets of an encoded word's text, or None when it is broken."""
    if encoding in b"Qq":
        return binascii.a2b_qp(_in_charset(text, codec), header=True)
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return _careless_base64(text)


def _careless_base64(text: bytes) -> bytes | None:
    """With blanks, without padding, with padding in the middle, or cut within an octet; None where nothing is left."""
    if _NOT_BASE64.search(text):
        return None
    return b"".join(map(_base64_octets, b"".join(text.split()).split(b"="))) or None


def _base64_octets(digits: bytes) -> bytes:
    if len(digits) % 4 == 1:
        digits = digits[:-1]
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def _in_charset(text: bytes, codec: str | None) -> bytes:
    """Some senders leave letters as they are in what should be ASCII: in UTF-8, or in the word's own charset."""
    if text.isascii() or codec is None:
        return text
    try:
        return text.decode().encode(codec, "replace")
    except UnicodeError:
        return text


def _shown(text: str) -> str:
    """Text as a person reads it: composed, with single blanks."""
    if "  " in text or "\t" in text:
        text = _BLANKS.sub(" ", text)
    text = text.strip(" ")
    if text.isascii():
        return text
    if len(text) <= _COMPOSED_AT_ONCE:
        return unicodedata.normalize("NFC", text)
    return "".join(unicodedata.normalize("NFC", piece) for piece in _PIECES.findall(text))


def _without_comments(text: str, comment_or_kept: re.Pattern[str]) -> str:
    """`comment_or_kept` matches a comment without others in it, or as its first group what is no comment."""
    for _ in range(_DEEPEST_COMMENT):
        text, found = comment_or_kept.subn(lambda match: match[1] or " ", text)
        if not found or "(" not in text:
            break
    return text


def _cut(message_id: str) -> str:
    """No longer than an index entry of the database may be, whatever letters are in it."""
    return message_id.encode("utf-8", "replace")[:_LONGEST_MESSAGE_ID].decode("utf-8", "ignore")


def _clean(text: str) -> str:
    return text.translate(_FORBIDDEN) if _NEEDS_CLEANING.search(text) else text
