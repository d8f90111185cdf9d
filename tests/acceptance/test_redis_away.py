"""The whole program on a Redis that hangs: mail goes on, and nothing is sent twice when it is back."""

from __future__ import annotations

import json
import smtplib
from collections import Counter
from contextlib import ExitStack
from email import message_from_bytes
from pathlib import Path

from tests.support.deliveries import INTAKE, route
from tests.support.own_redis import Trouble, own_redis
from tests.support.running_system import System, started, wait_until
from tests.support.smtp_remote import Remote, authority, smtp_remote


def test_mail_goes_on_while_redis_hangs_and_the_workers_take_over_again(tmp_path: Path) -> None:
    with ExitStack() as stack:
        redis = stack.enter_context(own_redis())
        mailbox = stack.enter_context(smtp_remote())
        intake = stack.enter_context(smtp_remote(tls=authority().server(tmp_path, "intake.example")))
        system = stack.enter_context(started("up", tmp_path / "data", REDIS_URL=redis.url))
        system.wait_until_ready()
        _configure(system, tmp_path / "configuration.json", mailbox, intake)
        wait_until(lambda: _accepts(system), what="the configuration is live")
        _send(system, "before", 3)
        _wait_for(system, mailbox, intake, 3)

        redis.begin(Trouble.HUNG)
        _send(system, "during", 3)
        _wait_for(system, mailbox, intake, 6)
        # A worker's drain that was still at work may have been quicker.
        taken_over = "mail and copies are delivered from the database, more slowly"
        wait_until(lambda: taken_over in system.said, what="the stand-in has taken over")

        redis.end(Trouble.HUNG)
        wait_until(lambda: "they deliver again" in system.said, what="it is handed back")
        _send(system, "after", 3)
        _wait_for(system, mailbox, intake, 9)
        system.stop()

    expected = {f"{when} {number}": 1 for when in ("before", "during", "after") for number in range(3)}
    assert Counter(message_from_bytes(each.content)["Subject"] for each in mailbox.taken) == expected
    assert len(intake.taken) == 9


def _configure(system: System, file: Path, mailbox: Remote, intake: Remote) -> None:
    document = {
        "format": 1,
        "threat_defense_connector": {
            "enabled": True,
            "message_intake_address": INTAKE,
            "ca_certificates": authority().pem,
        },
        "default_policy": {"threat_defense_connector": {"mode": "default"}},
        "recipient_access": [{"recipient": "corp.example", "action": "accept"}],
        "smtp_routes": [route("corp.example", mailbox.port), route("intake.example", intake.port)],
    }
    file.write_text(json.dumps(document))
    system.manage("loadconfig", str(file))


def _accepts(system: System) -> bool:
    with smtplib.SMTP("127.0.0.1", system.smtp_port) as client:
        client.ehlo()
        client.mail("alice@example.net")
        return client.rcpt("bob@corp.example")[0] == 250


def _send(system: System, word: str, count: int) -> None:
    with smtplib.SMTP("127.0.0.1", system.smtp_port) as client:
        for number in range(count):
            client.sendmail("alice@example.net", "bob@corp.example", f"Subject: {word} {number}\r\n\r\nHi.\r\n")


def _wait_for(system: System, mailbox: Remote, intake: Remote, count: int) -> None:
    wait_until(
        lambda: len(mailbox.taken) >= count and len(intake.taken) >= count,
        what=f"{count} originals and copies, not {len(mailbox.taken)} and {len(intake.taken)}; said: {system.said}",
    )
