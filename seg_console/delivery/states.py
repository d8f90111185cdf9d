"""The delivery states and every move between them (docs/states.md), in one place."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"  # waits for `due_at`
    DELIVERING = "delivering"  # claimed by a worker until `lease_until`
    HELD = "held"  # how its attempt ended could not be stored; waits for an administrator
    DELIVERED = "delivered"  # the server took it
    BOUNCED = "bounced"  # given up after a failure
    EXPIRED = "expired"  # given up because of its age
    DELETED = "deleted"  # given up by an administrator


OPEN: Final = frozenset({State.QUEUED, State.DELIVERING, State.HELD})
ENDED: Final = frozenset({State.DELIVERED, State.BOUNCED, State.EXPIRED, State.DELETED})


class Move(StrEnum):
    """The lettered moves of docs/states.md."""

    ACCEPT = "a"
    CLAIM = "b"
    DELIVER = "c"
    RETRY_LATER = "d"
    BOUNCE = "e"
    LEASE_OVER = "f"
    EXPIRE = "g"
    RETRY_NOW = "h"
    DELETE = "i"
    RELEASE = "j"
    GO_ON = "k"
    HOLD = "l"


# A delivery found too old by the worker that holds it expires from `delivering`: move j and g in one update.
MOVES: Final[dict[Move, tuple[frozenset[State], State]]] = {
    Move.ACCEPT: (frozenset(), State.QUEUED),
    Move.CLAIM: (frozenset({State.QUEUED}), State.DELIVERING),
    Move.DELIVER: (frozenset({State.DELIVERING}), State.DELIVERED),
    Move.RETRY_LATER: (frozenset({State.DELIVERING}), State.QUEUED),
    Move.BOUNCE: (frozenset({State.DELIVERING}), State.BOUNCED),
    Move.LEASE_OVER: (frozenset({State.DELIVERING}), State.QUEUED),
    Move.EXPIRE: (frozenset({State.QUEUED, State.DELIVERING}), State.EXPIRED),
    Move.RETRY_NOW: (frozenset({State.QUEUED, State.HELD}), State.QUEUED),
    Move.DELETE: (frozenset({State.QUEUED, State.HELD}), State.DELETED),
    Move.RELEASE: (frozenset({State.DELIVERING}), State.QUEUED),
    Move.GO_ON: (frozenset({State.DELIVERING}), State.DELIVERING),
    Move.HOLD: (frozenset({State.QUEUED, State.DELIVERING}), State.HELD),
}
