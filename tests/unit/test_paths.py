"""What MAIL and RCPT name, form by form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_console.gateway.paths import Parsing, Path, after_colon, read_path

STRICT, LOOSE, COMPLETED = Parsing(loose=False), Parsing(), Parsing(default_domain="corp.example")
JOE = Path("joe@example.com", True, "")
JOE_SIZED = Path("joe@example.com", True, "SIZE=9 BODY=7BIT")
NULL = Path("", True, "")

# Text, what Strict makes of it, what Loose makes of it; None: nothing.
FORMS: list[tuple[str, Path | None, Path | None]] = [
    # As the standard has it
    ("<joe@example.com>", JOE, JOE),
    (" \t<joe@example.com>", JOE, JOE),
    ("<joe@example.com> SIZE=9 BODY=7BIT", JOE_SIZED, JOE_SIZED),
    ("<>", NULL, NULL),
    ("<> SIZE=9", Path("", True, "SIZE=9"), Path("", True, "SIZE=9")),
    ("<@a.example,@b.example:joe@example.com>", JOE, JOE),
    ("<joe>", Path("joe", False, ""), Path("joe", False, "")),
    ("<joe@[192.0.2.1]>", Path("joe@[192.0.2.1]", True, ""), Path("joe@[192.0.2.1]", True, "")),
    ("<joe@[IPv6:2001:db8::1]>", Path("joe@[IPv6:2001:db8::1]", True, ""), Path("joe@[IPv6:2001:db8::1]", True, "")),
    (
        '<"joe (x) <y>"@example.com>',
        Path('"joe (x) <y>"@example.com', True, ""),
        Path('"joe (x) <y>"@example.com', True, ""),
    ),
    # No brackets
    ("joe@example.com", None, JOE),
    ("joe@example.com SIZE=9 BODY=7BIT", None, JOE_SIZED),
    (" joe@example.com ", None, JOE),
    ("joe", None, Path("joe", False, "")),
    # Doubled brackets
    ("<<joe@example.com>>", None, JOE),
    ("< < <joe@example.com>>> SIZE=9 BODY=7BIT", None, JOE_SIZED),
    ("<<>>", None, NULL),
    # Blanks
    ("< joe@example.com >", None, JOE),
    ("<joe @ example.com>", None, JOE),
    ("< >", None, NULL),
    # Comments
    ("<joe@example.com> (Joe)", Path("joe@example.com", True, "(Joe)"), JOE),
    ("<joe@example.com>(Joe (from (sales))) SIZE=9 BODY=7BIT", None, JOE_SIZED),
    ("<joe@example.com (Joe)>", None, JOE),
    ("<(x)joe(x)@(x)example.com(x)>", None, JOE),
    ("joe@example.com (Joe \\) and more)", None, JOE),
    # A dot behind the domain
    ("<joe@example.com.>", None, JOE),
    ("joe@example.com. SIZE=9 BODY=7BIT", None, JOE_SIZED),
    # No domain
    ("<joe@>", None, Path("joe", False, "")),
    # Neither
    ("", None, None),
    (" ", None, None),
    ("SIZE=9 joe@example.com", None, Path("SIZE=9", False, "joe@example.com")),
    ("<joe@example.com", None, None),
    ("joe@example.com>", None, None),
    ("<<joe@example.com>", None, None),
    ("<joe@example.com>>", None, None),
    ("<joe@example.com>SIZE=9", None, None),
    ("<joe@example.com (Joe>", None, None),
    ("<joe@example.com> (Joe", Path("joe@example.com", True, "(Joe"), Path("joe@example.com", True, "(Joe")),
    ("<joe@example.com..>", None, None),
    ("<joe@.example.com>", None, None),
    ("<joe@[192.0.2.1].>", None, None),
    ("<joe@[192.0.2.300]>", None, None),
    ("<joe smith@example.com>", None, None),
    ("Joe <joe@example.com>", None, Path("Joe", False, "<joe@example.com>")),
    ("<joe@example.com>,<ann@example.com>", None, None),
    ("joe@example.com,ann@example.com", None, None),
    ("<@a.example:>", None, None),
    ("@a.example:", None, None),
    ("<@example.com>", None, None),
    ("<" + "x" * 243 + "@example.com>", None, None),
]


@pytest.mark.parametrize(("text", "strict", "loose"), FORMS)
def test_each_form_is_read_as_the_listener_is_set(text: str, strict: Path | None, loose: Path | None) -> None:
    assert read_path(text, STRICT) == strict
    assert read_path(text, LOOSE) == loose


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("<joe>", "joe@corp.example"),
        ("joe", "joe@corp.example"),
        ("<joe@>", "joe@corp.example"),
        ('<"joe@home">', '"joe@home"@corp.example'),
        ("<joe@example.com>", "joe@example.com"),
        ("<joe@host>", "joe@host"),
        ("<>", ""),
        ("<PostMaster>", "PostMaster"),
        ('<"postmaster"@>', '"postmaster"'),
    ],
)
def test_a_default_domain_completes_what_has_none_but_the_postmaster(text: str, address: str) -> None:
    path = read_path(text, COMPLETED)
    assert path
    assert path.address == address
    assert path.is_whole != path.is_postmaster


def test_a_completed_address_is_no_longer_than_another() -> None:
    assert read_path("<" + "x" * 241 + ">", COMPLETED)
    assert read_path("<" + "x" * 242 + ">", COMPLETED) is None


@pytest.mark.parametrize(
    ("argument", "strict", "loose"),
    [
        ("FROM:<a@b>", "<a@b>", "<a@b>"),
        ("from: <a@b>", " <a@b>", " <a@b>"),
        ("FROM :<a@b>", None, "<a@b>"),
        ("FROM<a@b>", None, None),
        ("TO:<a@b>", None, None),
        ("", None, None),
    ],
)
def test_the_word_before_the_colon(argument: str, strict: str | None, loose: str | None) -> None:
    assert (after_colon(argument, "FROM", STRICT), after_colon(argument, "FROM", LOOSE)) == (strict, loose)


@given(st.text('ab<>@.,:;()[]"\\ =1', max_size=30))
def test_whatever_is_read_reads_the_same_in_brackets_and_what_strict_takes_loose_takes(text: str) -> None:
    strict, loose = read_path(text, STRICT), read_path(text, LOOSE)
    for path in filter(None, (strict, loose)):
        assert path.address.isprintable()
        assert read_path(f"<{path.address}>", STRICT) == Path(path.address, path.is_whole, "")
    if strict is not None:
        assert loose is not None
        assert loose.address == strict.address
