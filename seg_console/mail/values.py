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


class RefusalKind(StrEnum):
    """Who or what the listener turned away, and why."""

    HOST_REJECTED = "host_rejected"  # by the Host Access Table, with a reply; also who sent through a relay
    HOST_REFUSED = "host_refused"  # by the Host Access Table, without a word
    CONNECTION_LIMIT = "connection_limit"  # one connection too many
    NOT_PROXIED = "not_proxied"  # not from a proxy where all must be
    MESSAGE_LIMIT = "message_limit"  # one message too many in a connection
    INVALID_SENDER = "invalid_sender"  # what MAIL gave is no address
    TLS_MISSING = "tls_missing"  # MAIL in clear text where TLS is demanded
    PARAMETER = "parameter"  # MAIL or RCPT asked for what is not offered
    RECIPIENT = "recipient"  # by the Recipient Access Table, or a form of relaying
    INVALID_RECIPIENT = "invalid_recipient"  # what RCPT gave is no address
    THROTTLED = "throttled"  # one recipient too many in an hour
    TOO_MANY = "too_many"  # one recipient too many in a message
    OVERSIZE = "oversize"  # announced at MAIL or found after the content
    LOOP = "loop"  # the message passed too many servers
    CONTENT = "content"  # the message had what the listener's settings refuse
    NO_SPACE = "no_space"  # neither memory nor disk had room for the message
    ABORTED = "aborted"  # begun and never finished
