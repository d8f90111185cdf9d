"""One connection as deliveries make it, told step by step: for a person who wants to know why mail does not arrive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from aiosmtplib.errors import SMTPException, SMTPReadTimeoutError

from seg_console.delivery import cancelling
from seg_console.delivery.kinds import Terms, Timeouts
from seg_console.delivery.nexthop import LookupFailed, Resolver, Routes
from seg_console.delivery.outcome import Failure, Outcome, Stage
from seg_console.delivery.session import Address, ConnectionGone, DialError, Envelope, Point, Session, dial
from seg_console.delivery.tls import TlsMode

# A message's own life, for kinds whose waits end with it; nobody looks at a page for longer (TDC reference 6).
WHOLE_S: Final = 120.0
# Of a dial that only fetches the certificates that were refused.
LOOK_S: Final = 5.0


class Step(StrEnum):
    RESOLVE = "resolve"
    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    EHLO_AGAIN = "ehlo_again"
    MAIL = "mail"
    RCPT = "rcpt"
    COPY = "copy"
    QUIT = "quit"
    DISCARD = "discard"  # resolved, to an SMTP route that throws the mail away


@dataclass(frozen=True, slots=True)
class Told:
    """How one step ended; `text` is what was said or agreed on, in English. What DISCARD says, and that the time of a
    step `ran_out`, is not the server's but ours, and pages say it in the reader's language."""

    step: Step
    ok: bool
    seconds: float
    text: str
    ran_out: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What to try. With `sends` the envelope's content is sent after the recipient was asked for."""

    domain: str
    terms: Terms
    timeouts: Timeouts
    hostname: str
    envelope: Envelope
    sends: bool


class Rehearsal:
    """`tell` is called at the end of each step; `chain` holds the certificates seen, in DER, the server's own first."""

    def __init__(self, plan: Plan, tell: Callable[[Told], None]) -> None:
        self._plan = plan
        self._tell = tell
        self._since = time.monotonic()
        self._next = Step.RESOLVE
        self.chain: tuple[bytes, ...] = ()

    async def run(self, resolver: Resolver, routes: Routes) -> None:
        """To the end or to the first step that fails, WHOLE_S at most: each wait is as long as a message's own."""
        running = asyncio.create_task(self._run(resolver, routes))
        await asyncio.wait({running}, timeout=WHOLE_S)
        if running.done():
            running.result()
            return
        await cancelling.ended([running])
        self._done(self._next, "", ok=False, ran_out=True)

    async def _run(self, resolver: Resolver, routes: Routes) -> None:
        try:
            hop = await resolver.next_hop(self._plan.domain, routes, self._plan.terms.ip)
        except LookupFailed as failure:
            self._done(Step.RESOLVE, "\n".join(failure.outcome.lines), ok=False)
            return
        if hop.discard:
            self._done(Step.DISCARD, "an SMTP route throws this mail away (/dev/null)", ok=False)
            return
        self._done(Step.RESOLVE, "\n".join(_where(address) for address in hop.addresses))
        for address in hop.addresses:
            session = await self._dial(address)
            if isinstance(session, Session):
                await self._talk(session)
                return
            if session.failure is Failure.TLS:
                return

    async def _dial(self, address: Address) -> Session | Outcome:
        self._next = Step.CONNECT
        try:
            session = await dial(
                address,
                hostname=self._plan.hostname,
                tls=self._plan.terms.tls,
                server_name=self._server_name(address),
                timeouts=self._plan.timeouts,
                heard=lambda point, text: self._heard(point, text, address),
            )
        except DialError as error:
            at = Step.STARTTLS if error.outcome.stage is Stage.STARTTLS else self._next
            silent = isinstance(error.__cause__, TimeoutError | SMTPReadTimeoutError)
            why = "" if silent else f"\n{_why(error.outcome)}"
            self._done(at, f"{_where(address)}{why}", ok=False, ran_out=silent)
            if error.outcome.failure is Failure.TLS:
                self.chain = await self._refused_chain(address)
            return error.outcome
        self.chain = session.chain
        return session

    def _heard(self, point: Point, text: str, address: Address) -> None:
        step = Step(point.value)
        self._done(step, f"{_where(address)} from {text}" if point is Point.CONNECT else text)
        self._next = _AFTER.get(step, Step.MAIL)

    async def _talk(self, session: Session) -> None:
        envelope = self._plan.envelope
        try:
            async with aclosing(session.rehearse(envelope)) as said:
                async for stage, reply in said:
                    accepted = 200 <= reply.code < 300
                    self._done(Step(stage.value), f"{reply.code} {reply.message}", ok=accepted)
                    if not accepted:
                        return
                    self._next = Step.RCPT
            if self._plan.sends:
                sent = await session.send(envelope)
                outcome = sent.outcomes[0]
                self._done(Step.COPY, _why(outcome), ok=outcome.failure is None)
        except TimeoutError:
            self._done(self._next, "", ok=False, ran_out=True)
        except ConnectionGone:
            self._done(Step.COPY, "the server closed the connection", ok=False)
        except (SMTPException, OSError) as error:
            self._done(self._next, str(error) or type(error).__name__, ok=False)
        finally:
            session.abort() if cancelling.told() else await session.close()
        self._done(Step.QUIT, "")

    async def _refused_chain(self, address: Address) -> tuple[bytes, ...]:
        """Dial once more without checking, to see what was refused."""
        demand = self._plan.terms.tls
        if demand.mode is not TlsMode.REQUIRED_VERIFY:
            return ()
        try:
            async with asyncio.timeout(LOOK_S):
                session = await dial(
                    address,
                    hostname=self._plan.hostname,
                    tls=replace(demand, mode=TlsMode.REQUIRED),
                    server_name=self._server_name(address),
                    timeouts=replace(self._plan.timeouts, connect_s=LOOK_S, greeting_s=LOOK_S, command_s=LOOK_S),
                    heard=lambda point, text: None,
                )
        except (DialError, TimeoutError):
            return ()
        session.abort()
        return session.chain

    def _server_name(self, address: Address) -> str:
        return address.name or self._plan.domain.strip("[]")

    def _done(self, step: Step, text: str, *, ok: bool = True, ran_out: bool = False) -> None:
        now = time.monotonic()
        self._tell(Told(step, ok, now - self._since, text, ran_out))
        self._since = now


_AFTER = {
    Step.CONNECT: Step.BANNER,
    Step.BANNER: Step.EHLO,
    Step.EHLO: Step.STARTTLS,
    Step.STARTTLS: Step.EHLO_AGAIN,
}


def _where(address: Address) -> str:
    ip = f"[{address.ip}]" if ":" in address.ip else address.ip
    return f"{address.name} ({ip}:{address.port})" if address.name else f"{ip}:{address.port}"


def _why(outcome: Outcome) -> str:
    text = "\n".join(outcome.lines) or outcome.details
    return f"{outcome.code} {text}" if outcome.code else text
