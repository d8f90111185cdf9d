"""The DNS servers as one: each is asked within one time-out for all, and whoever answers first is believed."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

# A server that stayed silent is asked last for so long.
SILENT_S: Final = 60.0


class No(StrEnum):
    """Why there are no records, in the words of the mail log's DNS lines."""

    NXDOMAIN = "NXDomain"
    NO_DATA = "NoData"
    TROUBLE = "ServFail"
    SILENCE = "Timeout"

    @property
    def is_final(self) -> bool:
        return self in {No.NXDOMAIN, No.NO_DATA}


@dataclass(frozen=True, slots=True)
class Records:
    """`ttl_s`: how long they may be kept."""

    records: tuple[object, ...]
    ttl_s: int


class Turns:
    """Which of `count` servers, known by their place in the settings, is asked first.

    Times are seconds of one clock that never goes back.
    """

    def __init__(self, count: int) -> None:
        self._last_until = [0.0] * count
        self._answered_at = [float("-inf")] * count

    def order(self, now: float, *, trial_s: float) -> list[int]:
        """As in the settings, silent ones last.

        One whose time is over is back in its place for this look-up alone until `trial_s` later: if it is silent
        still, others do not wait for it as well.
        """
        order = sorted(range(len(self._last_until)), key=lambda server: self._last_until[server] > now)
        for server in order:
            if 0 < self._last_until[server] <= now:
                self._last_until[server] = now + trial_s
        return order

    def answered(self, server: int, now: float) -> None:
        self._answered_at[server] = now
        self._last_until[server] = 0.0

    def was_silent(self, server: int, now: float, *, asked_at: float) -> None:
        """Unless it answered others meanwhile: then it is the one name that takes long."""
        if self._answered_at[server] < asked_at:
            self._last_until[server] = now + SILENT_S


class NameServers:
    """`servers`: none for those of the system. `timeout_s` is for a whole look-up, however many there are."""

    def __init__(self, servers: Sequence[dns.nameserver.Nameserver], *, timeout_s: float) -> None:
        self._given = tuple(servers)
        self._timeout_s = timeout_s
        self._resolvers: list[dns.asyncresolver.Resolver] = []
        self._turns = Turns(0)

    async def ask(self, name: dns.name.Name, record: str) -> Records | No:
        """Raises nothing: whatever goes wrong is a reason.

        The next server is asked as soon as the last one fails or its share of the time is over, and those before it
        may still answer.
        """
        try:
            servers = self._known()
        except (dns.exception.DNSException, OSError):
            return No.TROUBLE
        since = time.monotonic()
        share_s = self._timeout_s / max(len(servers), 1)
        order = self._turns.order(since, trial_s=share_s)
        asked: set[asyncio.Task[Records | No]] = set()
        troubled = False
        try:
            for server in order:
                asked_at = time.monotonic()
                whole = since + self._timeout_s
                newest = asyncio.create_task(self._ask_one(server, name, record, lifetime_s=whole - asked_at))
                asked.add(newest)
                until = whole if server == order[-1] else asked_at + share_s
                replies = await _replies(asked, newest, until, to_the_last=server == order[-1])
                for reply in replies:
                    if isinstance(reply, Records) or reply.is_final:
                        return reply
                troubled = troubled or No.TROUBLE in replies
                if not newest.done() or newest.result() is No.SILENCE:
                    self._turns.was_silent(server, time.monotonic(), asked_at=asked_at)
        finally:
            for task in asked:
                # Never waited for: on Python 3.11 the library may lose a cancel. It then ends by its own time-out.
                task.cancel()
        return No.TROUBLE if troubled or not order else No.SILENCE

    async def _ask_one(self, server: int, name: dns.name.Name, record: str, *, lifetime_s: float) -> Records | No:
        reply = await _resolve(self._resolvers[server], name, record, lifetime_s)
        if reply is not No.SILENCE:
            self._turns.answered(server, time.monotonic())
        return reply

    def _known(self) -> list[dns.asyncresolver.Resolver]:
        """One resolver per server. Raises dns.resolver.NoResolverConfiguration, OSError."""
        if not self._resolvers:
            common = dns.asyncresolver.Resolver(configure=not self._given)
            # A lost datagram is sent again once.
            common.timeout = self._timeout_s / 2
            for server in self._given or common.nameservers:
                one = copy.copy(common)
                one.nameservers = [server]
                self._resolvers.append(one)
            self._turns = Turns(len(self._resolvers))
        return self._resolvers


async def _replies(
    asked: set[asyncio.Task[Records | No]],
    newest: asyncio.Task[Records | No],
    until: float,
    *,
    to_the_last: bool,
) -> list[Records | No]:
    """What the servers said until one knew, `until` came or the newest failed; `to_the_last`: until all failed.

    Removes from `asked` those that have ended.
    """
    replies: list[Records | No] = []
    while asked and (left_s := until - time.monotonic()) > 0:
        done, _ = await asyncio.wait(asked, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        asked -= done
        replies += [task.result() for task in done]
        if any(isinstance(reply, Records) or reply.is_final for reply in replies):
            break
        if newest in done and not to_the_last:
            break
    return replies


async def _resolve(
    resolver: dns.asyncresolver.Resolver, name: dns.name.Name, record: str, lifetime_s: float
) -> Records | No:
    try:
        answer = await resolver.resolve(name, record, search=False, lifetime=lifetime_s)
    except dns.resolver.NXDOMAIN:
        return No.NXDOMAIN
    except dns.resolver.NoAnswer:
        return No.NO_DATA
    except dns.exception.Timeout:
        return No.SILENCE
    except Exception:
        # A server may answer anything at all, and the parser may fail at it in any way: none may reach the mail.
        return No.TROUBLE
    return Records(tuple(answer), answer.rrset.ttl if answer.rrset else 0)
