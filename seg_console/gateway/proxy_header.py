"""The PROXY protocol, versions 1 and 2: what a proxy says of its client before the client's own first byte.

Written from the specification (HAProxy, "The PROXY protocol", 2020). The bytes come from named proxies only, yet what
is no header is refused as soon as that is certain, and a header is never guessed.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from dataclasses import dataclass
from typing import Final

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_BEGIN: Final = b"PROXY "
_LONGEST_LINE: Final = 107  # octets of a version 1 header with its CRLF
_FIXED: Final = 16  # octets of a version 2 header before its addresses
_LOCAL, _PROXY = 0x20, 0x21  # version and command
_UNSPECIFIED, _TCP4, _TCP6 = 0x00, 0x11, 0x21  # family and transport
_ADDRESSES: Final = {_TCP4: struct.Struct("!4s4sHH"), _TCP6: struct.Struct("!16s16sHH")}
_LINE: Final = re.compile(
    rb"PROXY (?:(TCP4) ([0-9.]{7,15}) ([0-9.]{7,15})|(TCP6) ([0-9A-Fa-f:.]{2,45}) ([0-9A-Fa-f:.]{2,45}))"
    rb" (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})"
)
_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?")


class BadHeader(ValueError):
    """The bytes do not begin with a PROXY header."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of IPv4 or IPv6 in its plain spelling, and a port."""

    ip: str
    port: int


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """`client` is None where the connection is the proxy's own (LOCAL, UNKNOWN), as in its health checks. `length`:
    octets of the header; what follows them is the client's."""

    client: Endpoint | None
    length: int


def read(data: bytes | bytearray) -> ProxyHeader | None:
    """The header that the bytes received so far begin with; None while it is not whole. Raises BadHeader."""
    if data[: len(SIGNATURE)] == SIGNATURE[: len(data)]:
        return _read_binary(bytes(data))
    if data[: len(_BEGIN)] == _BEGIN[: len(data)]:
        return _read_line(bytes(data[:_LONGEST_LINE]))
    raise BadHeader("neither signature")


def _read_line(data: bytes) -> ProxyHeader | None:
    line, end, _rest = data.partition(b"\r\n")
    if not end:
        if len(data) >= _LONGEST_LINE or b"\r" in data[:-1] or b"\n" in data:
            raise BadHeader("line without end")
        return None
    length = len(line) + len(end)
    if _UNKNOWN.fullmatch(line):
        return ProxyHeader(None, length)
    found = _LINE.fullmatch(line)
    if found is None:
        raise BadHeader("malformed line")
    version, source, target = (4, found[2], found[3]) if found[1] else (6, found[5], found[6])
    _endpoint(version, target, found[8])
    return ProxyHeader(_endpoint(version, source, found[7]), length)


def _endpoint(version: int, address: bytes, port: bytes) -> Endpoint:
    number = int(port)
    try:
        ip = ipaddress.ip_address(address.decode("ascii"))
    except ValueError as error:
        raise BadHeader("no address") from error
    if ip.version != version or number > 65_535:
        raise BadHeader("an address of another family, or no port")
    return Endpoint(_plain(ip), number)


def _read_binary(data: bytes) -> ProxyHeader | None:
    # Wrong bytes are refused as soon as they are there, not when the length that they claim has come.
    if len(data) > 12 and data[12] not in (_LOCAL, _PROXY):
        raise BadHeader("another version or command")
    if len(data) < _FIXED:
        return None
    command, family, size = data[12], data[13], int.from_bytes(data[14:16])
    length = _FIXED + size
    if command == _LOCAL or family == _UNSPECIFIED:
        return ProxyHeader(None, length) if len(data) >= length else None
    layout = _ADDRESSES.get(family)
    if layout is None or size < layout.size:
        raise BadHeader("no TCP over IP, or too short for its addresses")
    if len(data) < length:
        return None
    # Behind the addresses may stand what the proxy knows besides (TLV); none of it is of use here.
    source, _target, port, _target_port = layout.unpack_from(data, _FIXED)
    return ProxyHeader(Endpoint(_plain(ipaddress.ip_address(source)), port), length)


def _plain(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """An IPv4 client on an IPv6 socket is an IPv4 client."""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)
