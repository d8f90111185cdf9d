"""How many connections a destination gets: the growth rule as a pure function (TDC reference 7.1 and 7.3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """`least` connections while anything is queued, `most` at once, and messages sent before one is closed."""

    least: int
    most: int
    messages_per_connection: int


@dataclass(frozen=True, slots=True)
class Load:
    """One destination's present work: messages waiting for a connection, messages in a transaction, connections."""

    waiting: int
    in_flight: int
    open: int  # connections that are dialling, busy or idle
    idle: int  # of these, connected and without a message
    dialling: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Connections to open now and idle ones to close now."""

    open: int = 0
    close: int = 0


def target(load: Load, limits: Limits) -> int:
    """The number of connections that the queue's length alone asks for."""
    if not load.waiting and not load.in_flight:
        return 0
    by_length = -(-load.waiting // limits.messages_per_connection)
    return min(max(limits.least, by_length), limits.most)


def plan(load: Load, limits: Limits) -> Plan:
    """Open up to the target, one more while every connection is busy and work waits; close what is not needed.

    Idle connections up to the target stay open, used or not, until the queue is empty.
    """
    wanted = target(load, limits)
    if load.waiting and not load.idle and not load.dialling and load.open < limits.most:
        wanted = max(wanted, load.open + 1)
    if wanted > load.open:
        return Plan(open=wanted - load.open)
    surplus = load.open - wanted
    return Plan(close=min(surplus, max(load.idle - load.waiting, 0)))
