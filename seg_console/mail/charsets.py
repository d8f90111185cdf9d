"""What a charset label in a header means: what mail clients take it to mean, which is seldom what it says.

The labels are those of the WHATWG Encoding Standard (https://encoding.spec.whatwg.org/#names-and-labels): senders write
gb2312 and mean GBK, iso-8859-1 and mean windows-1252. The decoders are Python's, mended where they know less than the
standard. Labels that the standard leaves out but senders use are read too: code pages under all their names, UTF-7, HZ,
ISO-2022-KR (docs/decisions.md#charset-labels). Input comes from strangers: nothing here raises, and nothing takes more
than linear time.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from encodings.aliases import aliases
from functools import lru_cache

import webencodings

WINDOWS_1252 = "cp1252"
"""What raw octets are that nothing says more about."""

_GB_ERRORS = "seg_console.mail.charsets.gb"
_EUC_ERRORS = "seg_console.mail.charsets.euc"
_BIG5_ERRORS = "seg_console.mail.charsets.big5"
# Octets up to which each error of a decoder is looked at; beyond them is nothing that a person would read.
_MOST_MENDED = 16 * 1024
_LONGEST_LABEL = 60
_NO_LETTERS = re.compile(r"[^a-z0-9]+")
_CODE_PAGE = re.compile(r"(?:windows|win|microsoftcp|mscp|ms|dos|cp|codepage|ibm|ccsid)0*([0-9]{2,5})")

# Codecs of Python that are no charsets of mail; some of them take quadratic time on hostile input, some turn bytes into
# bytes.
_NO_CHARSETS = frozenset(
    {"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined"}
    | {"base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec"}
    | {"mbcs", "oem"}  # whatever the machine is set to
)
# Codecs of Python that have no alias.
_WITHOUT_ALIAS = (
    *("cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "koi8_t", "koi8_u"),
    *("mac_arabic", "mac_croatian", "mac_farsi", "mac_romanian"),
)
# Where Python means a charset as it was written down and mail means the one that grew out of it.
_SUPERSETS = {
    "ascii": WINDOWS_1252,
    "iso8859-1": WINDOWS_1252,
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "cp950": "big5hkscs",
    "euc_kr": "cp949",
    "iso2022_jp_1": "iso2022_jp",
    "iso2022_jp_ext": "iso2022_jp",
}
# Labels that neither the standard nor Python has, or that the standard refuses to decode for reasons of web pages
# (ISO-2022-KR, HZ), without what is no letter or digit.
_MAIL_LABELS = {
    "utf8mb4": "utf-8",
    "utf8bom": "utf-8",
    "utf8sig": "utf-8",
    "unicode11utf7": "utf-7",
    "unicode20utf7": "utf-7",
    "csunicode11utf7": "utf-7",
    "iso2022kr": "iso2022_kr",
    "csiso2022kr": "iso2022_kr",
    "hzgb2312": "hz",
    "iso2022jpms": "iso2022_jp",
    "eucjpms": "euc_jp",
    "eucjpwin": "euc_jp",
    "sjiswin": "cp932",
    "big5eten": "big5hkscs",
    "big5tw": "big5hkscs",
    "gb": "gb18030",
    "ansi": WINDOWS_1252,
    "macce": "mac_latin2",
    "maccentraleurope": "mac_latin2",
    "macce2": "mac_latin2",
}
# Numbers of code pages that Python has under another name, as a label of the standard or of the table above.
_CODE_PAGES = {
    **dict.fromkeys((932, 943), "shift_jis"),
    **dict.fromkeys((936, 1386, 20936), "gbk"),
    **dict.fromkeys((949, 51949), "euc-kr"),
    **dict.fromkeys((950, 951), "big5"),
    **dict.fromkeys((20932, 51932), "euc-jp"),
    **dict.fromkeys((50220, 50221, 50222), "iso-2022-jp"),
    **{28590 + part: f"iso-8859-{part}" for part in (*range(1, 11), 13, 14, 15, 16)},
    819: "iso-8859-1",
    874: "windows-874",
    1200: "utf-16le",
    1201: "utf-16be",
    10000: "macintosh",
    10007: "x-mac-cyrillic",
    10029: "mac-ce",
    12000: "utf-32le",
    20127: "us-ascii",
    20866: "koi8-r",
    21866: "koi8-u",
    50225: "iso-2022-kr",
    52936: "hz-gb-2312",
    54936: "gb18030",
    65000: "utf-7",
    65001: "utf-8",
}


@lru_cache(maxsize=512)
def codec_of(label: str) -> str | None:
    """The codec for a charset label, for `decode` and for `str.encode`; None where nobody knows what the label means.

    A language after it (RFC 2231 section 5), quotes around it, and how it is punctuated do not matter.
    """
    if len(label) > _LONGEST_LABEL:
        return None
    name = _squeezed(label.partition("*")[0])
    for spelling in (name, name.removeprefix("x"), f"iso{name}"):
        codec = _LABELS.get(spelling) or _code_page(spelling)
        if codec:
            return codec
    return None


def decode(octets: bytes, codec: str) -> str:
    """Octets as text; what the charset does not have becomes U+FFFD. A byte order mark is not part of the text."""
    decoder = _DECODERS.get(codec)
    try:
        text = decoder(octets) if decoder else octets.decode(codec, "replace")
    except UnicodeError:  # Python's UTF-7 and HZ have errors that no handler is asked about
        text = _DECODERS[WINDOWS_1252](octets)
    return text.removeprefix("\ufeff")


def decode_whole(octets: bytes, codec: str) -> str | None:
    """Octets as text if they can be of this charset, else None. The last character may have been cut, as programs do
    that count octets, where one before it is whole."""
    text = decode(octets, codec)
    if "\ufffd" not in text:
        return text
    whole = text.removesuffix("\ufffd")
    return None if "\ufffd" in whole or whole.isascii() else text


def _squeezed(label: str) -> str:
    return _NO_LETTERS.sub("", label.lower())


def _code_page(name: str) -> str | None:
    page = _CODE_PAGE.fullmatch(name)
    if page is None:
        return None
    number = int(page[1])
    return _LABELS.get(_squeezed(_CODE_PAGES.get(number, f"cp{number}"))) or _LABELS.get(f"windows{number}")


def _labels() -> dict[str, str]:
    """Codecs by squeezed label: Python's, over them the standard's, over them those of mail."""
    found: dict[str, str] = {}
    for alias, module in [*aliases.items(), *((module, module) for module in (*aliases.values(), *_WITHOUT_ALIAS))]:
        if module not in _NO_CHARSETS:
            found[_squeezed(alias)] = _meant(module)
    for label in webencodings.LABELS:
        encoding = webencodings.lookup(label)
        if encoding.name not in ("replacement", "x-user-defined"):
            found[_squeezed(label)] = _meant(encoding.codec_info.name)
    return found | _MAIL_LABELS


def _meant(codec: str) -> str:
    name = codecs.lookup(codec).name
    return _SUPERSETS.get(name, name)


_LABELS = _labels()


# --- Decoders ---

_HIGH_BIT = bytes(octet | 0x80 for octet in range(256))
_PAIR = re.compile(rb"[\xa1-\xfe]{2}")
# How JIS X 0208 became Unicode at Microsoft and in the standard, where Python follows the JIS.
_AS_MICROSOFT = str.maketrans("\u301c\u2016\u2212\xa2\xa3\xac", "\uff5e\u2225\uff0d\uffe0\uffe1\uffe2")
_JIS_ESCAPE = re.compile(rb"\x1b(\$\(?[@BD]|\([BHIJ])")
_JIS_ROMAN = str.maketrans("\\~", "\xa5\u203e")
# Characters of GB 18030 that had no place in Unicode yet when Python's table was written.
_GB_18030_2005 = str.maketrans(
    "\ue5e5\ue78d\ue78e\ue78f\ue790\ue791\ue792\ue793\ue794\ue795\ue796\ue7c7"
    "\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864",
    "\u3000\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18\ufe19\u1e3f"
    "\u9fb4\u9fb5\u9fb6\u9fb7\u9fb8\u9fb9\u9fba\u9fbb",
)


def _euro(error: UnicodeError) -> tuple[str | bytes, int]:
    """GBK of Windows has a euro sign at 0x80."""
    if isinstance(error, UnicodeDecodeError) and error.object[error.start] == 0x80:
        return "\u20ac", error.start + 1
    return codecs.replace_errors(error)


def _nec_and_ibm(error: UnicodeError) -> tuple[str | bytes, int]:
    """The characters that NEC and IBM added to JIS X 0208: Python has them in Shift_JIS alone."""
    if isinstance(error, UnicodeDecodeError):
        pair = _PAIR.match(error.object, error.start)
        if pair:
            row, cell = pair[0][0] - 0xA1, pair[0][1] - 0xA1
            lead = row // 2 + (0x81 if row < 62 else 0xC1)
            trail = cell + 0x9F if row % 2 else cell + (0x40 if cell < 63 else 0x41)
            return bytes((lead, trail)).decode("cp932", "replace")[:1], pair.end()
    return codecs.replace_errors(error)


def _of_windows(error: UnicodeError) -> tuple[str | bytes, int]:
    """Big5 of Windows has the euro sign and a few more that Hong Kong's does not have."""
    if isinstance(error, UnicodeDecodeError):
        pair = error.object[error.start : error.start + 2]
        try:
            return pair.decode("cp950"), error.start + len(pair)
        except UnicodeDecodeError:
            pass
    return codecs.replace_errors(error)


codecs.register_error(_GB_ERRORS, _euro)
codecs.register_error(_BIG5_ERRORS, _of_windows)
codecs.register_error(_EUC_ERRORS, _nec_and_ibm)


def _gb_18030(octets: bytes) -> str:
    errors = _GB_ERRORS if len(octets) <= _MOST_MENDED else "replace"
    return octets.decode("gb18030", errors).translate(_GB_18030_2005)


def _big5(octets: bytes) -> str:
    return octets.decode("big5hkscs", _BIG5_ERRORS if len(octets) <= _MOST_MENDED else "replace")


def _euc_jp(octets: bytes) -> str:
    errors = _EUC_ERRORS if len(octets) <= _MOST_MENDED else "replace"
    return octets.decode("euc_jp", errors).translate(_AS_MICROSOFT)


def _iso_2022_jp(octets: bytes) -> str:
    """With the characters of NEC and IBM and half-width katakana, in seven bits and in eight, as Windows writes it."""
    out: list[str] = []
    state, position = b"(B", 0
    for escape in _JIS_ESCAPE.finditer(octets):
        out.append(_jis(octets[position : escape.start()], state))
        state, position = escape[1], escape.end()
    out.append(_jis(octets[position:], state))
    return "".join(out)


def _jis(octets: bytes, state: bytes) -> str:
    match state[-1:]:
        case b"I":
            return octets.translate(_HIGH_BIT).decode("cp932", "replace")
        case b"J" | b"H":
            return octets.decode("cp932", "replace").translate(_JIS_ROMAN)
        case b"D":
            pairs = octets.translate(_HIGH_BIT)
            return _euc_jp(b"".join(b"\x8f" + pairs[at : at + 2] for at in range(0, len(pairs), 2)))
        case _ if state.startswith(b"$"):
            return _euc_jp(octets.translate(_HIGH_BIT))
        case _:
            return octets.decode("cp932", "replace")


def _utf_16(codec: str) -> Callable[[bytes], str]:
    """A byte order mark is believed rather than the label."""

    def decoder(octets: bytes) -> str:
        return octets.decode("utf-16" if octets[:2] in (b"\xff\xfe", b"\xfe\xff") else codec, "replace")

    return decoder


def _windows(codec: str) -> Callable[[bytes], str]:
    """A code page of one octet to a character, with a control character wherever it has nothing else below 0xA0."""
    found = [bytes((octet,)).decode(codec, "replace") for octet in range(256)]
    table = "".join(chr(at) if found[at] == "\ufffd" and at < 0xA0 else found[at] for at in range(256))

    def decoder(octets: bytes) -> str:
        return codecs.charmap_decode(octets, "replace", table)[0]

    return decoder


_DECODERS: dict[str, Callable[[bytes], str]] = {
    **{codec: _windows(codec) for codec in ("cp874", *(f"cp{page}" for page in range(1250, 1259)))},
    "gb18030": _gb_18030,
    "big5hkscs": _big5,
    "euc_jp": _euc_jp,
    "iso2022_jp": _iso_2022_jp,
    "utf-16-le": _utf_16("utf-16-le"),
    "utf-16-be": _utf_16("utf-16-be"),
}
