"""Sends the sample mail through the running system and tells what became of it, counted where it arrived."""

from __future__ import annotations

import smtplib
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seg_console.lab.places import CUSTOM_INTAKE, INTAKE, MAILBOX, Place, folder
from seg_console.lab.samples import Copy, Sample
from seg_console.lab.store import Stored, content_of, entries

COPY_PLACES: Mapping[Copy, Place] = {"default": INTAKE, "custom": CUSTOM_INTAKE}
DRAIN_DEADLINE_S = 100.0
POLL_S = 0.2
SMTP_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Sent:
    """One sample and what the listener said to it: the recipients it turned away, and whether it took the message."""

    sample: Sample
    refused: tuple[str, ...]
    accepted: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report: what should have happened how often, and how often it did."""

    text: str
    expected: int
    found: int


def send(samples: Sequence[Sample], *, host: str, port: int, stopping: threading.Event) -> list[Sent]:
    """Hand them to the listener one after the other over one connection; ends early when `stopping` is set.

    Raises OSError or smtplib.SMTPException when the listener fails rather than refuses.
    """
    sent = []
    with smtplib.SMTP(host, port, local_hostname="sender.example", timeout=SMTP_TIMEOUT_S) as client:
        for sample in samples:
            if stopping.is_set():
                break
            sent.append(_send(client, sample))
    return sent


def _send(client: smtplib.SMTP, sample: Sample) -> Sent:
    options = [] if sample.content.isascii() else ["BODY=8BITMIME"]
    try:
        refused = client.sendmail(sample.sender, sample.recipients, sample.content, mail_options=options)
    except smtplib.SMTPRecipientsRefused as error:
        return Sent(sample, tuple(error.recipients), accepted=False)
    except smtplib.SMTPResponseException:
        return Sent(sample, (), accepted=False)
    return Sent(sample, tuple(refused), accepted=True)


def wait_until_drained(is_drained: Callable[[], bool], *, stopping: threading.Event) -> bool:
    """Ask until the queue is empty; False when that takes longer than DRAIN_DEADLINE_S, or it is time to stop."""
    deadline = time.monotonic() + DRAIN_DEADLINE_S
    while not is_drained():
        if time.monotonic() > deadline or stopping.wait(POLL_S):
            return False
    return True


def arrived(data_folder: Path) -> dict[Place, list[Stored]]:
    """Everything the lab's servers have received so far."""
    return {place: list(entries(folder(data_folder, place))) for place in (MAILBOX, INTAKE, CUSTOM_INTAKE)}


def report(sent: Sequence[Sent], data_folder: Path, *, before: Mapping[Place, Sequence[Stored]]) -> list[Line]:
    """Compare what the samples say with what the listener answered and with what lies in the lab's folders.

    `before`: what lay there already when the sending began.
    """
    now = arrived(data_folder)
    fresh = {place: now[place][len(before[place]) :] for place in now}
    samples = [entry.sample for entry in sent]
    wanted = Counter(copy for sample in samples for copy in sample.copies)
    return [
        Line("Messages accepted", sum(sample.accepted for sample in samples), sum(entry.accepted for entry in sent)),
        Line(
            "Recipients refused",
            sum(len(sample.refused) for sample in samples),
            sum(len(entry.refused) for entry in sent),
        ),
        Line(
            "Recipients that got the original",
            sum(len(set(sample.recipients) - set(sample.refused)) for sample in samples),
            sum(len(stored.recipients) for stored in fresh[MAILBOX]),
        ),
        *(Line(f"Copies at the {name} intake", wanted[name], len(fresh[place])) for name, place in COPY_PLACES.items()),
        Line("Copies that hold the original byte for byte", wanted.total(), _faithful(samples, data_folder, fresh)),
        Line(
            "Copies that came over TLS 1.2 or newer",
            wanted.total(),
            sum(stored.tls in {"TLSv1.2", "TLSv1.3"} for place in COPY_PLACES.values() for stored in fresh[place]),
        ),
    ]


def _faithful(samples: Sequence[Sample], data_folder: Path, fresh: Mapping[Place, Sequence[Stored]]) -> int:
    """How many wanted copies are there: each stored copy counts once, for a sample whose bytes it ends with before the
    report's closing boundary."""
    found = 0
    for name, place in COPY_PLACES.items():
        contents = [content_of(folder(data_folder, place), stored) for stored in fresh[place]]
        for sample in samples:
            for _ in range(sample.copies.count(name)):
                match = next((index for index, content in enumerate(contents) if sample.content in content), None)
                if match is not None:
                    del contents[match]
                    found += 1
    return found


def table(lines: Sequence[Line]) -> list[str]:
    """The report as text, every line of one width; what differs is marked."""
    width = max(len(line.text) for line in lines)
    head = f"{'':{width}}  expected   found"
    rows = [
        f"{line.text:{width}}  {line.expected:8}  {line.found:6}" + ("" if line.expected == line.found else "  <--")
        for line in lines
    ]
    return [head, *rows]
