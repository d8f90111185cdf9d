"""When a message is done: the one place that moves Message.state and Message.outstanding after acceptance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from django.db.models import F

from seg_console.mail.events import Finished
from seg_console.mail.models import Message, Recipient


def deliveries_ended(mids: Iterable[int], now: datetime) -> list[Finished]:
    """Tell that deliveries of these MIDs ended, one entry in `mids` for each; call it in the settling transaction,
    after the recipients' states are written.

    Returns a Finished event for every message of which nothing is left to do. Original and copy of one message may
    be settled by two processes at once: rows are locked in MID order first, so exactly one of them sees the last
    delivery end and neither waits for the other in a circle.
    """
    ended = Counter(mids)
    if not ended:
        return []
    touched = Message.objects.filter(pk__in=ended)
    left = dict(touched.select_for_update().order_by("pk").values_list("pk", "outstanding"))
    by_count: dict[int, list[int]] = {}
    for mid, count in ended.items():
        by_count.setdefault(count, []).append(mid)
    for count, group in by_count.items():
        Message.objects.filter(pk__in=group).update(outstanding=F("outstanding") - count)
    _settle_states(list(ended))
    finished = [mid for mid, count in ended.items() if left[mid] == count]
    Message.objects.filter(pk__in=finished).update(finished_at=now)
    return [Finished(mid=mid, at=now) for mid in finished]


def _settle_states(mids: list[int]) -> None:
    """Queued while a recipient waits; then the worst that befell one of them."""
    states: dict[int, set[str]] = {}
    rows = Recipient.objects.filter(message__in=mids).values_list("message_id", "state").distinct()
    for mid, state in rows:
        states.setdefault(mid, set()).add(state)
    by_state: dict[str, list[int]] = {}
    for mid, found in states.items():
        by_state.setdefault(_worst(found), []).append(mid)
    for state, group in by_state.items():
        Message.objects.filter(pk__in=group).exclude(state=state).update(state=state)


def _worst(found: set[str]) -> str:
    order = (
        (Recipient.State.QUEUED, Message.State.QUEUED),
        (Recipient.State.BOUNCED, Message.State.BOUNCED),
        (Recipient.State.DELETED, Message.State.DELETED),
    )
    return next((str(message) for recipient, message in order if recipient in found), str(Message.State.DELIVERED))
