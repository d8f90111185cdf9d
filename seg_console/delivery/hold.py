"""When something cannot be stored: each part by itself, and the delivery that still cannot is held (move l).

A text that the database refuses, or a fault of ours that one message brings to light, must not take the outcomes of
others with it: nobody would know of them, and their messages would be sent again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, TypeVar

from django.db import InterfaceError, OperationalError, transaction

from seg_console.delivery.kinds import kind
from seg_console.delivery.models import Delivery
from seg_console.delivery.settle import Attempted
from seg_console.delivery.states import State
from seg_console.mail import events
from seg_console.mail.record import record

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")

# The database itself is in trouble: no row's fault, and the same for the next one.
AWAY: Final = (OperationalError, InterfaceError)
# How much of what could not be stored is written to the process log, in characters.
_SHOWN: Final = 1000


def whole_or_apart(whole: Callable[[], Result], apart: Callable[[], Result]) -> Result:
    """`whole` in one transaction; if it fails and is rolled back, `apart`, outside any. Raises AWAY."""
    try:
        with transaction.atomic():
            return whole()
    except AWAY:
        raise
    except Exception:
        logger.warning("not stored together, each part is tried alone", exc_info=True, extra={"action": "store_apart"})
    return apart()


def alone(
    items: Iterable[Item], store: Callable[[Item], Result], give_up: Callable[[Item, Exception], Result]
) -> list[Result]:
    """`store` each in a transaction of its own; `give_up`, outside any, answers for one that failed. Raises AWAY."""
    return [_alone(item, store, give_up) for item in items]


def _alone(item: Item, store: Callable[[Item], Result], give_up: Callable[[Item, Exception], Result]) -> Result:
    try:
        with transaction.atomic():
            return store(item)
    except AWAY:
        raise
    except Exception as error:
        return give_up(item, error)


def hold(attempted: Attempted, error: Exception, *, now: datetime) -> None:
    """Hold a delivery whose outcome cannot be stored because of `error`, if it is still in the expected state and
    attempt; an administrator decides. Raises AWAY; of anything else it tells the log, and the lease frees the row."""
    try:
        held = _hold(attempted, error, now)
    except AWAY:
        raise
    except Exception:
        logger.exception("could not be held: %s", _described(attempted), extra={"action": "hold_failed"})
        return
    if held:
        text = "held, its outcome could not be stored: %s"
        logger.error(text, _described(attempted), exc_info=error, extra={"action": "delivery_held"})


def _hold(attempted: Attempted, error: Exception, now: datetime) -> bool:
    """Whatever could not be stored may keep the event from being stored too; the row then stands without it."""

    def move(*, tell: bool) -> bool:
        claimed = attempted.claimed
        moved = Delivery.objects.filter(pk=claimed.id, state=attempted.expected, attempt=claimed.attempt).update(
            state=State.HELD,
            lease_until=None,
            last_status="",
            last_code="",
            last_text=f"outcome could not be stored: {type(error).__name__}",
        )
        if moved and tell:
            record([_event(attempted, now)])
        return moved == 1

    return whole_or_apart(lambda: move(tell=True), lambda: move(tell=False))


def _event(attempted: Attempted, now: datetime) -> events.Held:
    how = kind(attempted.claimed.destination.kind)
    return events.Held(
        mid=attempted.claimed.mid,
        at=now,
        destination=how.shown_as(attempted.claimed.destination.domain),
        connector=how.connector,
    )


def _described(attempted: Attempted) -> str:
    """The delivery and what became of it, as ASCII on one line: it may contain the very text that was refused."""
    claimed = attempted.claimed
    outcomes = Counter(ascii(outcome) for outcome in attempted.outcomes)
    said = "; ".join(f"{count} x {outcome}" for outcome, count in outcomes.items())
    return f"MID {claimed.mid} to {claimed.destination.domain!a}: {said[:_SHOWN]}"


__all__ = ["AWAY", "alone", "hold", "whole_or_apart"]
