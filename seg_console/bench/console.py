"""How long the console takes with a large configuration: 200 policies of 50 entries and 40,000 routes.

Starts a system of its own, loads that configuration, and asks for pages over HTTP as a browser does. Changes one
recipient access row in the browser's way, commits, and waits until the listener honours it. Processor time is told
beside the time on the clock, because that one depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import signal
import smtplib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

from seg_console.bench import ends, gateway, report

ROUTES = 40_000
POLICIES = 200
ENTRIES = 50
ROUNDS = 5
DOMAIN = "new.bench.example"
PAGE_MS, COMMIT_MS, LIVE_MS = 200, 3_000, 1_000
LIVE_DEADLINE_S = 30.0
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-console.md"
UNCOMMITTED = "/uncommitted-changes/"
ROUTE = {
    "domain": "extra.bench.example",
    "host-TOTAL_FORMS": "1",
    "host-INITIAL_FORMS": "0",
    "host-0-priority": "0",
    "host-0-host": "127.0.0.1",
    "host-0-port": "25",
}
# `UID`: of the first object that the page above it links to.
UID = "UID"
PAGES = (
    "/monitor/overview/",
    "/monitor/delivery-status/",
    "/monitor/message-tracking/",
    "/mail-policies/incoming/",
    "/mail-policies/incoming/?address=user7@part150.bench.example&side=recipient",
    f"/mail-policies/incoming/{UID}/",
    f"/mail-policies/incoming/{UID}/copy/",
    f"/mail-policies/incoming/{UID}/threat-defense-connector/",
    "/mail-policies/incoming/add/",
    "/mail-policies/incoming/order/",
    "/mail-policies/incoming/threat-defense-connector/",
    "/mail-policies/incoming/explain/",
    "/mail-policies/settings/",
    "/mail-policies/address-lists/",
    "/mail-policies/host-access/",
    "/mail-policies/recipient-access/",
    f"/mail-policies/recipient-access/{UID}/",
    "/mail-policies/destination-controls/",
    "/security-services/overview/",
    "/security-services/threat-defense-connector/",
    "/security-services/threat-defense-connector/edit/",
    "/security-services/threat-defense-connector/test/",
    "/network/smtp-routes/",
    "/network/smtp-routes/?find=d39",
    f"/network/smtp-routes/{UID}/",
    "/network/smtp-routes/add/",
    "/network/bounce-profiles/",
    "/network/dns/",
    "/network/listeners/",
    "/network/certificates/",
    "/system-administration/trace/",
    "/system-administration/configuration-file/",
    "/system-administration/configuration-history/",
    "/system-administration/audit-log/",
    "/system-administration/users/",
)


class Browser:
    """A signed-in session over HTTP."""

    def __init__(self, port: int, passphrase: str) -> None:
        self._root = f"http://127.0.0.1:{port}"
        self._opener: OpenerDirector = build_opener(HTTPCookieProcessor(CookieJar()))
        self.send("/sign-in/", {"username": "admin", "password": passphrase})

    def get(self, path: str) -> str:
        with self._opener.open(self._root + path) as response:
            return str(response.read().decode())

    def send(self, path: str, values: Mapping[str, str]) -> str:
        """Fill in the form that stands at `path` and send it; returns the page that follows."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(path))
        if token is None:
            raise gateway.GatewayError(f"There is no form at {path}.")
        data = urlencode({**values, "csrfmiddlewaretoken": token[1]}).encode()
        action = "commit/" if path == UNCOMMITTED else ""
        with self._opener.open(self._root + path + action, data) as response:
            return str(response.read().decode())


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the console with a large configuration.")
    parser.add_argument("--save", action="store_true", help="write the result to docs/benchmarks-console.md")
    arguments = parser.parse_args()
    # A terminated benchmark takes its servers with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    found = []
    try:
        for figure in _measure():
            found.append(figure)
            _say(figure.line())
    except gateway.GatewayError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _say("\n" + report.machine(with_peer=False))
    if arguments.save:
        PAGE.write_text(_page(found))
        _say(f"\nWritten to {PAGE}.")
    return 0


@dataclass(frozen=True, slots=True)
class Figure:
    """How long something took: on the clock, and of the processors by all processes of the system. `goal`: most ms on
    the clock, 0 where there is none."""

    what: str
    took_ms: float
    cpu_ms: float
    goal: int = 0

    def line(self) -> str:
        beside = f"  (goal {self.goal:,} ms)" if self.goal else ""
        return f"{self.took_ms:8,.0f} ms, processor {self.cpu_ms:8,.0f} ms  {self.what}{beside}"

    def row(self) -> str:
        return f"| {self.what} | {self.took_ms:,.0f} | {self.cpu_ms:,.0f} | {f'{self.goal:,}' if self.goal else ''} |"


def _measure() -> Iterator[Figure]:
    """Raises GatewayError."""
    passphrase = secrets.token_urlsafe(16)
    http_port, smtp_port = ends.free_ports(2)
    with (
        tempfile.TemporaryDirectory(prefix="seg-bench-") as folder,
        gateway.running(Path(folder), http_port=http_port, smtp_port=smtp_port, passphrase=passphrase) as system,
    ):

        def timed(what: str, act: Callable[[], object], *, goal: int = 0, rounds: int = 1) -> Figure:
            """The quickest round on the clock, and the mean of the processors."""
            before, took = _cpu_ms(system), []
            for _ in range(rounds):
                started = time.perf_counter()
                act()
                took.append((time.perf_counter() - started) * 1_000)
            return Figure(what, min(took), (_cpu_ms(system) - before) / rounds, goal)

        yield timed("Load and commit all of it with `loadconfig`", lambda: system.load(configuration()))
        browser = Browser(http_port, passphrase)
        for path in _addresses(browser):
            browser.get(path)
            shown = re.sub(r"[0-9a-f-]{36}", UID, path)
            yield timed(f"`{shown}`", partial(browser.get, path), goal=PAGE_MS, rounds=ROUNDS)
        yield timed("Ask which policy takes a message", lambda: _explain(browser, 1), goal=PAGE_MS, rounds=ROUNDS)
        yield timed("Ask it for 50 recipients", lambda: _explain(browser, 50), rounds=ROUNDS)
        row = {"order": "1", "recipient": DOMAIN, "action": "accept"}
        yield timed("Submit one recipient", lambda: browser.send("/mail-policies/recipient-access/add/", row))
        yield timed("Review it", lambda: browser.get(UNCOMMITTED), goal=PAGE_MS, rounds=ROUNDS)
        yield timed("Commit it", lambda: browser.send(UNCOMMITTED, {"comment": "benchmark"}), goal=COMMIT_MS)
        yield timed("Until the listener takes mail for it", lambda: _until_live(smtp_port), goal=LIVE_MS)
        yield timed("Submit one route", lambda: browser.send("/network/smtp-routes/add/", ROUTE))
        yield timed("Review it", lambda: browser.get(UNCOMMITTED), goal=PAGE_MS, rounds=ROUNDS)
        yield timed("Commit it", lambda: browser.send(UNCOMMITTED, {"comment": "benchmark"}), goal=COMMIT_MS)


def _addresses(browser: Browser) -> Iterator[str]:
    """`PAGES` with a real object's in place of `UID`. Raises GatewayError where the list links to none."""
    for path in PAGES:
        above, needs_uid, below = path.partition(UID)
        linked = re.search(f'href="{above}([0-9a-f-]{{36}})/', browser.get(above)) if needs_uid else None
        if needs_uid and linked is None:
            raise gateway.GatewayError(f"{above} links to no object.")
        yield f"{above}{linked[1]}{below}" if linked else path


def _explain(browser: Browser, recipients: int) -> str:
    """The last policies take the recipients, so that all before are named with their reasons."""
    last = range(POLICIES - recipients, POLICIES)
    message = {
        "envelope_sender": "carla@supplier.example",
        "recipients": "\n".join(f"user7@part{number}.bench.example" for number in last),
    }
    return browser.send("/mail-policies/incoming/explain/", message)


def _cpu_ms(system: gateway.Gateway) -> float:
    """Of the processes that run, and of commands that have ended."""
    ended = os.times()
    return (sum(usage.cpu_s for usage in system.usage().values()) + ended.children_user + ended.children_system) * 1_000


def configuration() -> dict[str, Any]:
    """A document with as much in it as the goals speak of."""
    everybody = {"match": "any", "entries": []}
    policies = [
        {
            "name": f"Department {number}",
            "members": [
                {
                    "senders": everybody,
                    "recipients": {
                        "match": "following",
                        "join": "any",
                        "entries": [f"user{entry}@part{number}.bench.example" for entry in range(ENTRIES)],
                        "except": [],
                    },
                }
            ],
            "threat_defense_connector": {"mode": "no_scan"},
        }
        for number in range(POLICIES)
    ]
    routes = [
        {"domain": f"d{number}.bench.example", "hosts": [{"host": f"10.1.{number % 250}.9", "port": 25}]}
        for number in range(ROUTES - 1)
    ]
    return {
        "format": 1,
        "incoming_mail_policies": policies,
        "recipient_access": [{"recipient": "corp.bench.example", "action": "accept"}],
        "smtp_routes": routes,
    }


def _until_live(port: int) -> None:
    deadline = time.monotonic() + LIVE_DEADLINE_S
    while time.monotonic() < deadline:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="client.bench.example") as client:
            client.helo()
            client.mail("carla@supplier.example")
            if client.rcpt(f"anna@{DOMAIN}")[0] == 250:
                return
    raise gateway.GatewayError(f"The listener did not take mail for {DOMAIN} within {LIVE_DEADLINE_S:.0f} s.")


def _page(figures: list[Figure]) -> str:
    """The page for docs/benchmarks-console.md."""
    rows = "\n".join(figure.row() for figure in figures)
    return f"""# The console with a large configuration

`make bench-console SAVE=1` writes this page: {POLICIES} policies of {ENTRIES} entries and {ROUTES:,} SMTP Routes,
pages asked for over HTTP as a browser does. Of a page the quickest of {ROUNDS} rounds counts. Processor time is that of
all processes of the system, on average of the rounds; the rest of the time on the clock was waiting for a processor, so
it grows with whatever else the machine does.

| | Clock, ms | Processor, ms | Goal, ms |
| --- | ---: | ---: | ---: |
{rows}

{report.machine(with_peer=False)}
"""


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
