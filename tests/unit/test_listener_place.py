"""Where to listen, and in words why not."""

from __future__ import annotations

import errno
import socket

import pytest

from seg_console.gateway.document import check_listener_address
from seg_console.gateway.place import Orders, Place, Reason, Trouble, is_reachable, sentence, trouble_of

HERE = Place("127.0.0.1", 2525)
COMMITTED = Place("192.0.2.1", 25)


@pytest.mark.parametrize(
    ("orders", "there", "fallback"),
    [
        (Orders(HERE), COMMITTED, HERE),
        (Orders(HERE, host="0.0.0.0"), Place("0.0.0.0", 25), Place("0.0.0.0", 2525)),
        (Orders(HERE, port=0), Place("192.0.2.1", 0), Place("127.0.0.1", 0)),
        (Orders(HERE, host="::", port=26), Place("::", 26), Place("::", 26)),
    ],
)
def test_the_command_line_goes_before_the_configuration_and_that_before_the_environment(
    orders: Orders, there: Place, fallback: Place
) -> None:
    assert orders.on(COMMITTED) == there
    assert orders.fallback == fallback
    assert orders.are_whole == (there == fallback)


@pytest.mark.parametrize(
    ("place", "written", "nearby"),
    [
        (HERE, "127.0.0.1:2525", "127.0.0.1:2525"),
        (Place("0.0.0.0", 25), "0.0.0.0:25", "127.0.0.1:25"),
        (Place("::", 25), "[::]:25", "[::1]:25"),
        (Place("localhost", 25), "localhost:25", "localhost:25"),
    ],
)
def test_a_place_is_written_so_that_programs_read_it(place: Place, written: str, nearby: str) -> None:
    assert (str(place), str(place.nearby)) == (written, nearby)


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (OSError(errno.EADDRINUSE, ""), Reason.TAKEN, "Port 25 on 192.0.2.1 is taken by another program."),
        (OSError(errno.EADDRNOTAVAIL, ""), Reason.ELSEWHERE, "192.0.2.1 is not an address of this machine."),
        (socket.gaierror(-2, "unknown"), Reason.ELSEWHERE, "192.0.2.1 is not an address of this machine."),
        (
            PermissionError(errno.EACCES, ""),
            Reason.FORBIDDEN,
            "Port 25 may not be used: the listener has no right to ports below 1024.",
        ),
        (
            OSError(errno.ENOBUFS, ""),
            Reason.OTHER,
            "Port 25 on 192.0.2.1 cannot be listened on: No buffer space available.",
        ),
    ],
)
def test_why_a_place_cannot_be_had(error: OSError, reason: Reason, words: str) -> None:
    trouble = trouble_of(COMMITTED, error)
    assert (trouble.committed, trouble.reason) == (COMMITTED, reason)
    assert sentence(trouble) == words


def test_what_the_command_line_says_is_a_reason_too() -> None:
    words = "The listener was started with an address or port on its command line, which holds."
    assert sentence(Trouble(COMMITTED, Reason.ORDERED)) == words


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("::", "::"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_an_address_is_kept_in_its_plain_spelling(given: str, kept: str) -> None:
    assert check_listener_address(given) == kept


@pytest.mark.parametrize(
    "given", ["mail.example", "localhost", "192.0.2.1:25", "192.0.2", "[::1]", "fe80::1%eth0", " ", "192.0.2.0/24"]
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"^give an IPv4 or IPv6 address of this machine; 0\.0\.0\.0 is every"):
        check_listener_address(given)


@pytest.mark.parametrize("given", ["224.0.0.1", "255.255.255.255", "ff02::1"])
def test_an_address_of_many_machines_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"^give the address of one machine: "):
        check_listener_address(given)


def test_an_address_that_needs_an_interface_beside_it_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^give an address that is not link-local"):
        check_listener_address("fe80::1")


@pytest.mark.parametrize(
    ("address", "reachable"), [("", False), ("127.0.0.9", False), ("::1", False), ("0.0.0.0", True), ("::", True)]
)
def test_only_loopback_cannot_be_reached_from_the_network(address: str, reachable: bool) -> None:
    assert is_reachable(address) is reachable
