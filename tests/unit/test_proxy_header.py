"""PROXY headers as proxies send them, cut at every byte, and everything that is none."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_console.gateway.proxy_header import SIGNATURE, BadHeader, Endpoint, ProxyHeader, read

V4 = bytes([203, 0, 113, 9, 10, 0, 0, 1]) + (51_234).to_bytes(2) + (25).to_bytes(2)
V6 = ipaddress.IPv6Address("2001:db8::9").packed + ipaddress.IPv6Address("fd00::1").packed + b"\xc8\x22" + b"\x00\x19"
MAPPED = ipaddress.IPv6Address("::ffff:203.0.113.9").packed * 2 + b"\xc8\x22" + b"\x00\x19"
CLIENT, CLIENT6 = Endpoint("203.0.113.9", 51_234), Endpoint("2001:db8::9", 51_234)


def binary(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2) + body


WHOLE = {
    "TCP4": (b"PROXY TCP4 203.0.113.9 10.0.0.1 51234 25\r\n", CLIENT),
    "TCP6": (b"PROXY TCP6 2001:DB8:0:0:0:0:0:9 fd00::1 51234 25\r\n", CLIENT6),
    "TCP6 with a mapped address": (b"PROXY TCP6 ::ffff:203.0.113.9 ::ffff:10.0.0.1 51234 25\r\n", CLIENT),
    "port 0": (b"PROXY TCP4 203.0.113.9 10.0.0.1 0 65535\r\n", Endpoint("203.0.113.9", 0)),
    "UNKNOWN": (b"PROXY UNKNOWN\r\n", None),
    "UNKNOWN with addresses": (b"PROXY UNKNOWN ffff:f::1 ffff:f::2 65535 65535\r\n", None),
    "the longest line": (b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", None),
    "binary, IPv4": (binary(0x21, 0x11, V4), CLIENT),
    "binary, IPv6": (binary(0x21, 0x21, V6), CLIENT6),
    "binary, mapped": (binary(0x21, 0x21, MAPPED), CLIENT),
    "binary, with more behind the addresses": (binary(0x21, 0x11, V4 + b"\x04\x00\x03abc"), CLIENT),
    "binary, unspecified": (binary(0x21, 0x00, b""), None),
    "binary, unspecified with bytes to skip": (binary(0x21, 0x00, b"abc"), None),
    "binary, LOCAL": (binary(0x20, 0x00, b""), None),
    "binary, LOCAL with addresses": (binary(0x20, 0x11, V4), None),
}
NONE = {
    "a client that greets": b"EHLO client.example\r\n",
    "a client that writes the word": b"PROXYX",
    "lower case": b"proxy TCP4",
    "TLS": b"\x16\x03\x01",
    "HTTP": b"GET / HTTP/1.1\r\n",
    "LF alone": b"PROXY UNKNOWN\n",
    "CR alone": b"PROXY UNKNOWN\rx",
    "too long": b"PROXY UNKNOWN " + b"x" * 93,
    "too long by one, with its end": b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    "UDP": b"PROXY UDP4 203.0.113.9 10.0.0.1 51234 25\r\n",
    "UNKNOWN and more of the word": b"PROXY UNKNOWNS\r\n",
    "two blanks": b"PROXY TCP4  203.0.113.9 10.0.0.1 51234 25\r\n",
    "a blank at the end": b"PROXY TCP4 203.0.113.9 10.0.0.1 51234 25 \r\n",
    "a port too few": b"PROXY TCP4 203.0.113.9 10.0.0.1 51234\r\n",
    "a port too high": b"PROXY TCP4 203.0.113.9 10.0.0.1 65536 25\r\n",
    "a port that begins with 0": b"PROXY TCP4 203.0.113.9 10.0.0.1 051 25\r\n",
    "a negative port": b"PROXY TCP4 203.0.113.9 10.0.0.1 -1 25\r\n",
    "an octet too high": b"PROXY TCP4 203.0.113.256 10.0.0.1 51234 25\r\n",
    "an octet that begins with 0": b"PROXY TCP4 203.0.113.09 10.0.0.1 51234 25\r\n",
    "IPv6 as TCP4": b"PROXY TCP4 2001:db8::9 fd00::1 51234 25\r\n",
    "IPv4 as TCP6": b"PROXY TCP6 203.0.113.9 10.0.0.1 51234 25\r\n",
    "an interface": b"PROXY TCP6 fe80::1%eth0 fd00::1 51234 25\r\n",
    "no address": b"PROXY TCP6 ::: fd00::1 51234 25\r\n",
    "a bad target": b"PROXY TCP4 203.0.113.9 10.0.0.999 51234 25\r\n",
    "binary, version 1": SIGNATURE + b"\x11",
    "binary, another command": SIGNATURE + b"\x22",
    "binary, UDP": binary(0x21, 0x12, V4),
    "binary, a socket of a file system": binary(0x21, 0x31, b"\0" * 216),
    "binary, unknown family": binary(0x21, 0x41, V4),
    "binary, too short for IPv4": binary(0x21, 0x11, V4[:-1]),
    "binary, too short for IPv6": binary(0x21, 0x21, V4),
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("rest", [b"", b"EHLO client.example\r\n", SIGNATURE, b"PROXY UNKNOWN\r\n"])
def test_a_header_is_read_to_its_end_and_not_a_byte_further(name: str, rest: bytes) -> None:
    header, client = WHOLE[name]
    for end in range(len(header)):
        assert read(header[:end]) is None, end
    for end in range(len(rest) + 1):
        assert read(bytearray(header + rest[:end])) == ProxyHeader(client, len(header))


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_header_is_refused_however_it_is_cut(name: str) -> None:
    data = NONE[name]
    for end in range(len(data)):
        try:
            assert read(data[:end]) is None
        except BadHeader:
            break
    with pytest.raises(BadHeader):
        read(data)


PORTS = st.integers(min_value=0, max_value=65_535)


@given(source=st.ip_addresses(v=4), target=st.ip_addresses(v=4), port=PORTS, other=PORTS, extra=st.binary(max_size=300))
def test_every_ipv4_client_comes_through_both_versions(
    source: ipaddress.IPv4Address, target: ipaddress.IPv4Address, port: int, other: int, extra: bytes
) -> None:
    line = f"PROXY TCP4 {source} {target} {port} {other}\r\n".encode()
    assert read(line + extra) == ProxyHeader(Endpoint(str(source), port), len(line))
    packed = binary(0x21, 0x11, source.packed + target.packed + port.to_bytes(2) + other.to_bytes(2) + extra)
    assert read(packed + extra) == ProxyHeader(Endpoint(str(source), port), len(packed))


@given(source=st.ip_addresses(v=6), port=PORTS)
def test_every_ipv6_client_comes_through_both_versions(source: ipaddress.IPv6Address, port: int) -> None:
    client = Endpoint(str(source.ipv4_mapped or source), port)
    line = f"PROXY TCP6 {source.exploded} ::1 {port} 25\r\n".encode()
    assert read(line) == ProxyHeader(client, len(line))
    packed = binary(0x21, 0x21, source.packed * 2 + port.to_bytes(2) * 2)
    assert read(packed) == ProxyHeader(client, len(packed))


@given(
    st.binary(max_size=200)
    | st.binary(max_size=200).map(lambda data: SIGNATURE + data)
    | st.binary(max_size=120).map(lambda data: b"PROXY " + data)
)
def test_any_bytes_are_a_header_wanting_more_or_refused(data: bytes) -> None:
    try:
        found = read(data)
    except BadHeader:
        return
    assert found is None or found.length <= len(data)
    for end in range(len(data) if found is None else found.length):
        assert read(data[:end]) is None
