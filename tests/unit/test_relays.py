"""Who sent a message that comes through an incoming relay: the fields of real servers, and of those who would lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seg_console.gateway.relays import Relay, Said, address_in_received, relay_table, true_client

BY = "by edge.corp.example (Postfix) with ESMTPS id 4Xy1z2;\r\n\tTue, 1 Dec 2026 04:00:00 +0000"

# Values of Received as servers write them; the address of the host that connected.
RECEIVED = {
    "Postfix": (f"from mx.example.net (mx.example.net [203.0.113.9])\r\n\t(using TLSv1.3 with cipher "
                f"TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\t(No client certificate)\r\n\t{BY}", "203.0.113.9"),
    "Postfix, no name": (f"from mx.example.net (unknown [203.0.113.9]) {BY}", "203.0.113.9"),
    "Postfix, IPv6": (f"from mx.example.net (mx.example.net [IPv6:2001:DB8:0:0::9]) {BY}", "2001:db8::9"),
    "Sendmail": (f"from mx.example.net (mx.example.net [203.0.113.9] (may be forged)) {BY}", "203.0.113.9"),
    "Sendmail with ident": (f"from mx.example.net (bob@mx.example.net [203.0.113.9]) {BY}", "203.0.113.9"),
    "Exim": ("from mx.example.net ([203.0.113.9]) by edge.corp.example with esmtps (Exim 4.98)", "203.0.113.9"),
    "Exim, port and HELO": ("from [203.0.113.9] (port=4711 helo=[198.51.100.1]) by edge.corp.example", "203.0.113.9"),
    "Exim, HELO in the comment": ("from x.example ([203.0.113.9]:4711 helo=[198.51.100.1]) by edge", "203.0.113.9"),
    "Exim, IPv6": ("from x.example ([2001:db8::9] helo=mx) by edge.corp.example with esmtp", "2001:db8::9"),
    "qmail": ("from unknown (HELO [198.51.100.1]) (203.0.113.9) by edge.corp.example with SMTP", "203.0.113.9"),
    "qmail with ident": ("from mx.example.net (bob@203.0.113.9) by edge.corp.example with SMTP", "203.0.113.9"),
    "Exchange": ("from A.example.net (203.0.113.9) by B.corp.example (10.0.0.2) with Microsoft SMTP Server "
                 "(version=TLS1_2, cipher=TLS_ECDHE) id 15.20.8158.1; Tue, 1 Dec 2026", "203.0.113.9"),
    "Exchange, IPv6 with a zone": ("from A.example.net (2001:db8::9%12) by B (2001:db8::2%13) with x", "2001:db8::9"),
    "mapped": (f"from mx (mx [IPv6:::ffff:203.0.113.9]) {BY}", "203.0.113.9"),
    "a private address": (f"from pc (pc.corp.example [10.1.2.3]) {BY}", "10.1.2.3"),
    "a literal alone": ("from [203.0.113.9] by edge.corp.example with SMTP", "203.0.113.9"),
    "folded everywhere": ("from\r\n mx.example.net\r\n\t(mx.example.net\r\n [203.0.113.9])\r\n by edge", "203.0.113.9"),
    "no blank before the comment": ("from mx.example.net(203.0.113.9) by edge", "203.0.113.9"),
    "upper case": ("FROM MX.EXAMPLE.NET (MX [203.0.113.9]) BY EDGE", "203.0.113.9"),
    # HELO is the client's to choose.
    "a lie in HELO": (f"from [198.51.100.1] (unknown [203.0.113.9]) {BY}", "203.0.113.9"),
    "a lie in HELO, with a comment": (f"from x(unknown[198.51.100.1]) (unknown [203.0.113.9]) {BY}", "203.0.113.9"),
    "HELO by": (f"from by (unknown [203.0.113.9]) {BY}", "203.0.113.9"),
    "a bare address as HELO": ("from 198.51.100.1 by edge.corp.example", ""),
    # What stands behind `by` is the server's own.
    "the server's own address": ("from mx.example.net by edge.corp.example ([10.0.0.2])", ""),
    "handed over locally": ("by edge.corp.example (Postfix, from userid 1000) id 4Xy1z2", ""),
    "no address": (f"from mx.example.net (mx.example.net) {BY}", ""),
    "no host": (f"from mx.example.net (mx.example.net [0.0.0.0]) {BY}", ""),
    "many hosts": (f"from mx.example.net (mx.example.net [224.0.0.1]) {BY}", ""),
    "a number too high": (f"from mx.example.net (mx.example.net [203.0.113.256]) {BY}", ""),
    "a part of a name": ("from a (mail-203.0.113.9-x.example) by edge", ""),
    "a lone bracket": ("from a ([203.0.113.9) by edge", "203.0.113.9"),
    "empty": ("", ""),
    "garbage": ("\x00\xff((((from", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", RECEIVED)
def test_the_host_that_a_server_received_from(name: str) -> None:
    value, ip = RECEIVED[name]
    assert address_in_received(value) == ip


@given(st.text(max_size=400) | st.text("()[] fromby:.123abcdefIPv6", max_size=400).map("from x ".__add__))
def test_no_text_is_too_odd(text: str) -> None:
    assert isinstance(address_in_received(text), str)


EDGE, GROUP, FILTER, NET6 = (
    ("192.0.2.1", Relay("edge", "Received", 1)),
    ("192.0.2.0/24", Relay("group", "Received", 2)),
    ("192.0.2.10-12", Relay("filter", "X-Client-IP")),
    ("2001:db8:1::/48", Relay("net6", "received", 1)),
)
TABLE = relay_table([GROUP, NET6, EDGE, FILTER])


def hop(ip: str, name: str = "Received") -> bytes:
    return (
        f"{name}: from x.example (x.example [{ip}])\r\n by y.example;\r\n Tue, 1 Dec 2026 04:00:00 +0000\r\n".encode()
    )


OWN = hop("203.0.113.9")
REST = b"From: alice@example.net\r\nSubject: x\r\n\r\n" + hop("198.51.100.66")
CASES = {
    "the relay's own field": ("192.0.2.1", OWN + REST, Said("edge", "Received", "203.0.113.9")),
    "forged fields below it": (
        "192.0.2.1", OWN + hop("198.51.100.1") * 9 + REST, Said("edge", "Received", "203.0.113.9"),
    ),
    "case of the name": ("192.0.2.1", b"RECEIVED : " + OWN[10:] + REST, Said("edge", "Received", "203.0.113.9")),
    "other fields above it": ("192.0.2.1", b"X-A: b\r\n c\r\n" + OWN + REST, Said("edge", "Received", "203.0.113.9")),
    "a name that begins so": (
        "192.0.2.1", hop("198.51.100.1", "Received-SPF") + hop("198.51.100.1", "X-Received") + OWN + REST,
        Said("edge", "Received", "203.0.113.9"),
    ),
    "bare line feeds": ("192.0.2.1", (OWN + REST).replace(b"\r\n", b"\n"), Said("edge", "Received", "203.0.113.9")),
    "the second hop from the top": (
        "192.0.2.200", hop("10.0.0.5") + OWN + hop("198.51.100.1") + REST, Said("group", "Received", "203.0.113.9"),
    ),
    "a private second hop is what it is": (
        "192.0.2.200", OWN + hop("10.0.0.5") + REST, Said("group", "Received", "10.0.0.5"),
    ),
    "fewer hops than that": ("192.0.2.200", OWN + REST, Said("group", "Received", "")),
    "no field, and the body is none": ("192.0.2.1", REST, Said("edge", "Received", "")),
    "no header at all": ("192.0.2.1", b"\r\n" + OWN, Said("edge", "Received", "")),
    "a top field without an address": (
        "192.0.2.1", b"Received: by edge (Postfix, from userid 0)\r\n" + OWN + REST, Said("edge", "Received", ""),
    ),
    "a named header": (
        "192.0.2.11", b"X-Client-IP: 203.0.113.9\r\n" + OWN + REST, Said("filter", "X-Client-IP", "203.0.113.9"),
    ),
    "in brackets, folded": (
        "192.0.2.11", b"x-client-ip:\r\n [IPv6:2001:DB8::9] \r\n" + REST, Said("filter", "X-Client-IP", "2001:db8::9"),
    ),
    "the topmost of several": (
        "192.0.2.11", b"X-Client-IP: 203.0.113.9\r\nX-Client-IP: 198.51.100.1\r\n" + REST,
        Said("filter", "X-Client-IP", "203.0.113.9"),
    ),
    "a topmost one that is garbage": (
        "192.0.2.11", b"X-Client-IP: none\r\nX-Client-IP: 198.51.100.1\r\n" + REST, Said("filter", "X-Client-IP", ""),
    ),
    "a list": ("192.0.2.11", b"X-Client-IP: 203.0.113.9, 10.0.0.1\r\n" + REST, Said("filter", "X-Client-IP", "")),
    "the named header is missing": ("192.0.2.11", OWN + REST, Said("filter", "X-Client-IP", "")),
    "bytes that are no text": ("192.0.2.11", b"X-Client-IP: \xff\x00\r\n" + REST, Said("filter", "X-Client-IP", "")),
    "a relay of IPv6": ("2001:db8:1::5", OWN + REST, Said("net6", "Received", "203.0.113.9")),
    "nobody's relay": ("198.51.100.7", OWN + REST, None),
    "an address that is none": ("", OWN + REST, None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_who_sent_it(name: str) -> None:
    client, content, said = CASES[name]
    assert true_client(TABLE, client, content) == said


def test_the_smallest_network_decides_whatever_the_order() -> None:
    for rows in ([GROUP, EDGE, FILTER], [FILTER, EDGE, GROUP]):
        table = relay_table(rows)
        names = [match.name if match else None for ip in ("192.0.2.1", "192.0.2.12", "192.0.2.13")
                 for match in [table.match(ip).policy]]  # fmt: skip
        assert names == ["edge", "filter", "group"]
