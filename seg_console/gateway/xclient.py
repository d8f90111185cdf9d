"""XCLIENT: what a named proxy says of its client within the session (Postfix, XCLIENT_README).

Values are xtext (RFC 3461 section 4). `[UNAVAILABLE]` and `[TEMPUNAVAIL]` say that the proxy does not know.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

ATTRIBUTES: Final = ("NAME", "ADDR", "PORT", "PROTO", "HELO")
_ATTRIBUTE: Final = re.compile(r"([A-Za-z]+)=((?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})+)")
_CODED: Final = re.compile(r"\+([0-9A-Fa-f]{2})")
_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_])?\.?")
_PORT: Final = re.compile(r"0|[1-9][0-9]{0,4}")
# What a name in HELO may not have here, clients say to proxies; mail is not refused for it.
_ODD_IN_HELO: Final = re.compile(r"""[^!-~]|[()<>"\\,;]""")
_LONGEST_HELO: Final = 255
_UNKNOWN: Final = frozenset({"[UNAVAILABLE]", "[TEMPUNAVAIL]"})


class BadClaim(ValueError):
    """Its text is what the reply says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """None where nothing was said of it, "" where it is said to be unknown. `ip` in its plain spelling."""

    ip: str | None = None
    port: int | None = None
    name: str | None = None
    helo: str | None = None
    esmtp: bool | None = None


def read_claim(argument: str) -> Claim:
    """What stands behind XCLIENT, ASCII. Raises BadClaim."""
    said: dict[str, str] = {}
    for word in argument.split():
        attribute = _ATTRIBUTE.fullmatch(word)
        if attribute is None or attribute[1].upper() in said:
            raise BadClaim("Malformed attribute")
        if attribute[1].upper() not in ATTRIBUTES:
            raise BadClaim("Attribute not supported")
        said[attribute[1].upper()] = _decoded(attribute[2])
    if not said:
        raise BadClaim("Syntax: XCLIENT attribute=value")
    return Claim(
        ip=_ip(said.get("ADDR")),
        port=_port(said.get("PORT")),
        name=_name(said.get("NAME")),
        helo=_helo(said.get("HELO")),
        esmtp=_esmtp(said.get("PROTO")),
    )


def _decoded(text: str) -> str:
    """Of an unknown value: ""."""
    if text.upper() in _UNKNOWN:
        return ""
    return _CODED.sub(lambda match: chr(int(match[1], 16)), text)


def _ip(text: str | None) -> str | None:
    if not text:
        return text
    try:
        ip = ipaddress.ip_address(text[5:] if text[:5].upper() == "IPV6:" else text)
    except ValueError:
        raise BadClaim("Bad address") from None
    if "%" in text:
        raise BadClaim("Bad address")
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)


def _port(text: str | None) -> int | None:
    if not text:
        return None
    if not _PORT.fullmatch(text) or int(text) > 65_535:
        raise BadClaim("Bad port")
    return int(text)


def _name(text: str | None) -> str | None:
    if not text:
        return text
    if not _NAME.fullmatch(text) or len(text) > 255:
        raise BadClaim("Bad name")
    return text.rstrip(".")


def _helo(text: str | None) -> str | None:
    return text and _ODD_IN_HELO.sub("?", text)[:_LONGEST_HELO]


def _esmtp(text: str | None) -> bool | None:
    if not text:
        return None
    if text.upper() not in ("SMTP", "ESMTP"):
        raise BadClaim("PROTO must be SMTP or ESMTP")
    return text.upper() == "ESMTP"
