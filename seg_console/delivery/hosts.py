"""What is known of each destination's hosts: up or down, when to probe, and the counters of Delivery Status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F

from seg_console.delivery.kinds import Destination, kind
from seg_console.delivery.models import HostStatus

_UPDATED = [
    "status",
    "delivered",
    "soft_bounced",
    "dns_hard_bounced",
    "reply_hard_bounced",
    "filter_hard_bounced",
    "expired_hard_bounced",
    "other_hard_bounced",
    "unconfirmed",
    "deleted",
    "active_at",
    "last_attempt_at",
    "next_probe_at",
    "probe_wait_s",
    "last_5xx_at",
    "last_5xx_text",
    "last_tls_at",
    "last_tls_text",
]


@dataclass(frozen=True, slots=True)
class News:
    """A connection showed whether the host is up. `rests`: being down, it is left alone until the next probe."""

    destination: Destination
    up: bool
    at: datetime
    rests: bool = True


@dataclass(slots=True)
class Tally:
    """What a batch adds to one destination's counters; `attempted` whether a connection or lookup was tried."""

    counts: dict[str, int] = field(default_factory=dict)
    attempted: bool = False
    last_5xx: str = ""
    last_tls: str = ""

    def add(self, counter: str, count: int = 1) -> None:
        self.counts[counter] = self.counts.get(counter, 0) + count


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether a destination may be tried now, and whether only by a probe."""

    allowed: bool
    probe: bool


def ensure(destinations: Iterable[Destination]) -> None:
    """Give destinations their rows."""
    HostStatus.objects.bulk_create(
        [
            HostStatus(kind=each.kind, domain=each.domain, destination=kind(each.kind).shown_as(each.domain))
            for each in sorted(set(destinations))
        ],
        ignore_conflicts=True,
    )


def open_destination(destination: Destination, *, now: datetime) -> Opening:
    """Ask to work on a destination. Of several workers only one gets to probe a host that is down.

    The probe is booked before it is made: the next one lies ahead whatever becomes of this one.
    """
    host = HostStatus.objects.filter(kind=destination.kind, domain=destination.domain).first()
    if host is None:
        ensure([destination])
        return Opening(allowed=True, probe=False)
    if host.status != HostStatus.Status.DOWN or host.next_probe_at is None:
        return Opening(allowed=True, probe=False)
    if host.next_probe_at > now:
        return Opening(allowed=False, probe=False)
    booked = HostStatus.objects.filter(
        pk=host.pk, status=HostStatus.Status.DOWN, next_probe_at=host.next_probe_at
    ).update(next_probe_at=now + timedelta(seconds=max(host.probe_wait_s, 1)))
    return Opening(allowed=booked == 1, probe=True)


def resting(now: datetime) -> set[Destination]:
    """Destinations that are down and not to be probed yet."""
    rows = HostStatus.objects.filter(status=HostStatus.Status.DOWN, next_probe_at__gt=now)
    return {Destination(*pair) for pair in rows.values_list("kind", "domain")}


def try_now(destinations: Iterable[Destination]) -> None:
    """Let hosts that are down be probed at once."""
    domains: dict[str, list[str]] = {}
    for kind_name, domain in destinations:
        domains.setdefault(kind_name, []).append(domain)
    for kind_name, names in sorted(domains.items()):
        # A time long past: the booking in open_destination compares it, so it must not be null.
        HostStatus.objects.filter(
            kind=kind_name, domain__in=names, status=HostStatus.Status.DOWN, next_probe_at__isnull=False
        ).update(next_probe_at=datetime.fromtimestamp(0).astimezone())


def update(tallies: Mapping[Destination, Tally], news: Iterable[News], *, now: datetime) -> None:
    """Add counters and note health, in two queries however many destinations there are.

    The rows are locked in a fixed order, so that two workers with the same destinations do not wait in a circle.
    Call inside the settling transaction, last.
    """
    latest = {each.destination: each for each in news}
    if not latest and len(tallies) == 1 and _add_plainly(*next(iter(tallies.items())), now):
        return
    touched = sorted(set(tallies) | set(latest))
    if not touched:
        return
    found = _locked(touched)
    missing = [each for each in touched if each not in found]
    if missing:
        ensure(missing)
        found = _locked(touched)
    for destination, host in found.items():
        _count(host, tallies.get(destination, Tally()), now)
        if destination in latest:
            _note_health(host, latest[destination])
    HostStatus.objects.bulk_create(
        found.values(), update_conflicts=True, unique_fields=["kind", "domain"], update_fields=_UPDATED
    )


def _add_plainly(destination: Destination, tally: Tally, now: datetime) -> bool:
    """The common case in one query: a single destination, counts alone. False if it is more than that."""
    if tally.last_5xx or tally.last_tls or not tally.attempted:
        return False
    added = {counter: F(counter) + count for counter, count in tally.counts.items()}
    rows = HostStatus.objects.filter(kind=destination.kind, domain=destination.domain)
    return rows.update(**added, active_at=now, last_attempt_at=now) == 1


def _locked(destinations: list[Destination]) -> dict[Destination, HostStatus]:
    wanted = set(destinations)
    # By domain alone there is at most a row per kind too many.
    rows = HostStatus.objects.filter(domain__in={each.domain for each in wanted})
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    by_name = {Destination(host.kind, host.domain): host for host in rows.order_by("kind", "domain")}
    return {destination: host for destination, host in by_name.items() if destination in wanted}


def _count(host: HostStatus, tally: Tally, now: datetime) -> None:
    for counter, count in tally.counts.items():
        setattr(host, counter, getattr(host, counter) + count)
    if tally.counts:
        host.active_at = now
    if tally.attempted:
        host.last_attempt_at = now
    if tally.last_5xx:
        host.last_5xx_at, host.last_5xx_text = now, tally.last_5xx
    if tally.last_tls:
        host.last_tls_at, host.last_tls_text = now, tally.last_tls


def _note_health(host: HostStatus, news: News) -> None:
    host.active_at = host.last_attempt_at = news.at
    if news.up:
        host.status, host.next_probe_at, host.probe_wait_s = HostStatus.Status.UP, None, 0
        return
    first, longest = kind(host.kind).probe_wait_s
    host.status = HostStatus.Status.DOWN
    host.probe_wait_s = min(max(host.probe_wait_s * 2, first), longest) if news.rests else 0
    host.next_probe_at = news.at + timedelta(seconds=host.probe_wait_s) if news.rests else None
