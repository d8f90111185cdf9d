"""The rows of messages that begin, and of those refused: the one place that spells and inserts them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from seg_console.mail.addresses import least_quoted
from seg_console.mail.bulk import add_many, insert_many
from seg_console.mail.lines import printable
from seg_console.mail.models import Body, Message, Recipient, Refusal, RefusalOverflow
from seg_console.mail.refusals import OverflowRow, RefusalRow
from seg_console.mail.values import Direction, MessageState, RecipientState, Verdict

# What the database's columns hold; a longer header is cut for display, never in the message itself.
_LONGEST_HEADER = 998
_LONGEST_ADDRESS = 320


class MessageRow(NamedTuple):
    """One MID as it begins; its fields are the model's, but for the sender's spelling: `envelope_sender` is as given.
    What comes with the sender's host is empty for messages of our own making. `outstanding`: deliveries that will be
    queued for it."""

    mid: int
    root_mid: int
    parent_mid: int | None
    icid: int
    direction: Direction
    received_at: datetime
    envelope_sender: str
    subject: str | None
    message_id_header: str
    size: int
    body_id: int | None
    outstanding: int
    state: MessageState = MessageState.QUEUED
    finished_at: datetime | None = None
    policy_name: str = ""
    verdict: Verdict = Verdict.CLEAN
    interface: str = ""
    interface_ip: str = ""
    remote_ip: str = ""
    reverse_dns: str = ""
    reverse_dns_verified: bool = False


def header_shown(text: str | None) -> str | None:
    """As much of a header field as a row holds."""
    return None if text is None else text[:_LONGEST_HEADER]


def insert(
    bodies: Iterable[tuple[int, bytes]],
    messages: Iterable[MessageRow],
    recipients: Iterable[tuple[int, Sequence[str]]],
) -> None:
    """Insert bodies as (MID, content), messages, and for each MID its recipients in the order of their RIDs, all
    queued. Call inside the transaction that takes responsibility for them. Raises DatabaseError."""
    insert_many(Body, ("mid", "content"), bodies)
    insert_many(Message, (*MessageRow._fields, "sender_as_given"), [_with_spelling(row) for row in messages])
    insert_many(
        Recipient,
        ("message_id", "rid", "address", "state"),
        [
            (mid, rid, least_quoted(address), RecipientState.QUEUED)
            for mid, addresses in recipients
            for rid, address in enumerate(addresses)
        ],
    )


def _with_spelling(row: MessageRow) -> tuple[object, ...]:
    given, plain = row.envelope_sender, least_quoted(row.envelope_sender)
    return (*row._replace(envelope_sender=plain), "" if plain == given else given)


def insert_refusals(refusals: Iterable[RefusalRow], overflow: Iterable[OverflowRow]) -> None:
    """Insert refusals, and add to the numbers of those that are not kept. Two queries at most; none for none. Raises
    DatabaseError."""
    insert_many(Refusal, RefusalRow._fields, map(_storable, refusals))
    add_many(RefusalOverflow, ("minute", "client", "kind"), "more", overflow)


def _storable(row: RefusalRow) -> RefusalRow:
    return row._replace(sender=_given(row.sender), recipient=_given(row.recipient))


def _given(address: str) -> str:
    """What a client gave as an address, which may be anything: as much of it as a row holds."""
    return printable(address)[:_LONGEST_ADDRESS]
