"""Of what a request says of itself, only what trusted proxies wrote is believed."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from seg_console.proxies import Said, Seen, seen_by_proxies

TRUSTED = tuple(map(ip_network, ("127.0.0.1", "::1", "10.0.0.0/8", "2001:db8:1::/48")))
CLIENT = "203.0.113.9"


def test_nothing_is_believed_of_a_stranger() -> None:
    said = Said("198.51.100.1", "https", "seg.example.com")
    assert seen_by_proxies(CLIENT, said, TRUSTED) is None
    assert seen_by_proxies("127.0.0.1", said, ()) is None
    assert seen_by_proxies("", said, TRUSTED) is None


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ("", "127.0.0.1"),
        (CLIENT, CLIENT),
        # What the browser wrote itself stands at the left.
        (f"1.2.3.4, {CLIENT}", CLIENT),
        (f"127.0.0.1,{CLIENT}", CLIENT),
        (f"1.2.3.4, {CLIENT}, 10.0.0.2, 10.1.2.3", CLIENT),
        (f"1.2.3.4,,{CLIENT} , ,10.0.0.2,", CLIENT),
        # Nobody but our own machines.
        ("10.0.0.7, 10.0.0.2", "10.0.0.7"),
        # What is no address ends the chain at the last proxy that is known.
        ("1.2.3.4, unknown", "127.0.0.1"),
        ("1.2.3.4, unknown, 10.0.0.2", "10.0.0.2"),
        ("fe80::1%eth0", "127.0.0.1"),
        ("203.0.113.9:51000", CLIENT),
        ("[2001:db8::5]:443", "2001:db8::5"),
        ("[2001:db8::5]", "2001:db8::5"),
        ("2001:DB8:0::5, 2001:db8:1::2", "2001:db8::5"),
        ("::ffff:203.0.113.9", CLIENT),
        ("1.2.3.4, ::ffff:203.0.113.9, ::ffff:10.0.0.2", CLIENT),
    ],
)
def test_the_client_is_read_from_the_right_past_trusted_proxies(forwarded_for: str, client: str) -> None:
    seen = seen_by_proxies("127.0.0.1", Said(forwarded_for), TRUSTED)
    assert seen == Seen(client, "", "")


def test_a_proxy_that_is_connected_over_both_families_is_one() -> None:
    assert seen_by_proxies("::ffff:10.0.0.2", Said(CLIENT), TRUSTED) == Seen(CLIENT, "", "")


@pytest.mark.parametrize(
    ("said", "scheme", "host"),
    [
        (Said(CLIENT, "https", "seg.example.com:8443"), "https", "seg.example.com:8443"),
        (Said(CLIENT, "HTTPS", ""), "https", ""),
        (Said(CLIENT, "gopher", ""), "", ""),
        # One proxy that adds to what the browser wrote.
        (Said(f"1.2.3.4, {CLIENT}", "https, http", "evil.example, seg.example.com"), "http", "seg.example.com"),
        # Two in a row: the outer one was asked over TLS, the inner one was not.
        (Said(f"{CLIENT}, 10.0.0.2", "https, http", "seg.example.com, inner"), "https", "seg.example.com"),
        # The inner one hands on what the outer one wrote.
        (Said(f"{CLIENT}, 10.0.0.2", "https", "seg.example.com"), "https", "seg.example.com"),
    ],
)
def test_scheme_and_host_are_those_of_the_outermost_trusted_proxy(said: Said, scheme: str, host: str) -> None:
    assert seen_by_proxies("127.0.0.1", said, TRUSTED) == Seen(CLIENT, scheme, host)
