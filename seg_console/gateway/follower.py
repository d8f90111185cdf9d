"""Keeps a listener process where the running configuration says: it opens the new socket, then gives up the old one.

What cannot be had is tried again, mail comes in where it came in before, and whoever looks is told why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from seg_console.gateway import whereabouts
from seg_console.gateway.place import Orders, Place, Reason, Trouble, sentence, trouble_of
from seg_console.gateway.transport import SmtpServer
from seg_console.gateway.whereabouts import Whereabouts

logger = logging.getLogger(__name__)


class CannotListen(Exception):
    """No address that it might listen on can be had. `troubles` says why, for each that was tried."""

    def __init__(self, *troubles: Trouble) -> None:
        super().__init__("; ".join(f"{each.committed}: {sentence(each)}" for each in troubles))
        self.troubles = troubles


class Follower:
    """`committed` gives what the running configuration says, without asking anybody, `health_checks` how many there
    were; `now` the time with its zone.

    Everything here runs in the loop's thread; Redis is spoken to in another.
    """

    def __init__(
        self,
        server: SmtpServer,
        orders: Orders,
        *,
        committed: Callable[[], Place],
        health_checks: Callable[[], int],
        now: Callable[[], datetime],
    ) -> None:
        self._server = server
        self._orders = orders
        self._committed = committed
        self._health_checks = health_checks
        self._now = now
        self._name = whereabouts.this_process()
        self._asked_for = orders.fallback
        self._trouble: Trouble | None = None
        self._woken = asyncio.Event()

    @property
    def place(self) -> Place:
        """Where it listens; the port is the real one where 0 was asked for."""
        return Place(self._asked_for.host, self._server.port)

    async def open(self) -> None:
        """Begin to listen: where the configuration says, else where it would be without it, since mail that comes in at
        another place is better than none. Raises CannotListen."""
        wanted, fallback = self._orders.on(self._committed()), self._orders.fallback
        refused = await self._try(wanted)
        if refused and wanted != fallback:
            second = await self._try(fallback)
            if second:
                raise CannotListen(refused, second)
        elif refused:
            raise CannotListen(refused)
        self._note(refused or self._overruled())

    def wake(self) -> None:
        """Look now: the configuration has changed, or it is time to stop."""
        self._woken.set()

    async def follow(self, stop: asyncio.Event) -> None:
        """Go where each commit says until `stop` is set; then wake it. Whatever goes wrong, it goes on."""
        while not stop.is_set():
            try:
                await self.look()
            except Exception:
                logger.exception("could not follow the configuration", extra={"action": "listener_follow_failed"})
            with suppress(TimeoutError):
                async with asyncio.timeout(whereabouts.TELL_EVERY.total_seconds()):
                    await self._woken.wait()
            self._woken.clear()
        await asyncio.to_thread(whereabouts.leave, self._name)

    async def look(self) -> None:
        """Move if need be, and say where it is."""
        wanted, before = self._orders.on(self._committed()), self.place
        refused = None
        if wanted != self._asked_for:
            refused = await self._try(wanted)
            if refused is None:
                logger.info("listening on %s, no longer on %s", self.place, before)
        self._note(refused or self._overruled())
        said = Whereabouts(self._now(), self.place, self._trouble, self._health_checks())
        await asyncio.to_thread(whereabouts.tell, self._name, said)

    async def _try(self, place: Place) -> Trouble | None:
        try:
            # Several processes may listen there: the kernel deals out the connections.
            await self._server.listen(place.host, place.port, reuse_port=True)
        except OSError as error:
            return trouble_of(place, error)
        self._asked_for = place
        return None

    def _overruled(self) -> Trouble | None:
        committed = self._committed()
        return None if committed == self._orders.on(committed) else Trouble(committed, Reason.ORDERED)

    def _note(self, trouble: Trouble | None) -> None:
        """Log it once, however often it is met."""
        if trouble and trouble != self._trouble and trouble.reason is not Reason.ORDERED:
            logger.warning(
                "cannot listen on %s as committed, goes on at %s: %s",
                trouble.committed,
                self.place,
                sentence(trouble),
                extra={"action": "listener_place_refused"},
            )
        self._trouble = trouble
