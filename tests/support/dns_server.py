"""A scripted DNS server on a UDP port of its own: the answers that a test says, or none.

Zone: {("example.com", "MX"): ["10 mx.example.com."], ...}; a value may be an `Answer` instead of records. A name with
other records answers "no data", one without any NXDOMAIN. `always` is the answer to everything.
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
    REFUSED = "refused"
    FORMERR = "formerr"
    YXDOMAIN = "yxdomain"
    GARBAGE = "garbage"
    TRUNCATED = "truncated"  # and nobody listens on the port by TCP
    CUT = "cut"  # in the middle of a record
    OTHER_QUESTION = "other question"
    LOOP = "loop"  # of two aliases


Zone = Mapping[tuple[str, str], Sequence[str] | Answer]


@dataclass
class DnsRemote:
    port: int
    asked: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def dns_server(zone: Zone, *, ttl: int = 60, always: Answer | None = None) -> Iterator[DnsRemote]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        remote = DnsRemote(listening.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listening, zone, ttl, always, remote), daemon=True)
        thread.start()
        try:
            yield remote
        finally:
            # An empty datagram ends the thread: closing alone would leave it waiting.
            listening.sendto(b"", ("127.0.0.1", remote.port))
            thread.join(5)


def _serve(listening: socket.socket, zone: Zone, ttl: int, always: Answer | None, remote: DnsRemote) -> None:
    while True:
        data, client = listening.recvfrom(4096)
        if not data:
            return
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, record = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        remote.asked.append((name, record))
        reply = _wire(query, always or zone.get((name, record)), ttl, known=any(known == name for known, _ in zone))
        if reply:
            with suppress(OSError):
                listening.sendto(reply, client)


def _wire(query: dns.message.Message, found: Sequence[str] | Answer | None, ttl: int, *, known: bool) -> bytes:
    """The reply's octets; none for silence."""
    question = query.question[0]
    record = dns.rdatatype.to_text(question.rdtype)
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.AA | dns.flags.RA
    match found:
        case Answer.SILENCE:
            return b""
        case Answer.SERVFAIL | Answer.REFUSED | Answer.FORMERR | Answer.YXDOMAIN:
            reply.set_rcode(dns.rcode.from_text(found.name))
        case Answer.GARBAGE:
            return b"\xff" * 40
        case Answer.TRUNCATED:
            reply.flags |= dns.flags.TC
        case Answer.CUT:
            reply.answer.append(dns.rrset.from_text(question.name, ttl, "IN", "TXT", '"some text"'))
            return reply.to_wire()[:-20]
        case Answer.OTHER_QUESTION:
            reply.question[0] = dns.rrset.from_text("other.example.", 0, "IN", record)
        case Answer.LOOP:
            reply.answer.append(dns.rrset.from_text(question.name, ttl, "IN", "CNAME", "other.example."))
            reply.answer.append(dns.rrset.from_text("other.example.", ttl, "IN", "CNAME", question.name.to_text()))
        case None:
            reply.set_rcode(dns.rcode.NOERROR if known else dns.rcode.NXDOMAIN)
        case _:
            reply.answer.append(dns.rrset.from_text(question.name, ttl, "IN", record, *found))
    return reply.to_wire()
