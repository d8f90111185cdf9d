"""Words shared by everything that speaks of a message."""

from __future__ import annotations

from enum import StrEnum


class Direction(StrEnum):
    """Which policy table a message belongs to; decided by the connection, not by addresses (seg-webui 1)."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


class Verdict(StrEnum):
    """What the scanning engines concluded. Only clean mail is copied (TDC reference 1.6)."""

    CLEAN = "clean"
    NOT_CLEAN = "not_clean"


class MessageState(StrEnum):
    """The last state of one MID as Message Tracking shows it (seg-webui 6.4)."""

    QUEUED = "queued"  # some recipient of the original still waits
    DELIVERED = "delivered"  # every recipient was delivered
    BOUNCED = "bounced"  # no recipient waits and at least one was given up
    DELETED = "deleted"  # an administrator removed what was left
    SPLIT = "split"  # its recipients went on under new MIDs
    ABORTED = "aborted"  # the client never finished sending it


class RecipientState(StrEnum):
    """Where one recipient of the original stands."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    DELETED = "deleted"
