"""The benchmark's figures as text, with a description of the machine they were taken on."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seg_console import VERSION
from seg_console.bench import matching
from seg_console.bench.postfix import program


@dataclass(frozen=True, slots=True)
class Round:
    """One load, drained: messages per second, and processor seconds per 1,000 messages by process."""

    rate: float
    cpu_s: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything measured: `peaks` in octets, `matching_us` as `matching.cost_per_recipient_us` gives it."""

    messages: int
    sessions: int
    size: int
    connections: int
    ours: Sequence[Round]
    peer: Sequence[Round]
    ours_without_copy: Sequence[Round]
    peer_without_copy: Sequence[Round]
    peaks: Mapping[str, int]
    matching_us: tuple[float, float]


def rate(rounds: Sequence[Round]) -> float:
    """The median of the rounds' rates."""
    return statistics.median(each.rate for each in rounds)


def text(figures: Figures) -> str:
    """All figures as Markdown, which reads well enough on a terminal too."""
    return "\n".join([*_rates(figures), "", *_cost(figures), "", *_matching(figures)])


def _rates(figures: Figures) -> list[str]:
    ours, peer = rate(figures.ours), rate(figures.peer)
    ours_alone, peer_alone = rate(figures.ours_without_copy), rate(figures.peer_without_copy)
    return [
        "| Messages a second, until all are drained | SEG Console | Postfix | Ratio |",
        "| --- | ---: | ---: | ---: |",
        f"| delivered and copied | {ours:.0f} | {peer:.0f} | {ours / peer:.2f} |",
        f"| delivered, not copied | {ours_alone:.0f} | {peer_alone:.0f} | {ours_alone / peer_alone:.2f} |",
        "",
        f"Each figure is the median of the rounds. With copies, SEG Console: {_each(figures.ours)}; "
        f"Postfix: {_each(figures.peer)}.",
    ]


def _each(rounds: Sequence[Round]) -> str:
    return ", ".join(f"{each.rate:.0f}" for each in rounds)


def _cost(figures: Figures) -> list[str]:
    names = sorted(figures.peaks)
    lines = [f"| {name} | {_cpu(figures.ours, name):.2f} | {figures.peaks[name] / 2**20:.0f} |" for name in names]
    total = sum(_cpu(figures.ours, name) for name in names)
    return [
        "| Process | CPU seconds per 1,000 messages | Peak memory, MiB |",
        "| --- | ---: | ---: |",
        *lines,
        f"| all of ours | {total:.2f} | |",
        f"| Postfix, all | {_cpu(figures.peer, 'postfix'):.2f} | |",
        "",
        "Delivered and copied; memory is resident, with pages that a process shares with its children in each of them.",
    ]


def _cpu(rounds: Sequence[Round], name: str) -> float:
    return statistics.median(each.cpu_s.get(name, 0.0) for each in rounds)


def _matching(figures: Figures) -> list[str]:
    last, none = figures.matching_us
    return [
        f"Finding a recipient's policy among {matching.POLICIES} policies of {matching.ENTRIES} entries: "
        f"{last:.1f} µs where the last one takes it, {none:.1f} µs where none does."
    ]


def page(figures: Figures) -> str:
    """The whole of docs/benchmarks.md."""
    return f"""# Benchmarks

`make bench` sends the same load to SEG Console and to a private Postfix, in alternation, and waits until both ends
have received everything; `make bench SAVE=1` writes this page.

- Load: {figures.messages:,} messages of {figures.size:,} octets per round, one recipient each, over {figures.sessions}
  sessions (`smtp-source`).
- SEG Console: `manage.py up` as it comes, with tracking, mail log and 20 policies of 50 entries before the one that
  decides; SQLite with synchronous=FULL. Every message is journaled to the intake.
- Postfix: `always_bcc` makes the copy; full concurrency from the start, connections cached, TLS sessions resumed; its
  queue is on the same disk. (Its TLS connections carry one message each: the option to share them crashes in the
  Postfix measured here.)
- Both: the mailbox is a `smtp-sink` over plain SMTP; the intake is another behind stunnel's STARTTLS, its certificate
  checked. stunnel waits 200 ms before each greeting, to see who speaks first, which stands in for a distant intake: it
  rewards connections that carry more than one message. Either system may open {figures.connections} connections to
  each end.
- All ends share the machine with the system that is measured.
- A rate is messages divided by the time from the first connection to the last delivery or copy.

## Results

{text(figures)}

## Machine

{machine()}
"""


def with_section(page: str, heading: str, text: str) -> str:
    """The page with this text under the heading, in place of what stood there, or before the machine."""
    section = f"## {heading}\n\n{text}\n\n"
    before, found, rest = page.partition(f"## {heading}\n")
    if found:
        _old, following, behind = rest.partition("\n## ")
        return before + section + following.lstrip("\n") + behind
    before, machine_heading, behind = page.partition("## Machine\n")
    return before + section + machine_heading + behind


def machine(*, with_peer: bool = True) -> str:
    """Processor, memory and versions, as a list; `with_peer`: Postfix is on it and took part."""
    peer = f"Postfix {_postfix_version()}, " if with_peer else ""
    lines = [
        f"{os.cpu_count()} cores, {_processor()}, {_memory_gib():.0f} GiB memory",
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {peer}SEG Console {VERSION}",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _postfix_version() -> str:
    done = subprocess.run(
        [program("postconf"), "-dh", "mail_version"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return done.stdout.strip()
