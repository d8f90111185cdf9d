"""Real Postfix on both sides: one relays to the listener, another is mailbox and TLS intake."""

from __future__ import annotations

import json
import pwd
import smtplib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from typing import Any

import pytest

from seg_console.bench import postfix
from seg_console.bench.postfix import Postfix
from seg_console.lab.authority import LabCertificate, lab_certificate
from tests.support.programs import require_program
from tests.support.running_system import System, free_port_block, started, wait_until

pytestmark = pytest.mark.timeout(300)

HEADERS = (
    b"From: Carla <carla@supplier.example>\r\nTo: anna@corp.example, boris@corp.example\r\n"
    b"Date: Mon, 02 Nov 2026 09:30:00 +0000\r\nMIME-Version: 1.0\r\n"
)
SEVEN_BIT = b"Content-Type: text/plain\r\n\r\nHello.\r\n.\r\n..two dots\r\n\r\n"
EIGHT_BIT = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + (
    "Grüße – in acht Bit.\r\n".encode()
)
LARGE = (
    b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + (b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo" * 2 + b"\r\n") * 20_000
)


@dataclass(frozen=True)
class Chain:
    """Postfix, SEG Console, Postfix."""

    sender: Postfix
    gateway: System
    receiver: Postfix

    def arrived(self, mailbox: str) -> list[bytes]:
        """What lies in a mailbox of the receiver, with CRLF line ends again."""
        new = self.receiver.virtual / mailbox / "new"
        return [path.read_bytes().replace(b"\n", b"\r\n") for path in new.glob("*")] if new.exists() else []


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    require_program("postfix", "postfix")
    reason = postfix.why_not()
    if reason:
        pytest.skip(reason)
    certificate = lab_certificate(
        tmp_path_factory.mktemp("ca"), names=["intake.example", "127.0.0.1"], now=datetime.now(UTC)
    )
    with ExitStack() as stack:
        receiver_port = free_port_block(2)
        receiver = stack.enter_context(postfix.running(port=receiver_port, settings=_receiver_settings(certificate)))
        gateway = stack.enter_context(started("up", tmp_path_factory.mktemp("up")))
        gateway.wait_until_ready()
        document = gateway.data_folder / "configuration.json"
        document.write_text(json.dumps(_configuration(receiver_port, certificate)))
        gateway.manage("loadconfig", str(document), "--comment", "test")
        sender = stack.enter_context(
            postfix.running(
                port=receiver_port + 1, settings={"relayhost": f"[127.0.0.1]:{gateway.smtp_port}", "relay_domains": ""}
            )
        )
        yield Chain(sender, gateway, receiver)


def _receiver_settings(certificate: LabCertificate) -> dict[str, str]:
    user = pwd.getpwnam("postfix")
    mailboxes = {"journal@intake.example": "journal/", "anna@corp.example": "anna/", "boris@corp.example": "boris/"}
    return {
        "smtpd_tls_chain_files": str(certificate.server),
        "smtpd_tls_security_level": "encrypt",
        "smtpd_tls_mandatory_protocols": ">=TLSv1.2",
        "message_size_limit": "50000000",
        "virtual_mailbox_domains": "intake.example, corp.example",
        "virtual_mailbox_base": "$queue_directory/../virtual",
        "virtual_mailbox_maps": "inline:{" + ", ".join(f"{key}={value}" for key, value in mailboxes.items()) + "}",
        "virtual_mailbox_limit": "0",
        "virtual_minimum_uid": "1",
        "virtual_uid_maps": f"static:{user.pw_uid}",
        "virtual_gid_maps": f"static:{user.pw_gid}",
    }


def _configuration(receiver_port: int, certificate: LabCertificate) -> dict[str, Any]:
    return {
        "format": 1,
        "threat_defense_connector": {
            "enabled": True,
            "message_intake_address": "journal@intake.example",
            "verify_certificate": True,
            "ca_certificates": certificate.authority.read_text(),
        },
        "default_policy": {"threat_defense_connector": {"mode": "default"}},
        "recipient_access": [{"recipient": "corp.example", "action": "accept"}],
        "smtp_routes": [
            {"domain": domain, "hosts": [{"host": "127.0.0.1", "port": receiver_port, "priority": 0}]}
            for domain in ("corp.example", "intake.example")
        ],
    }


@pytest.mark.parametrize(
    ("name", "body"),
    [
        pytest.param("seven", SEVEN_BIT, id="dots"),
        pytest.param("eight", EIGHT_BIT, id="eight bit"),
        pytest.param("large", LARGE, id="large"),
    ],
)
def test_mail_relayed_by_postfix_is_delivered_and_copied_byte_for_byte(chain: Chain, name: str, body: bytes) -> None:
    message_id = f"<{name}@supplier.example>".encode()
    sent = HEADERS + b"Message-ID: " + message_id + b"\r\n" + body

    def of_this(mailbox: str) -> list[bytes]:
        return [content for content in chain.arrived(mailbox) if sent in content]

    with smtplib.SMTP("127.0.0.1", chain.sender.port) as client:
        client.sendmail("carla@supplier.example", ["anna@corp.example", "boris@corp.example"], sent, ["BODY=8BITMIME"])
    wait_until(lambda: all(map(of_this, ("anna", "boris", "journal"))), what=f"arrival; {_logs(chain)}")

    [copy], [original] = of_this("journal"), of_this("anna")
    accepted = _inner(copy)
    assert accepted.startswith(b"Received: from ")
    assert accepted.endswith(sent)
    assert original.endswith(accepted)


def test_the_copy_names_every_recipient_and_the_sender_in_its_report(chain: Chain) -> None:
    sent = HEADERS + b"Message-ID: <report@supplier.example>\r\nSubject: report\r\n\r\nText.\r\n"
    with smtplib.SMTP("127.0.0.1", chain.sender.port) as client:
        client.sendmail("carla@supplier.example", ["anna@corp.example", "boris@corp.example"], sent)
    wait_until(lambda: any(sent in content for content in chain.arrived("journal")), what="arrival of the copy")

    [copy] = [content for content in chain.arrived("journal") if sent in content]
    report = message_from_bytes(copy).get_payload(0)
    assert isinstance(report, type(message_from_bytes(b"")))
    lines = str(report.get_payload()).splitlines()
    assert "Sender: carla@supplier.example" in lines
    assert [line for line in lines if line.startswith("Recipient: ")] == [
        "Recipient: anna@corp.example",
        "Recipient: boris@corp.example",
    ]


def test_a_stranger_is_refused_and_postfix_keeps_nothing(chain: Chain) -> None:
    sent = HEADERS + b"Message-ID: <stranger@supplier.example>\r\n\r\nText.\r\n"
    with smtplib.SMTP("127.0.0.1", chain.sender.port) as client:
        client.sendmail("carla@supplier.example", ["somebody@elsewhere.example"], sent)

    wait_until(
        lambda: "to=<somebody@elsewhere.example>" in chain.sender.log.read_text(), what="an answer to the stranger"
    )
    [line] = [line for line in chain.sender.log.read_text().splitlines() if "to=<somebody@elsewhere.example>" in line]
    assert "status=bounced" in line
    assert "550" in line


def _inner(copy: bytes) -> bytes:
    """What lies between the head of the message/rfc822 part and the closing boundary, untouched by any parser."""
    boundary = message_from_bytes(copy).get_boundary()
    assert boundary is not None
    part = copy.split(b"\r\n--" + boundary.encode())[2]
    return part.partition(b"\r\n\r\n")[2]


def _logs(chain: Chain) -> str:
    return "\n".join(path.read_text()[-2000:] for path in (chain.sender.log, chain.receiver.log))
