"""The listener: what a connection, a recipient and a finished message mean to this gateway.

The event loop's thread runs the sessions and asks nothing but memory; the writer's thread alone speaks to the database
and brings back answers, numbers and the running configuration.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast
from weakref import WeakKeyDictionary

from django.db import connection as database

from seg_console.config import running
from seg_console.config.running import Running
from seg_console.gateway.accept import Happening, store
from seg_console.gateway.arrival import Abandoned, Arrival, Peer, Relayed, TurnedAway, with_recipients
from seg_console.gateway.document import Listener as ListenerSettings
from seg_console.gateway.document import SenderGroup
from seg_console.gateway.follower import Follower
from seg_console.gateway.host_access import ALL, HourlyCount, Match
from seg_console.gateway.place import Orders, Place
from seg_console.gateway.planning import Rulebook
from seg_console.gateway.protocol import (
    AbortedMessage,
    AbortReason,
    Access,
    Limits,
    ReceivedMessage,
    Refused,
    Session,
    Terms,
    as_sent,
)
from seg_console.gateway.relays import Said, true_client
from seg_console.gateway.reverse_dns import LOOKUP_S, NO_NAME, ClientName, ReverseDns, system_resolver
from seg_console.gateway.running import (
    address_parsing,
    health_checks,
    host_access,
    incoming_relays,
    listener_place,
    listener_tls,
    proxies,
    recipient_access,
)
from seg_console.gateway.running import listener as listener_settings
from seg_console.gateway.transport import (
    MOST_MEMORY,
    TOO_MANY_CONNECTIONS,
    ConnectionLimits,
    Ending,
    Entry,
    SmtpConnection,
    SmtpServer,
)
from seg_console.gateway.writer import Writer
from seg_console.gateway.xclient import Claim
from seg_console.mail import events
from seg_console.mail.headers import LONGEST_LOOK, is_looping
from seg_console.mail.ids import Pool
from seg_console.mail.refusals import FloodBound
from seg_console.mail.values import RefusalKind

logger = logging.getLogger(__name__)

# The name of the listener's interface in the mail log; there is one until listeners can be configured.
INTERFACE = "Data 1"
# Numbers held ready. What a process does not use is lost when it ends, so not too many; at a thousand messages a
# second and four looks a second a block lasts.
ID_BLOCK = 1000
# What a message is told that has passed too many servers.
LOOP_ANSWER = (554, "5.4.6 Too many hops, the message is going round in a circle")
# The mail log's words for what a sender group does (mail-logs 4.1).
ACCESS = {"accept": "ACCEPT", "reject": "REJECT", "refuse": "TCPREFUSE"}
REJECTED = "5.7.1 Access denied"
HOUR_IS_FULL = (452, "4.7.1 Too many recipients received this hour")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this gateway is: its name in banner and headers, and the zone of its clock."""

    hostname: str
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class Receiving:
    """What messages in hand may take: octets of memory for all of them, and a folder for the long ones."""

    folder: Path
    most_memory: int = MOST_MEMORY

    def new_file(self) -> BinaryIO:
        """Raises OSError. The file has no name, so nothing is left of it whatever becomes of this process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return cast(BinaryIO, TemporaryFile(dir=self.folder, buffering=0))


class Listener:
    """A `ConnectionHandler`. `now` gives the time with its zone.

    `on_commit` is called in the event loop when a newer configuration runs. `health_checks` counts connections of
    addresses named for that, without mail.
    """

    on_commit: Callable[[], None] | None = None

    def __init__(
        self,
        identity: Identity,
        *,
        now: Callable[[], datetime],
        loop: asyncio.AbstractEventLoop,
        tls: bool,
        names: ReverseDns,
        receiving: Receiving,
    ) -> None:
        self._identity = identity
        self._receiving = receiving
        self._now = now
        self._loop = loop
        self._tls = tls
        self._names = names
        self._mids = Pool("MID", block=ID_BLOCK)
        self._icids = Pool("ICID", block=ID_BLOCK)
        self._recipients = HourlyCount()
        self._refusals = FloodBound()
        self._peers: WeakKeyDictionary[SmtpConnection, Peer] = WeakKeyDictionary()
        # What is told of a health check's connection only if mail comes over it.
        self._held_back: WeakKeyDictionary[SmtpConnection, list[events.Event | TurnedAway]] = WeakKeyDictionary()
        self.health_checks = 0
        self._look_ups: set[asyncio.Task[None]] = set()
        self._known: Running | None = None
        self._writer = Writer(store=self._store, tick=self._tick, post=self._post)

    def start(self) -> None:
        """Read the configuration and fill the number pools, then start the writer. Raises DatabaseError. Blocks."""
        try:
            self._tick()
        finally:
            # This thread is borrowed; from here on only the writer's speaks to the database.
            database.close()
        self._writer.start()

    def tls_context(self, own: ssl.SSLContext) -> ssl.SSLContext:
        """The context of the next handshake: the certificate that the configuration chooses, else the gateway's own."""
        return running.held().value(listener_tls) or own

    def stop(self) -> None:
        """Store what the sessions left, then end the writer. Blocks until then."""
        self._writer.stop()

    # -- in the writer's thread

    def _post(self, call: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(call)

    def _tick(self) -> None:
        current = running.current()
        # Built here, not in the loop's thread at the next handshake.
        current.value(listener_tls)
        if current is not self._known:
            self._known = current
            if self.on_commit:
                self._post(self.on_commit)
        for pool in (self._mids, self._icids):
            if pool.low:
                pool.refill()

    def _store(self, happenings: Sequence[Happening]) -> None:
        rules = Rulebook.of(running.current(), hostname=self._identity.hostname, zone=self._identity.zone)
        store(happenings, rules, now=self._now(), bound=self._refusals)

    # -- ConnectionHandler, in the event loop's thread

    def entry(self, ip: str) -> Entry:
        configuration = running.held()
        if not self._settings().proxy_protocol:
            return Entry.DIRECT
        if ip in configuration.value(proxies):
            return Entry.PROXIED
        # Whoever looks whether the listener lives may do so without the proxy between.
        return Entry.DIRECT if ip in configuration.value(health_checks) else Entry.REFUSED

    def not_proxied(self, connection: SmtpConnection, *, code: int = 0, text: str = "") -> None:
        reason = f"No PROXY header from {connection.peer_ip}"
        self._tell_refused(connection, RefusalKind.NOT_PROXIED, reason, code=code, text=text)

    def limits(self) -> ConnectionLimits:
        settings = self._settings()
        return ConnectionLimits(total=settings.max_connections, per_client=settings.max_connections_per_client)

    def opened(self, connection: SmtpConnection) -> None:
        name = self._names.known(connection.peer_ip, now=self._loop.time())
        if name is not None:
            self._begin(connection, name)
            return
        self._later(connection, self._look_up_and_begin(connection))

    def over_limit(self, connection: SmtpConnection) -> None:
        text = TOO_MANY_CONNECTIONS
        self._tell_refused(connection, RefusalKind.CONNECTION_LIMIT, "Connection limit exceeded", code=421, text=text)

    def client_named(self, connection: SmtpConnection, claim: Claim) -> None:
        peer = self._peers[connection]
        ip = claim.ip or peer.remote_ip
        known = self._names.known(ip, now=self._loop.time())
        if claim.name is not None:
            self._begin_again(connection, claim, ip, ClientName(claim.name, verified=bool(claim.name)))
        elif ip == peer.remote_ip:
            self._begin_again(connection, claim, ip, ClientName(peer.reverse_dns, peer.verified))
        elif known is not None:
            self._begin_again(connection, claim, ip, known)
        else:
            self._later(connection, self._look_up_and_begin_again(connection, claim, ip))

    def message(self, connection: SmtpConnection, message: ReceivedMessage) -> None:
        beginning = message.spool.read(LONGEST_LOOK)
        if is_looping(beginning):
            self._refuse_loop(connection, message)
            return
        arrival = Arrival(self._peers[connection], self._now(), self._with_recipients(message))
        said = true_client(running.held().value(incoming_relays), arrival.peer.remote_ip, beginning)
        if said is None:
            self._take(connection, arrival)
        elif not said.ip:
            self._take(connection, replace(arrival, relayed=Relayed(said.relay, said.header)))
        else:
            name = self._names.known(said.ip, now=self._loop.time())
            if name is None:
                self._later(connection, self._look_up_and_take(connection, arrival, said))
            else:
                self._take_relayed(connection, arrival, said, name)

    def aborted(self, connection: SmtpConnection, message: AbortedMessage) -> None:
        self._writer.submit(Abandoned(self._peers[connection], self._now(), message))

    def content_failed(self, connection: SmtpConnection, error: OSError) -> None:
        logger.error("not received", exc_info=error, extra={"action": "receive_failed", "icid": self._icid(connection)})

    def sender_refused(self, connection: SmtpConnection, refused: Refused, *, helo: str) -> None:
        # A probe that begins a message is more than that, though it be refused.
        self._release(connection)
        peer, at = self._peers[connection], self._now()
        if refused.kind is RefusalKind.INVALID_SENDER:
            self._tell(connection, events.InvalidSender(at=at, icid=peer.icid, text=refused.address))
        self._tell(connection, TurnedAway(peer, at, refused, helo))

    def tls_missing(self, connection: SmtpConnection) -> None:
        self._tell(connection, events.ConnectionTlsMissing(at=self._now(), icid=self._icid(connection)))

    def tls_started(self, connection: SmtpConnection, *, version: str, cipher: str) -> None:
        at, icid = self._now(), self._icid(connection)
        self._tell(connection, events.ConnectionTls(at=at, icid=icid, protocol=version, cipher=cipher))

    def tls_failed(self, connection: SmtpConnection, error: Exception) -> None:
        detail = repr((getattr(error, "errno", None) or 0, getattr(error, "reason", None) or str(error)))
        self._tell(connection, events.ConnectionTlsFailed(at=self._now(), icid=self._icid(connection), detail=detail))

    def closed(self, connection: SmtpConnection, ending: Ending) -> None:
        peer = self._peers.get(connection)
        if peer is None:  # it never began
            return
        if self._held_back.pop(connection, None) is not None:
            self.health_checks += 1
            return
        at = self._now()
        if ending is Ending.TIMED_OUT:
            self._tell(connection, events.ConnectionTimedOut(at=at, icid=peer.icid, remote_ip=peer.remote_ip))
        elif ending is Ending.LOST:
            self._tell(connection, events.ConnectionLost(at=at, icid=peer.icid))
        elif ending is Ending.MESSAGES:
            self._tell(connection, events.ConnectionRefused(at=at, icid=peer.icid, reason="Message limit exceeded"))
        self._tell(connection, events.ConnectionClosed(at=at, icid=peer.icid))

    # -- taking a message

    def _take(self, connection: SmtpConnection, arrival: Arrival) -> None:
        self._writer.submit(arrival, lambda answer: connection.answer(answer.code, answer.text))

    async def _look_up_and_take(self, connection: SmtpConnection, arrival: Arrival, said: Said) -> None:
        name = await self._names.look_up(said.ip, now=self._loop.time())
        self._take_relayed(connection, arrival, said, name)

    def _take_relayed(self, connection: SmtpConnection, arrival: Arrival, said: Said, name: ClientName) -> None:
        """Take the message if the sender group of who sent it lets it in; the relay's has let the connection in."""
        relayed, group = match_relayed(running.held(), said, name, arrival.peer)
        refusal = self._relayed_refusal(group, said.ip, len(arrival.message.envelope.recipients))
        if refusal is None:
            self._take(connection, replace(arrival, relayed=relayed))
            return
        reason, (code, text) = refusal
        message = arrival.message
        aborted = AbortedMessage(message.envelope, reason, message.helo, code, as_sent(text))
        self._writer.submit(Abandoned(arrival.peer, arrival.received_at, aborted, relayed))
        connection.answer(code, text)

    def _relayed_refusal(
        self, group: SenderGroup, client: str, recipients: int
    ) -> tuple[AbortReason, tuple[int, str]] | None:
        if group.action != "accept":
            return AbortReason.DENIED, relayed_denial(group)
        most = group.max_recipients_per_hour
        if most is None or self._recipients.take(client, most, now=self._loop.time(), number=recipients):
            return None
        return AbortReason.THROTTLED, HOUR_IS_FULL

    # -- telling what happens to a connection

    def _tell(self, connection: SmtpConnection, happening: events.Event | TurnedAway) -> None:
        held_back = self._held_back.get(connection)
        if held_back is None:
            self._writer.submit(happening)
        else:
            held_back.append(happening)

    def _tell_refusal(
        self, connection: SmtpConnection, peer: Peer, kind: RefusalKind, code: int = 0, text: str = ""
    ) -> None:
        """Tell that this host was turned away, and with which reply; 0: without a word."""
        self._tell(connection, TurnedAway(peer, self._now(), Refused(kind, "", code, as_sent(text))))

    def _tell_refused(
        self, connection: SmtpConnection, kind: RefusalKind, reason: str, *, code: int, text: str
    ) -> None:
        """Of a connection that never began: `reason` is the log's, the reply as in `_tell_refusal`."""
        if self._is_health_check(connection):
            self.health_checks += 1
            return
        icid = self._icids.next()
        if icid is not None:
            name = self._names.known(connection.peer_ip, now=self._loop.time()) or NO_NAME
            self._tell(connection, events.ConnectionRefused(at=self._now(), icid=icid, reason=reason))
            self._tell_refusal(connection, _peer(connection, icid, name), kind, code, text)

    def _is_health_check(self, connection: SmtpConnection) -> bool:
        return connection.peer_ip in running.held().value(health_checks)

    def _mid_of_told(self, connection: SmtpConnection) -> int | None:
        """The next MID, for a connection of which nothing has been told yet."""
        self._release(connection)
        return self._mids.next()

    def _release(self, connection: SmtpConnection) -> None:
        """It is more than a health check: tell what was held back, as of now, since the log is in the order of time."""
        for happening in self._held_back.pop(connection, ()):
            self._writer.submit(replace(happening, at=self._now()))

    # -- beginning a connection

    def _later(self, connection: SmtpConnection, work: Coroutine[None, None, None]) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception:
                connection.fail()

        task = self._loop.create_task(guarded())
        self._look_ups.add(task)
        task.add_done_callback(self._look_ups.discard)

    async def looked_up(self) -> None:
        """Wait for the names that are being asked for: a message whose client is gone may wait for one."""
        if self._look_ups:
            await asyncio.wait(self._look_ups, timeout=2 * LOOKUP_S)

    async def _look_up_and_begin(self, connection: SmtpConnection) -> None:
        name = await self._names.look_up(connection.peer_ip, now=self._loop.time())
        self._begin(connection, name)

    def _begin(self, connection: SmtpConnection, name: ClientName) -> None:
        if not connection.is_open:
            return
        icid = self._icids.next()
        if icid is None:
            connection.refuse(421, "4.3.0 Service not available, try again later")
            return
        peer, group = self._meet(connection, icid, name)
        if self._is_health_check(connection):
            self._held_back[connection] = []
        opened = _opened_event(peer, ACCESS[group.action], proxy_ip=connection.proxy_ip, at=self._now())
        self._tell(connection, opened)
        if self._is_let_in(connection, peer, group):
            connection.begin(self._session(connection, peer, group), icid=peer.icid)

    async def _look_up_and_begin_again(self, connection: SmtpConnection, claim: Claim, ip: str) -> None:
        name = await self._names.look_up(ip, now=self._loop.time())
        self._begin_again(connection, claim, ip, name)

    def _begin_again(self, connection: SmtpConnection, claim: Claim, ip: str, name: ClientName) -> None:
        """Do as if the client that the proxy names had connected itself."""
        if not connection.is_open:
            return
        icid = self._icid(connection)
        has_room = connection.become(ip, claim.port or 0, self.limits())
        peer, group = self._meet(connection, icid, name)
        if not self._is_health_check(connection):
            self._release(connection)
        self._tell(connection, _named_event(peer, ACCESS[group.action], self._now()))
        if not has_room:
            self._turn_away(connection, peer)
        elif self._is_let_in(connection, peer, group):
            connection.start_over(claim, **self._terms(peer, group))

    def _meet(self, connection: SmtpConnection, icid: int, name: ClientName) -> tuple[Peer, SenderGroup]:
        """Note who the client is, and its sender group."""
        found = match_host(running.held(), address=connection.peer_ip, name=name)
        peer = _peer(connection, icid, name, sender_group="" if found.name == ALL else found.name, matched=found.entry)
        self._peers[connection] = peer
        return peer, found.policy

    def _is_let_in(self, connection: SmtpConnection, peer: Peer, group: SenderGroup) -> bool:
        """Whether its sender group lets the connection in; else it is told so, or dropped."""
        most = group.max_connections_per_client
        if group.action == "refuse":
            self._tell_refusal(connection, peer, RefusalKind.HOST_REFUSED)
            connection.drop(icid=peer.icid)
        elif group.action == "reject":
            text = group.response or REJECTED
            self._tell_refusal(connection, peer, RefusalKind.HOST_REJECTED, 554, text)
            connection.refuse(554, text, icid=peer.icid)
        elif most is not None and connection.of_this_client > most:
            self._turn_away(connection, peer)
        else:
            return True
        return False

    def _turn_away(self, connection: SmtpConnection, peer: Peer) -> None:
        """It is one connection too many."""
        refused = events.ConnectionRefused(at=self._now(), icid=peer.icid, reason="Connection limit exceeded")
        self._tell(connection, refused)
        self._tell_refusal(connection, peer, RefusalKind.CONNECTION_LIMIT, 421, TOO_MANY_CONNECTIONS)
        connection.refuse(421, TOO_MANY_CONNECTIONS, icid=peer.icid)

    def _session(self, connection: SmtpConnection, peer: Peer, group: SenderGroup) -> Session:
        settings = self._settings()
        is_held_back = connection in self._held_back
        return Session(
            hostname=self._identity.hostname,
            next_mid=partial(self._mid_of_told, connection) if is_held_back else self._mids.next,
            bare_line_ends=settings.bare_line_ends,
            parsing=running.held().value(address_parsing),
            has_room=lambda: connection.has_room,
            new_file=self._receiving.new_file,
            xclient=settings.xclient and peer.remote_ip in running.held().value(proxies),
            **self._terms(peer, group),
        )

    def _terms(self, peer: Peer, group: SenderGroup) -> Terms:
        return Terms(
            access=partial(self._access, peer.remote_ip, group.max_recipients_per_hour),
            limits=session_limits(self._settings(), group),
            tls_available=self._tls and group.tls != "none",
            tls_required=group.tls == "required",
        )

    def _access(self, client: str, most_per_hour: int | None, recipient: str) -> Access:
        """Asked at every RCPT, so a committed change is in force for the next recipient of an open session."""
        access = running.held().value(recipient_access).decide(recipient)
        if most_per_hour is None or not access.accepted:
            return access
        if self._recipients.take(client, most_per_hour, now=self._loop.time()):
            return access
        code, text = HOUR_IS_FULL
        return Access(accepted=False, code=code, text=text, throttled=True)

    def _with_recipients(self, message: ReceivedMessage) -> ReceivedMessage:
        own = running.held().value(recipient_access).own_domain or self._identity.hostname
        return with_recipients(message, own=own)

    def _settings(self) -> ListenerSettings:
        return running.held().value(listener_settings)

    def _icid(self, connection: SmtpConnection) -> int:
        return self._peers[connection].icid

    def _refuse_loop(self, connection: SmtpConnection, message: ReceivedMessage) -> None:
        """RFC 5321 6.3: a message that has passed too many servers is going round in a circle."""
        peer = self._peers[connection]
        at = self._now()
        aborted = AbortedMessage(message.envelope, AbortReason.LOOP, message.helo, *LOOP_ANSWER)
        self._writer.submit(events.ConnectionRefused(at=at, icid=peer.icid, reason="Message loop"))
        self._writer.submit(Abandoned(peer, at, aborted))
        connection.answer(*LOOP_ANSWER)


def session_limits(settings: ListenerSettings, group: SenderGroup) -> Limits:
    """What a session of a client of this group may ask for."""
    most = group.max_recipients
    return Limits(
        max_message_size=settings.max_message_size,
        max_recipients=settings.max_recipients if most is None else min(most, settings.max_recipients),
        max_messages=group.max_messages_per_connection,
    )


def match_host(configuration: Running, *, address: str, name: ClientName) -> Match[SenderGroup]:
    """The sender group of a client; only a name that leads back to the address counts."""
    return configuration.value(host_access).match(address, name.name if name.verified else "")


def match_relayed(configuration: Running, said: Said, name: ClientName, peer: Peer) -> tuple[Relayed, SenderGroup]:
    """Who sent a message according to its relay, whose connection is `peer`, and the sender group of that client."""
    found = match_host(configuration, address=said.ip, name=name)
    client = replace(
        peer,
        remote_ip=said.ip,
        reverse_dns=name.name,
        verified=name.verified,
        sender_group="" if found.name == ALL else found.name,
        matched=found.entry,
    )
    return Relayed(said.relay, said.header, client, ACCESS[found.policy.action]), found.policy


def relayed_denial(group: SenderGroup) -> tuple[int, str]:
    """What a relay is told about a message from a client whose group is rejected or refused."""
    return 554, group.response or REJECTED


def _peer(
    connection: SmtpConnection, icid: int, name: ClientName, *, sender_group: str = "", matched: str = ALL
) -> Peer:
    return Peer(
        icid=icid,
        interface=INTERFACE,
        interface_ip=connection.local_ip,
        remote_ip=connection.peer_ip,
        reverse_dns=name.name,
        verified=name.verified,
        sender_group=sender_group,
        matched=matched,
    )


def _opened_event(peer: Peer, access: str, *, proxy_ip: str, at: datetime) -> events.ConnectionOpened:
    return events.ConnectionOpened(
        at=at,
        icid=peer.icid,
        interface=peer.interface,
        interface_ip=peer.interface_ip,
        remote_ip=peer.remote_ip,
        reverse_dns=peer.reverse_dns,
        verified=peer.verified,
        access=access,
        sender_group=peer.sender_group,
        matched=peer.matched,
        proxy_ip=proxy_ip,
    )


def _named_event(peer: Peer, access: str, at: datetime) -> events.ConnectionNamed:
    return events.ConnectionNamed(
        at=at,
        icid=peer.icid,
        remote_ip=peer.remote_ip,
        reverse_dns=peer.reverse_dns,
        verified=peer.verified,
        access=access,
        sender_group=peer.sender_group,
        matched=peer.matched,
    )


def committed_place() -> Place:
    """Where the configuration read last says to listen."""
    return running.held().value(listener_place)


async def listen(
    identity: Identity,
    orders: Orders,
    *,
    now: Callable[[], datetime],
    receiving: Receiving,
    tls_context: ssl.SSLContext | None,
    ready: Callable[[Follower], None],
    stop: asyncio.Event,
) -> None:
    """Serve until `stop` is set, where the configuration and `orders` say; then every message in hand gets its answer
    and is stored. Raises CannotListen, and DatabaseError if there is no configuration to begin with."""
    loop = asyncio.get_running_loop()
    names = ReverseDns(system_resolver())
    listener = Listener(identity, now=now, loop=loop, tls=tls_context is not None, names=names, receiving=receiving)
    await asyncio.to_thread(listener.start)
    try:
        given = None if tls_context is None else partial(listener.tls_context, tls_context)
        server = SmtpServer(listener, tls_context=given, most_memory=receiving.most_memory)
        follower = Follower(
            server, orders, committed=committed_place, health_checks=lambda: listener.health_checks, now=now
        )
        await follower.open()
        listener.on_commit = follower.wake
        following = loop.create_task(follower.follow(stop))
        ready(follower)
        await stop.wait()
        follower.wake()
        await following
        await server.shutdown()
        await listener.looked_up()
    finally:
        await asyncio.to_thread(listener.stop)
