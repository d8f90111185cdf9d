"""Delivery Status's questions (seg-webui 5, asyncos-cli 4), answered from rows and the live gauge of connections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, Count, IntegerField, Min, Q, Sum, Value, When
from django.db.models.functions import Coalesce

from seg_console.delivery import kinds, slots, states
from seg_console.delivery.kinds import Destination
from seg_console.delivery.models import Delivery, HostStatus

# A destination without mail is listed for this long after something last happened there (seg-webui 5.1).
LISTED_FOR = timedelta(hours=3)

_OPEN = Q(state__in=sorted(states.OPEN))
_HELD = Q(state=states.State.HELD)


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """One row: gauges (active, connections) and counters since the destination was first seen.

    `status` is what the last attempt found, over all the domains that the destination stands for; `unconfirmed` are
    those of the hard bounced that may have arrived.
    """

    destination: str
    status: HostStatus.Status
    active_recipients: int
    connections_out: int
    delivered_recipients: int
    soft_bounced_events: int
    hard_bounced_recipients: int
    unconfirmed_recipients: int
    held_messages: int = 0

    @property
    def is_down(self) -> bool:
        return self.status == HostStatus.Status.DOWN


@dataclass(frozen=True, slots=True)
class HeldMessages:
    """How many messages of one destination are held for the same reason."""

    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class DestinationDetails:
    """Everything about one destination. `hosts`: its rows, one for each domain that is looked up under this name;
    `held`: the commonest reason first."""

    row: DestinationStatus
    hosts: tuple[HostStatus, ...]
    unattempted_recipients: int
    oldest_at: datetime | None  # when the oldest waiting message was queued
    held: tuple[HeldMessages, ...] = ()

    @property
    def attempted_recipients(self) -> int:
        return self.row.active_recipients - self.unattempted_recipients

    @property
    def pairs(self) -> tuple[Destination, ...]:
        return tuple(Destination(host.kind, host.domain) for host in self.hosts)

    def total(self, counter: str) -> int:
        """A counter of HostStatus, added up over the domains."""
        return sum(int(getattr(host, counter)) for host in self.hosts)

    @property
    def last_activity_at(self) -> datetime | None:
        return max((host.active_at for host in self.hosts if host.active_at), default=None)

    @property
    def last_5xx(self) -> HostStatus | None:
        """The row with the newest 5XX error."""
        return max((host for host in self.hosts if host.last_5xx_at), key=_by_5xx, default=None)

    @property
    def last_tls(self) -> HostStatus | None:
        """The row with the newest TLS error."""
        return max((host for host in self.hosts if host.last_tls_at), key=_by_tls, default=None)


@dataclass(frozen=True, slots=True)
class QueueTotals:
    """Recipients of originals, and copies, that wait or are being delivered."""

    originals: int
    copies: int


def destinations(now: datetime) -> list[DestinationStatus]:
    """Every destination with mail waiting or with activity in the last three hours, and the connector's always. Three
    queries."""
    active, held = _active(), _held()
    recently = Q(active_at__gte=now - LISTED_FOR) | Q(destination__in=active)
    by_name: dict[str, list[HostStatus]] = defaultdict(list)
    for host in HostStatus.objects.filter(recently | Q(destination__in=_always_listed())):
        by_name[host.destination].append(host)
    listed = {*by_name, *active, *_always_listed()}
    connections = _connections(host for hosts in by_name.values() for host in hosts)
    return [
        _row(name, by_name.get(name, ()), active.get(name, 0), held.get(name, 0), connections)
        for name in sorted(listed)
    ]


def details(destination: str) -> DestinationDetails | None:
    """One destination, or None when nothing is known of that name. Three queries."""
    hosts = tuple(HostStatus.objects.filter(destination=destination).order_by("kind", "domain"))
    waiting = Delivery.objects.filter(_OPEN, destination=destination).aggregate(
        active=Coalesce(Sum("recipient_count"), 0),
        unattempted=Coalesce(Sum(Case(When(attempt=0, then="recipient_count"), default=Value(0))), 0),
        oldest=Min("enqueued_at"),
    )
    if not hosts and not waiting["active"] and destination not in _always_listed():
        return None
    held = _held_at(destination)
    return DestinationDetails(
        row=_row(destination, hosts, waiting["active"], sum(each.count for each in held), _connections(hosts)),
        hosts=hosts,
        unattempted_recipients=waiting["unattempted"],
        oldest_at=waiting["oldest"],
        held=held,
    )


def held_ids(destination: str) -> list[int]:
    """The deliveries of a destination that are held."""
    return list(Delivery.objects.filter(_HELD, destination=destination).order_by("pk").values_list("pk", flat=True))


def queue_totals() -> QueueTotals:
    """How much waits, in one query."""
    copying = [kind.name for kind in kinds.kinds() if kind.connector]
    count = Case(When(kind__in=copying, then=Value(1)), default=Value(0), output_field=IntegerField())
    found = Delivery.objects.filter(_OPEN).aggregate(
        copies=Coalesce(Sum(count), 0),
        recipients=Coalesce(Sum(Case(When(kind__in=copying, then=Value(0)), default="recipient_count")), 0),
    )
    return QueueTotals(originals=found["recipients"], copies=found["copies"])


def _active() -> dict[str, int]:
    """Recipients waiting, by destination."""
    rows = Delivery.objects.filter(_OPEN).values("destination").order_by("destination")
    return dict(rows.annotate(active=Sum("recipient_count")).values_list("destination", "active"))


def _held() -> dict[str, int]:
    """Messages held, by destination."""
    rows = Delivery.objects.filter(_HELD).values("destination").order_by("destination")
    return dict(rows.annotate(count=Count("pk")).values_list("destination", "count"))


def _held_at(destination: str) -> tuple[HeldMessages, ...]:
    rows = Delivery.objects.filter(_HELD, destination=destination).values("last_text").annotate(count=Count("pk"))
    found = rows.order_by("-count", "last_text").values_list("last_text", "count")
    return tuple(HeldMessages(reason, count) for reason, count in found)


def _always_listed() -> set[str]:
    """The queues that are ours and not a domain's: shown at zero too (asyncos-cli 4.1)."""
    return {kind.shown_as("") for kind in kinds.kinds() if kind.connector}


def _connections(hosts: Iterable[HostStatus]) -> dict[Destination, int]:
    return slots.connections_out(Destination(host.kind, host.domain) for host in hosts)


def _row(
    name: str, hosts: Sequence[HostStatus], active: int, held: int, connections: dict[Destination, int]
) -> DestinationStatus:
    latest = max(hosts, key=_by_attempt, default=None)
    return DestinationStatus(
        destination=name,
        status=HostStatus.Status(latest.status) if latest else HostStatus.Status.UNKNOWN,
        active_recipients=active,
        connections_out=sum(connections.get(Destination(host.kind, host.domain), 0) for host in hosts),
        delivered_recipients=sum(host.delivered for host in hosts),
        soft_bounced_events=sum(host.soft_bounced for host in hosts),
        hard_bounced_recipients=sum(host.hard_bounced for host in hosts),
        unconfirmed_recipients=sum(host.unconfirmed for host in hosts),
        held_messages=held,
    )


def _by_attempt(host: HostStatus) -> tuple[float, bool]:
    """Of two attempts at the same moment the bad news counts."""
    at = host.last_attempt_at.timestamp() if host.last_attempt_at else 0.0
    return at, host.status == HostStatus.Status.DOWN


def _by_5xx(host: HostStatus) -> float:
    return host.last_5xx_at.timestamp() if host.last_5xx_at else 0.0


def _by_tls(host: HostStatus) -> float:
    return host.last_tls_at.timestamp() if host.last_tls_at else 0.0
