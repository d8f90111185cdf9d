"""When a message is done: the one place that moves Message.state and Message.outstanding after acceptance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from seg_console.mail.events import Finished
from seg_console.mail.models import Message, Recipient


def deliveries_ended(*, originals: Iterable[int] = (), copies: Iterable[int] = (), now: datetime) -> list[Finished]:
    """Tell that deliveries ended, one MID for each; call it in the settling transaction, after the recipients' states
    are written.

    Returns a Finished event for every message of which nothing is left to do. Original and copy of one message may
    be settled by two processes at once: rows are locked in MID order first, so exactly one of them sees the last
    delivery end and neither waits for the other in a circle.
    """
    originals = list(originals)
    ended = Counter([*originals, *copies])
    if not ended:
        return []
    locked = Message.objects.filter(pk__in=ended).select_for_update().order_by("pk")
    left = {mid: outstanding - ended[mid] for mid, outstanding in locked.values_list("pk", "outstanding")}
    # A copy's fate is not the message's: only where recipients moved can the state have changed.
    states = _states(originals) if originals else {}
    alike: dict[tuple[int, str | None], list[int]] = {}
    for mid, outstanding in left.items():
        alike.setdefault((outstanding, states.get(mid)), []).append(mid)
    for (outstanding, state), group in alike.items():
        changed: dict[str, object] = {"outstanding": outstanding}
        if state is not None:
            changed["state"] = state
        if not outstanding:
            changed["finished_at"] = now
        Message.objects.filter(pk__in=group).update(**changed)
    return [Finished(mid=mid, at=now) for mid in ended if not left[mid]]


def _states(mids: list[int]) -> dict[int, str]:
    """Queued while a recipient waits; then the worst that befell one of them."""
    found: dict[int, set[str]] = {}
    rows = Recipient.objects.filter(message__in=mids).values_list("message_id", "state").distinct()
    for mid, state in rows:
        found.setdefault(mid, set()).add(state)
    return {mid: _worst(states) for mid, states in found.items()}


def _worst(found: set[str]) -> str:
    order = (
        (Recipient.State.QUEUED, Message.State.QUEUED),
        (Recipient.State.BOUNCED, Message.State.BOUNCED),
        (Recipient.State.DELETED, Message.State.DELETED),
    )
    return next((str(message) for recipient, message in order if recipient in found), str(Message.State.DELIVERED))
