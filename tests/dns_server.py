"""A scripted DNS server on a UDP port of its own: the answers that a test says, or none.

Zone: {("example.com", "MX"): ["10 mx.example.com."], ...}; a value may be an `Answer` instead of records. A name with
other records answers "no data", one without any NXDOMAIN.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class Answer(Enum):
    SERVFAIL = "servfail"
    SILENCE = "silence"


Zone = Mapping[tuple[str, str], Sequence[str] | Answer]


@dataclass
class DnsRemote:
    port: int
    asked: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def dns_server(zone: Zone, *, ttl: int = 60) -> Iterator[DnsRemote]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        remote = DnsRemote(listening.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listening, zone, ttl, remote), daemon=True)
        thread.start()
        try:
            yield remote
        finally:
            # An empty datagram ends the thread: closing alone would leave it waiting.
            listening.sendto(b"", ("127.0.0.1", remote.port))
            thread.join(5)


def _serve(listening: socket.socket, zone: Zone, ttl: int, remote: DnsRemote) -> None:
    while True:
        data, client = listening.recvfrom(4096)
        if not data:
            return
        reply = _answer(dns.message.from_wire(data), zone, ttl, remote)
        if reply is not None:
            with suppress(OSError):
                listening.sendto(reply.to_wire(), client)


def _answer(query: dns.message.Message, zone: Zone, ttl: int, remote: DnsRemote) -> dns.message.Message | None:
    question = query.question[0]
    name, record = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
    remote.asked.append((name, record))
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.AA | dns.flags.RA
    found = zone.get((name, record))
    if found is Answer.SILENCE:
        return None
    if found is Answer.SERVFAIL:
        reply.set_rcode(dns.rcode.SERVFAIL)
    elif isinstance(found, Sequence):
        reply.answer.append(dns.rrset.from_text(question.name, ttl, "IN", record, *found))
    elif not any(known == name for known, _ in zone):
        reply.set_rcode(dns.rcode.NXDOMAIN)
    return reply
