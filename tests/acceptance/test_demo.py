"""The demo from an empty folder to its report, and what its intakes hold afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes

import dkim
import pytest

from seg_console.lab.places import INTAKE, MAILBOX, folder
from seg_console.lab.samples import SIGNED_MESSAGE, SIGNER_RECORD
from seg_console.lab.store import content_of, entries
from tests.support.running_system import System, started

pytestmark = pytest.mark.timeout(300)
PASSPHRASE = re.compile(r"user admin, passphrase (\S+)\)")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with started("demo", tmp_path_factory.mktemp("demo")) as system:
        system.wait_until_ready()
        yield system


def figures(system: System) -> dict[str, tuple[int, int]]:
    """The report's table: what was expected and what was found, by line."""
    rows = [re.fullmatch(r"(\S.*?) +(\d+) +(\d+)( +<--)?", line) for line in system.output]
    return {row[1]: (int(row[2]), int(row[3])) for row in rows if row}


def test_everything_arrives_as_the_samples_say(demo: System) -> None:
    found = figures(demo)

    assert len(found) == 7, demo.said
    assert {line: counts for line, counts in found.items() if counts[0] != counts[1]} == {}
    assert found["Messages accepted"][0] >= 40
    assert all(expected > 0 for expected, _ in found.values())


def test_a_signature_still_holds_inside_the_copy(demo: System) -> None:
    signed = SIGNED_MESSAGE.read_bytes()
    intake = folder(demo.data_folder, INTAKE)
    [copy] = [content for stored in entries(intake) if signed in (content := content_of(intake, stored))]

    accepted = _inner(copy)

    assert accepted.endswith(signed)
    assert accepted.startswith(b"Received: from ")
    assert dkim.verify(accepted, dnsfunc=lambda *_, **__: SIGNER_RECORD.read_bytes().strip())


def test_copies_come_from_the_null_sender_with_a_journal_report(demo: System) -> None:
    intake = folder(demo.data_folder, INTAKE)
    copies = list(entries(intake))

    assert {stored.sender for stored in copies} == {""}
    assert all("X-MS-Journal-Report" in message_from_bytes(content_of(intake, stored)) for stored in copies)


def test_original_and_copy_hold_the_same_bytes(demo: System) -> None:
    signed = SIGNED_MESSAGE.read_bytes()
    places = (folder(demo.data_folder, MAILBOX), folder(demo.data_folder, INTAKE))
    [original], [copy] = (
        [content for stored in entries(place) if signed in (content := content_of(place, stored))] for place in places
    )

    assert _inner(copy) == original


def test_a_second_start_keeps_the_data_and_shows_the_same_passphrase(demo: System) -> None:
    before = len(list(entries(folder(demo.data_folder, MAILBOX))))
    [passphrase] = PASSPHRASE.findall(demo.said)
    demo.process.terminate()
    assert demo.wait_for_end() == 0

    with started("demo", demo.data_folder, **demo.database) as second:
        second.wait_until_ready()

        assert figures(second) == figures(demo)
        assert PASSPHRASE.findall(second.said) == [passphrase]
    assert len(list(entries(folder(demo.data_folder, MAILBOX)))) == before


def _inner(copy: bytes) -> bytes:
    """What lies between the head of the message/rfc822 part and the closing boundary, untouched by any parser."""
    boundary = message_from_bytes(copy).get_boundary()
    assert boundary is not None
    part = copy.split(b"\r\n--" + boundary.encode())[2]
    return part.partition(b"\r\n\r\n")[2]
