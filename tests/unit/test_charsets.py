from __future__ import annotations

import pytest
import webencodings

from seg_console.mail.charsets import codec_of, decode, decode_whole

# The standard gives them to web pages alone: what they would decode to could be taken for markup.
REFUSED = ("replacement", "x-user-defined")


@pytest.mark.parametrize("label", sorted(webencodings.LABELS))
def test_every_label_of_the_standard_means_what_the_standard_says(label: str) -> None:
    encoding = webencodings.lookup(label)
    if encoding.name in REFUSED:
        return
    codec = codec_of(label)
    assert codec is not None
    assert codec == codec_of(encoding.name) == codec_of(label.upper())
    # What both know is the same; what the standard's table adds to Python's codec is not in these octets.
    octets = b"~ abc \xc3\xa4" if encoding.name == "utf-8" else b"~ abc"
    expected = "~ abc ä" if encoding.name == "utf-8" else octets.decode(encoding.codec_info.name, "replace")
    assert decode(octets, codec) == expected


@pytest.mark.parametrize(
    ("labels", "codec"),
    [
        (["gb2312", "GBK", "x-gbk", "gb18030", "cp936", "ms936", "GB_2312-80", "windows-936"], "gb18030"),
        (["us-ascii", "iso-8859-1", "latin-1", "8859_1", "cp-1252", "windows1252", "ansi", "ibm819"], "cp1252"),
        (["ks_c_5601-1987", "euc-kr", "cp949", "uhc", "ms949", "x-windows-949"], "cp949"),
        (["shift_jis", "x-sjis", "windows-31j", "ms932", "sjis-win"], "cp932"),
        (["iso-2022-jp", "cp50220", "csISO2022JP", "iso-2022-jp-ms"], "iso2022_jp"),
        (["big5", "big5-hkscs", "cp950", "x-x-big5", "big-5"], "big5hkscs"),
        (["tis-620", "iso-8859-11", "windows-874", "cp874"], "cp874"),
        (["iso-8859-9", "latin5", "windows-1254"], "cp1254"),
        (["cp850", "CP-850", "ibm850", "850", "x-cp850", "dos-850", "codepage850"], "cp850"),
        (["ibm437", "cp437", "437"], "cp437"),
        (["ibm866", "cp-866", "dos-866"], "cp866"),
        (["utf-8", "UTF8", "x-utf-8", "utf8mb4", "cp65001", "utf-8*de", "'utf-8'"], "utf-8"),
        (["utf-7", "unicode-1-1-utf-7", "cp65000"], "utf-7"),
        (["hz-gb-2312", "hz"], "hz"),
        (["iso-2022-kr"], "iso2022_kr"),
        (["unknown-8bit", "x-unknown", "8bit", "base64", "punycode", "idna", "undefined", "x", "", "\xfc" * 9], None),
        (["unicode_escape", "zlib", "rot13", "mbcs", "no.such", "cp99999", "x-user-defined", "a" * 100], None),
    ],
)
def test_labels_that_senders_use(labels: list[str], codec: str | None) -> None:
    assert {label: codec_of(label) for label in labels} == dict.fromkeys(labels, codec)


@pytest.mark.parametrize(
    ("octets", "label", "text"),
    [
        (b"\x80\x81\x92", "iso-8859-1", "€\x81’"),
        (b"\x85\xdb", "windows-874", "…\ufffd"),
        (b"\x80", "gbk", "€"),
        (b"\xa8\xbc\xfe\x59", "gb2312", "ḿ龴"),
        (b"\xa3\xe1", "big5", "€"),
        (b"\xad\xa1\xfc\xee\xa1\xc1\x8e\xb1", "euc-jp", "①黑～ｱ"),
        (b"\x1b$B-!|n!A\x1b(I1\x1b(J\\\x1b(B\\", "iso-2022-jp", "①黑～ｱ¥\\"),
        (b"\xff\xfeA\0", "utf-16be", "A"),
        (b"A\0", "utf-16", "A"),
        (b"\xef\xbb\xbfA", "utf-8", "A"),
        (b"+2AA-", "utf-7", "\ud800"),
    ],
)
def test_what_the_standard_knows_beyond_python(octets: bytes, label: str, text: str) -> None:
    assert decode(octets, codec_of(label) or "") == text


@pytest.mark.parametrize(
    ("octets", "codec", "text"),
    [
        ("Grüße".encode(), "utf-8", "Grüße"),
        ("Grüß".encode()[:-1], "utf-8", "Grü\ufffd"),
        ("Café".encode("latin-1"), "utf-8", None),
        ("Café bleu".encode("latin-1"), "utf-8", None),
        ("通知".encode("gbk")[:-1], "gb18030", "通\ufffd"),
    ],
)
def test_a_last_character_may_have_been_cut(octets: bytes, codec: str, text: str | None) -> None:
    assert decode_whole(octets, codec) == text
