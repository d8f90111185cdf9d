from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from seg_console.bench import ends, gateway, matching, postfix, report
from seg_console.lab.authority import LabCertificate, lab_certificate

MAILBOX_DOMAIN = "corp.bench.example"
INTAKE_DOMAIN = "intake.bench.example"
RECIPIENT = f"anna@{MAILBOX_DOMAIN}"
INTAKE_ADDRESS = f"journal@{INTAKE_DOMAIN}"
SENDER = "carla@supplier.example"
DRAIN_DEADLINE_S = 300.0
QUIET_S = 2.0
# To each end, for either system.
MOST_CONNECTIONS = 50
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


@dataclass(frozen=True, slots=True)
class Load:
    messages: int
    sessions: int
    size: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the mail of one system ends. Each has its own, so that neither waits for what the other left behind."""

    mailbox: ends.Sink
    intake: ends.Sink
    intake_port: int


def main() -> int:
    arguments = _arguments()
    # A terminated benchmark takes its servers with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    load = Load(arguments.messages, sessions=20, size=10_240, rounds=arguments.rounds)
    try:
        figures = _measure(load)
    except (postfix.PostfixError, gateway.GatewayError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _say(report.text(figures))
    _say("\n" + report.machine())
    if arguments.save:
        PAGE.write_text(report.page(figures))
        _say(f"\nWritten to {PAGE}.")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure SEG Console against Postfix, both delivering and copying.")
    parser.add_argument("--messages", type=int, default=4_000, help="per round (default 4000)")
    parser.add_argument("--rounds", type=int, default=3, help="of each kind (default 3)")
    parser.add_argument("--save", action="store_true", help="write the result to docs/benchmarks.md")
    return parser.parse_args()


def _measure(load: Load) -> report.Figures:
    reason = postfix.why_not()
    if reason:
        raise postfix.PostfixError(reason)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seg-bench-")))
        certificate = lab_certificate(folder, names=[INTAKE_DOMAIN, "127.0.0.1"], now=datetime.now(UTC))
        ours_ends = stack.enter_context(_ends(folder / "ours", certificate))
        peer_ends = stack.enter_context(_ends(folder / "peer", certificate))
        http_port, smtp_port, peer_port = ends.free_ports(3)
        _say("Starting SEG Console and Postfix ...")
        data = folder / "data"
        ours = stack.enter_context(gateway.running(data, http_port=http_port, smtp_port=smtp_port))
        settings = _peer_settings(peer_ends, certificate, copies=True)
        peer = stack.enter_context(postfix.running(port=peer_port, settings=settings, services=_PEER_SERVICES))

        def our_round(*, copies: bool) -> report.Round:
            before = ours.usage()
            rate = _drain(load, smtp_port, ours_ends, copies=copies)
            after = ours.usage()
            used = {name: (after[name].cpu_s - before[name].cpu_s) * 1000 / load.messages for name in before}
            return report.Round(rate, used)

        def peer_round(*, copies: bool) -> report.Round:
            before = _postfix_cpu_s(peer)
            rate = _drain(load, peer_port, peer_ends, copies=copies)
            return report.Round(rate, {"postfix": (_postfix_cpu_s(peer) - before) * 1000 / load.messages})

        with gateway.PeakMemory(ours) as memory:
            ours.load(_configuration(ours_ends, certificate, copies=True))
            with_copies = _alternate(load.rounds, "delivered and copied", our_round, peer_round, copies=True)
        ours.load(_configuration(ours_ends, certificate, copies=False))
        peer.configure(_peer_settings(peer_ends, certificate, copies=False))
        peer.reload()
        without = _alternate(load.rounds, "delivered, not copied", our_round, peer_round, copies=False)
        return report.Figures(
            messages=load.messages,
            sessions=load.sessions,
            size=load.size,
            connections=MOST_CONNECTIONS,
            ours=with_copies[0],
            peer=with_copies[1],
            ours_without_copy=without[0],
            peer_without_copy=without[1],
            peaks=memory.peaks,
            matching_us=matching.cost_per_recipient_us(),
        )


def _alternate(
    rounds: int,
    title: str,
    ours: Callable[..., report.Round],
    peer: Callable[..., report.Round],
    *,
    copies: bool,
) -> tuple[list[report.Round], list[report.Round]]:
    found: tuple[list[report.Round], list[report.Round]] = ([], [])
    for number in range(1, rounds + 1):
        for index, (name, measure) in enumerate((("SEG Console", ours), ("Postfix", peer))):
            # What the round before left to write, and a new configuration, are not this round's.
            time.sleep(QUIET_S)
            found[index].append(measure(copies=copies))
            _say(f"  {title}, round {number}: {name} {found[index][-1].rate:.0f} messages/s")
    return found


def _drain(load: Load, port: int, where: Ends, *, copies: bool) -> float:
    """Send the load and wait until it has arrived at every end; messages per second. Raises PostfixError."""
    sinks = [where.mailbox, where.intake] if copies else [where.mailbox]
    goals = {sink: sink.received + load.messages for sink in sinks}
    command = [postfix.program("smtp-source"), "-s", str(load.sessions), "-m", str(load.messages)]
    command += ["-l", str(load.size), "-f", SENDER, "-t", RECIPIENT, f"127.0.0.1:{port}"]
    started = time.monotonic()
    source = subprocess.Popen(command)
    try:
        while any(sink.received < goal for sink, goal in goals.items()):
            if time.monotonic() - started > DRAIN_DEADLINE_S or source.poll() not in (None, 0):
                counts = ", ".join(f"{sink.received}/{goal}" for sink, goal in goals.items())
                raise postfix.PostfixError(f"The load did not arrive ({counts}).")
            time.sleep(0.01)
    finally:
        if source.poll() is None:
            source.terminate()
        source.wait()
    return load.messages / (max(sink.received_at for sink in sinks) - started)


@contextmanager
def _ends(folder: Path, certificate: LabCertificate) -> Iterator[Ends]:
    folder.mkdir()
    mailbox_port, intake_port, tunnel_port = ends.free_ports(3)
    with (
        ends.sink(mailbox_port) as mailbox,
        ends.sink(intake_port) as intake,
        ends.tunnel(folder, port=tunnel_port, to_port=intake_port, certificate=certificate.server),
    ):
        yield Ends(mailbox, intake, tunnel_port)


def _configuration(where: Ends, certificate: LabCertificate, *, copies: bool) -> Mapping[str, Any]:
    everybody = {"match": "any", "entries": []}
    others = [
        {
            "name": f"Department {number}",
            "members": [
                {
                    "senders": everybody,
                    "recipients": {
                        "match": "following",
                        "join": "any",
                        "entries": [f"user{entry}@part{number}.{MAILBOX_DOMAIN}" for entry in range(50)],
                        "except": [],
                    },
                }
            ],
            "threat_defense_connector": {"mode": "no_scan"},
        }
        for number in range(20)
    ]
    routes = {MAILBOX_DOMAIN: where.mailbox.port, INTAKE_DOMAIN: where.intake_port}
    return {
        "format": 1,
        "threat_defense_connector": {
            "enabled": True,
            "message_intake_address": INTAKE_ADDRESS,
            "verify_certificate": True,
            "ca_certificates": certificate.authority.read_text(),
        },
        "incoming_mail_policies": others,
        "default_policy": {"threat_defense_connector": {"mode": "default" if copies else "no_scan"}},
        "recipient_access": [{"recipient": MAILBOX_DOMAIN, "action": "accept"}],
        "destination_controls": [
            {"domain": domain, "max_connections": MOST_CONNECTIONS} for domain in (MAILBOX_DOMAIN, INTAKE_DOMAIN)
        ],
        "smtp_routes": [
            {"domain": domain, "hosts": [{"host": "127.0.0.1", "port": port, "priority": 0}]}
            for domain, port in routes.items()
        ],
    }


# A transport of its own for the intake: TLS demanded there, none tried at the mailbox.
_PEER_SERVICES = [
    "intake    unix  - - n -    100 smtp -o smtp_tls_security_level=secure "
    f"-o smtp_tls_secure_cert_match={INTAKE_DOMAIN}"
]


def _peer_settings(where: Ends, certificate: LabCertificate, *, copies: bool) -> Mapping[str, str]:
    routes = {
        MAILBOX_DOMAIN: f"smtp:[127.0.0.1]:{where.mailbox.port}",
        INTAKE_DOMAIN: f"intake:[127.0.0.1]:{where.intake_port}",
    }
    return {
        "always_bcc": INTAKE_ADDRESS if copies else "",
        "transport_maps": "inline:{" + ", ".join(f"{domain}={route}" for domain, route in routes.items()) + "}",
        # As quick as it goes: no brake on intake, full concurrency from the start.
        "in_flow_delay": "0",
        "initial_destination_concurrency": str(MOST_CONNECTIONS),
        "default_destination_concurrency_limit": str(MOST_CONNECTIONS),
        "smtp_tls_CAfile": str(certificate.authority),
        # Sessions are resumed. Sharing TLS connections between its clients is no choice: Debian 12's tlsproxy crashes.
        "smtp_tls_session_cache_database": "btree:${data_directory}/smtp_scache",
    }


def _postfix_cpu_s(instance: postfix.Postfix) -> float:
    """Processor seconds of the master, its children, and those that have ended."""
    master = psutil.Process(instance.master_pid())
    total = 0.0
    for process in [master, *master.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
