"""What a soak shows: the gateway's rows held against the servers' ledgers. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

# A message that a server took so long before a worker was killed may not be written down as delivered yet: the slowest
# answer of a server, and the database's turn.
UNTOLD_S: Final = 10.0
# A copy that was given up, and may have arrived: its content was sent and its end never answered.
UNCONFIRMED: Final = "unconfirmed"
ENDED: Final = frozenset({"delivered", "bounced", "expired", UNCONFIRMED})


class Copy(NamedTuple):
    """One message on its way to one address."""

    number: int
    address: str


class Arrival(NamedTuple):
    """When a server took it, in seconds of the epoch."""

    copy: Copy
    at: float


@dataclass
class Verdict:
    """`doubled` counts by the kill that explains it; all others are faults."""

    delivered: int = 0
    given_up: int = 0
    lost: list[Copy] = field(default_factory=list)  # accepted, and no row
    unsettled: list[Copy] = field(default_factory=list)  # a row that never ended
    untrue: list[Copy] = field(default_factory=list)  # delivered by its row, and no server has it
    unexplained: list[Copy] = field(default_factory=list)  # taken more often than its row says, and no kill near
    doubled: Counter[float] = field(default_factory=Counter)

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.unsettled or self.untrue or self.unexplained)


def judge(
    accepted: Iterable[Copy],
    rows: Iterable[tuple[Copy, str]],
    arrivals: Iterable[Arrival],
    kills: Sequence[float],
) -> Verdict:
    """`accepted`: what the gateway said yes to, copies for intakes included; `rows` with their states; `kills`: when a
    worker was killed."""
    verdict = Verdict()
    states = dict(rows)
    taken: dict[Copy, list[float]] = defaultdict(list)
    for arrival in arrivals:
        taken[arrival.copy].append(arrival.at)
    for copy in accepted:
        state, times = states.get(copy), sorted(taken[copy])
        if state is None:
            verdict.lost.append(copy)
        elif state not in ENDED:
            verdict.unsettled.append(copy)
        elif state == "delivered" and not times:
            verdict.untrue.append(copy)
        else:
            verdict.delivered += state == "delivered"
            verdict.given_up += state != "delivered"
            # Every arrival but the one that the row knows of, or thinks possible.
            for at in times[:-1] if state in {"delivered", UNCONFIRMED} else times:
                _blame(verdict, copy, at, kills)
    return verdict


def _blame(verdict: Verdict, copy: Copy, at: float, kills: Sequence[float]) -> None:
    kill = next((kill for kill in kills if kill - UNTOLD_S <= at <= kill + 1), None)
    if kill is None:
        verdict.unexplained.append(copy)
    else:
        verdict.doubled[kill] += 1
