from __future__ import annotations

import json
import os
import secrets
import smtplib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from seg_console import environment
from seg_console.delivery import states
from seg_console.delivery.models import Delivery
from seg_console.gateway.place import of_environment
from seg_console.lab import demonstration, places
from seg_console.lab.authority import lab_certificate
from seg_console.lab.sample_configuration import sample_configuration
from seg_console.lab.samples import samples
from seg_console.launch import Addition, Ready, answering_listener, launch, say_addresses, smtp_answers
from seg_console.preflight import Port, PreflightError
from seg_console.processes import LAB
from seg_console.supervisor import SupervisionError

COMMIT_LIVE_S = 1.0


class Command(BaseCommand):
    help = "Run the whole system with a lab of mail servers, load a sample configuration and send sample mail."

    def handle(self, *args: Any, **options: Any) -> None:
        self._folder = Path(settings.SEG_DATA_DIR)
        self._lab = self._folder / "lab"
        self._passphrase = environment.text("SEG_ADMIN_PASSPHRASE", "")
        try:
            launch(say=self._say, addition=_lab(), when_ready=self._demonstrate, prepare=self._choose_passphrase)
        except (PreflightError, SupervisionError) as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _choose_passphrase(self) -> None:
        """A demo is looked at again and again: its passphrase is kept, readable by the owner alone, and shown anew."""
        file = self._lab / "passphrase"
        if not self._passphrase and file.exists():
            self._passphrase = file.read_text().strip()
        self._passphrase = self._passphrase or secrets.token_urlsafe(12)
        self._lab.mkdir(exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(self._passphrase)
        os.environ["SEG_ADMIN_PASSPHRASE"] = self._passphrase

    def _demonstrate(self, ready: Ready) -> None:
        try:
            lines = self._earlier_report() or self._new_report(ready)
        except (OSError, smtplib.SMTPException) as error:
            raise SupervisionError(f"The sample mail could not be sent: {error}") from error
        finally:
            connections.close_all()
        if ready.stopping.is_set():
            return
        self._say("\n".join(["", *lines, ""]))
        say_addresses(self._say, self._passphrase)
        self._say(f"What arrived lies in {self._lab}, in the folders {', '.join(p.name for p in places.PLACES)}.")

    def _earlier_report(self) -> list[str]:
        """A second start keeps what is there, the administrator's own changes included, and sends nothing."""
        file = self._lab / "report.txt"
        if not file.exists():
            return []
        return [f"Kept from an earlier start; remove {self._folder} to begin anew.", file.read_text().rstrip()]

    def _new_report(self, ready: Ready) -> list[str]:
        self._load_configuration()
        # A commit is live in every process within this time, and the first message must not be ahead of it.
        ready.stopping.wait(COMMIT_LIVE_S)
        mail = samples(now=datetime.now(UTC))
        before = demonstration.arrived(self._folder)
        self._say(f"Sending {len(mail)} sample messages ...")
        listener = (answering_listener() or of_environment()).nearby
        sent = demonstration.send(mail, host=listener.host, port=listener.port, stopping=ready.stopping)
        self._say("Waiting until the delivery queue is empty ...")
        if not demonstration.wait_until_drained(_is_drained, stopping=ready.stopping):
            self._say("The delivery queue did not become empty: see Delivery Status.")
        lines = demonstration.report(sent, self._folder, before=before)
        if all(line.expected == line.found for line in lines):
            (self._lab / "report.txt").write_text("\n".join(demonstration.table(lines)) + "\n")
        return demonstration.table(lines)

    def _load_configuration(self) -> None:
        authority = lab_certificate(self._lab, names=places.certificate_names(), now=datetime.now(UTC)).authority
        file = self._lab / "configuration.json"
        document = sample_configuration(host=places.host(), authority=authority.read_text())
        file.write_text(json.dumps(document, indent=2) + "\n")
        self._say("Loading the sample configuration ...")
        call_command("loadconfig", str(file), comment="Sample configuration of the demo", verbosity=0)


def _lab() -> Addition:
    ports = [Port(place.title, places.host(), place.port(), "SEG_LAB_PORT") for place in places.PLACES]
    return Addition(process=LAB, ports=ports, check=_lab_answers)


def _lab_answers() -> bool:
    return all(smtp_answers(places.host(), place.port()) for place in places.PLACES)


def _is_drained() -> bool:
    return not Delivery.objects.filter(state__in=states.OPEN).exists()
