"""Deliveries to servers that people run, with limits set low: nobody is asked twice, and nobody is forgotten."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import settings

from seg_console.delivery.kinds import Destination
from seg_console.delivery.models import Delivery
from seg_console.mail.models import Message, Recipient
from tests.support.deliveries import INTAKE, accept, configure, drain, log_texts, make_due, route
from tests.support.peers import PEERS, RECIPIENTS, Peer, smtp_server_peer
from tests.support.running_system import wait_until
from tests.support.smtp_remote import Taken, authority, smtp_remote

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("redis", "_empty_log"),
]

ORDINARY = Destination("ordinary", "corp.example")
TDC = Destination("tdc", "intake.example")
EIGHT_BIT = (
    b"From: Alice <alice@example.net>\r\nTo: good@corp.example\r\nSubject: eight\r\nMessage-ID: <8@example.net>\r\n"
    b"Date: Mon, 02 Nov 2026 09:30:00 +0000\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n"
    b"\r\nGr\xfc\xdfe in acht Bit.\r\n.\r\n..\r\n"
)


@pytest.fixture
def _empty_log() -> None:
    settings.SEG_MAIL_LOG.unlink(missing_ok=True)


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    # Their own users have to get there, and pytest keeps its folders to itself.
    with tempfile.TemporaryDirectory(prefix="seg-peer-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with smtp_remote() as ledger, PEERS[request.param](folder, ledger) as running:
            yield running


def test_three_hundred_recipients_reach_a_server_that_takes_a_hundred(peer: Peer) -> None:
    _configure(peer, max_recipients_per_transaction=1000)
    addresses = [f"good{rid}@corp.example" for rid in range(300)]
    mid = accept(addresses)
    drain(ORDINARY)
    assert list(Delivery.objects.values_list("state", "attempt")) == [("delivered", 1)]
    assert set(Recipient.objects.filter(message=mid).values_list("state", flat=True)) == {"delivered"}
    wait_until(lambda: len(_recipients(peer.taken())) >= 300, what=_log())
    assert Counter(_recipients(peer.taken())) == Counter(addresses)
    assert max(len(each.recipients) for each in peer.taken()) <= RECIPIENTS


def test_good_recipients_among_many_unknown_ones_get_their_mail_and_the_unknown_bounce_once(peer: Peer) -> None:
    _configure(peer)
    unknown, good = [f"no{rid}@corp.example" for rid in range(25)], [f"good{rid}@corp.example" for rid in range(10)]
    # Two unknown ones before each good one.
    addresses = [address for rid in range(10) for address in (*unknown[2 * rid : 2 * rid + 2], good[rid])]
    mid = accept([*addresses, *unknown[20:]])
    drain(ORDINARY)
    at_once = Recipient.objects.filter(message=mid, state="bounced").count()
    assert at_once >= 19
    make_due()
    drain(ORDINARY)
    states = Counter(Recipient.objects.filter(message=mid).values_list("address", "state"))
    assert states == Counter([*((each, "bounced") for each in unknown), *((each, "delivered") for each in good)])
    assert Delivery.objects.get(domain="corp.example").attempt == (1 if at_once == 25 else 2)
    wait_until(lambda: len(_recipients(peer.taken())) >= 10, what=_log())
    assert Counter(_recipients(peer.taken())) == Counter(good)
    bounced = [line.split(" to RID ")[1].split()[0] for line in log_texts() if line.startswith("Bounced: ")]
    assert len(bounced) == len(set(bounced)) == 25
    assert Message.objects.filter(parent_mid=mid).count() == (1 if at_once == 25 else 2)


def test_eight_bits_arrive_as_they_are_whatever_is_offered(peer: Peer) -> None:
    _configure(peer)
    accept(["good@corp.example"], content=EIGHT_BIT)
    drain(ORDINARY)
    assert list(Delivery.objects.values_list("state", "attempt")) == [("delivered", 1)]
    wait_until(lambda: bool(peer.taken()), what=_log())
    [taken] = peer.taken()
    assert taken.content.endswith(EIGHT_BIT)


def test_a_server_that_ends_its_connections_gets_every_message_at_the_first_attempt(peer: Peer) -> None:
    _configure(peer)
    addresses = [f"good{rid}@corp.example" for rid in range(30)]
    for address in addresses:
        accept([address])
    drain(ORDINARY)
    assert set(Delivery.objects.values_list("state", "attempt")) == {("delivered", 1)}
    assert [line for line in log_texts() if "Delayed" in line or "Connection Error" in line] == []
    wait_until(lambda: len(peer.taken()) >= 30, what=_log())
    assert Counter(_recipients(peer.taken())) == Counter(addresses)


def test_copies_and_originals_reach_a_server_that_says_goodbye_over_tls_behind_each(tmp_path: Path) -> None:
    authority().server(tmp_path, "intake.example")
    [certificate] = tmp_path.glob("intake.example-*.pem")
    with ExitStack() as stack:
        ledger = stack.enter_context(smtp_remote())
        peer = stack.enter_context(smtp_server_peer(tmp_path, ledger, certificate=certificate))
        _configure(peer, tls="required")
        for rid in range(30):
            accept([f"good{rid}@corp.example"], intake=f"good{INTAKE}")
        drain(TDC, name="tdc")
        drain(ORDINARY)
        wait_until(lambda: len(peer.taken()) >= 60, what=_log())
        taken = peer.taken()
    assert set(Delivery.objects.values_list("state", "attempt")) == {("delivered", 1)}
    assert all(each.tls for each in taken)
    assert Counter(_recipients(taken)) == Counter(
        {f"good{INTAKE}": 30, **{f"good{rid}@corp.example": 1 for rid in range(30)}}
    )
    assert [line for line in log_texts() if "Delayed" in line] == []


def _configure(peer: Peer, **control: object) -> None:
    """Everything to this server; reports to nowhere."""
    configure(
        smtp_routes=[
            *(route(domain, peer.port) for domain in ("corp.example", "intake.example")),
            {"domain": "example.net", "hosts": [{"host": "/dev/null"}]},
        ],
        destination_controls=[{"domain": "corp.example", **control}] if control else [],
        threat_defense_connector={"ca_certificates": authority().pem},
    )


def _recipients(taken: Sequence[Taken]) -> list[str]:
    return [address for each in taken for address in each.recipients]


def _log() -> str:
    return "arrival; the log says: " + "\n".join(log_texts()[-20:])
