"""What stands behind MAIL FROM: and RCPT TO:, taken apart (RFC 5321 4.1.2; SMTP Address Parsing of the listener,
seg-webui 8.3). Pure; a table of tests has each form.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from seg_console.mail.addresses import LONGEST_ADDRESS, LONGEST_LOCAL_PART, address_key

# Dots may stand anywhere in a local part (docs/decisions.md#addresses).
_LOCAL_PART: Final = r"""[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+|"(?:[ !#-\[\]-~]|\\[ -~])*\""""
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = rf"{_LABEL}(?:\.{_LABEL})*"
_LITERAL: Final = r"\[(?:IPv6:)?[0-9A-Fa-f:.]+\]"
_ROUTE: Final = rf"@{_NAME}(?:,@{_NAME})*:"
_STRICT: Final = re.compile(
    rf"[ \t]*<(?:(?:{_ROUTE})?(?P<local>{_LOCAL_PART})(?:@(?P<domain>{_NAME}|{_LITERAL}))?)?>"
    r"(?:[ \t]+(?P<parameters>.*))?",
    re.IGNORECASE,
)
_OPENING, _CLOSING, _AT = re.compile("<"), re.compile(">"), re.compile("@")
_ROUTES: Final = re.compile(_ROUTE)
_LOCAL_PARTS: Final = re.compile(_LOCAL_PART)
_DOMAINS: Final = re.compile(rf"{_NAME}\.?|{_LITERAL}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parsing:
    """How forgiving the listener is. Strict is RFC 5321, with blanks before the path, underscores and odd dots.

    Loose finds the address too where it stands without brackets or in several, among blanks and comments, with a dot
    behind its domain, or, if there is a `default_domain`, without a domain.
    """

    loose: bool = True
    default_domain: str = ""


@dataclass(frozen=True, slots=True)
class Path:
    """`address` is as it was written, without brackets and source route; "" is the null sender. `is_whole`: it has a
    domain or is null. `parameters` is the text behind it."""

    address: str
    is_whole: bool
    parameters: str

    @property
    def is_postmaster(self) -> bool:
        """Whether it is the one mailbox that needs no domain (RFC 5321 4.1.1.3)."""
        return not self.is_whole and address_key(self.address) == "postmaster"


def after_colon(argument: str, word: str, parsing: Parsing) -> str | None:
    """What stands behind `FROM:` or `TO:` in the argument of MAIL or RCPT; None where the argument has no such word."""
    before, colon, text = argument.partition(":")
    before = before.rstrip(" \t") if parsing.loose else before
    return text if colon and before.upper() == word else None


def read_path(text: str, parsing: Parsing) -> Path | None:
    """The path at the beginning of the text, and what follows it; None where there is none, it is too long, or its
    address literal is none.

    A source route is dropped as RFC 5321 appendix C asks, so it cannot be used to relay: the mailbox decides alone.
    """
    path = _read_loose(text) if parsing.loose else _read_strict(text)
    if path is not None and parsing.loose and parsing.default_domain and not (path.is_whole or path.is_postmaster):
        path = Path(f"{path.address}@{parsing.default_domain}", True, path.parameters)
    return path if path is not None and len(path.address) <= LONGEST_ADDRESS else None


def _read_strict(text: str) -> Path | None:
    found = _STRICT.fullmatch(text)
    return _path(found["local"], found["domain"], found["parameters"] or "") if found else None


def _read_loose(text: str) -> Path | None:
    words = _Words(text)
    depth = 0
    while words.take(_OPENING):
        depth += 1
    route, local = words.take(_ROUTES), words.take(_LOCAL_PARTS)
    domain = words.take(_DOMAINS) if local and words.take(_AT) else ""
    closed = all(words.take(_CLOSING) for _ in range(depth))
    is_null = depth and not route and not local
    rest = text[words.at :]
    if not closed or not (local or is_null) or (rest and words.at == words.end):
        return None
    return _path(local or None, domain.removesuffix(".") or None, rest)


class _Words:
    """The words of a path, one after the other. `end` is the place behind the last one taken, `at` that of the next:
    between them stand blanks and comments, which mean nothing."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.end = 0
        self.at = _passed(text, 0)

    def take(self, pattern: re.Pattern[str]) -> str:
        """The next word if the pattern matches it, else ""."""
        found = pattern.match(self._text, self.at)
        if found is None:
            return ""
        self.end = found.end()
        self.at = _passed(self._text, self.end)
        return found[0]


def _passed(text: str, at: int) -> int:
    """The place behind the blanks and comments that stand at `at`. Comments nest and may quote their parentheses; one
    that does not end is not passed."""
    depth, place = 0, at
    while place < len(text) and (depth or text[place] in " \t("):
        if text[place] == "(":
            depth += 1
        elif text[place] == ")":
            depth -= 1
        place += 2 if text[place] == "\\" else 1
        if not depth:
            at = place
    return at


def _path(local: str | None, domain: str | None, parameters: str) -> Path | None:
    if local is None:
        return Path("", True, parameters)
    if len(local) > LONGEST_LOCAL_PART:
        return None
    if domain is None:
        return Path(local, False, parameters)
    if domain.startswith("[") and not _is_literal(domain):
        return None
    return Path(f"{local}@{domain}", True, parameters)


def _is_literal(domain: str) -> bool:
    inside = domain[1:-1]
    try:
        if inside[:5].lower() == "ipv6:":
            ipaddress.IPv6Address(inside[5:])
        else:
            ipaddress.IPv4Address(inside)
    except ValueError:
        return False
    return True
