"""What the gateway's database says of a soak, as JSON: `python -m tests.soak.rows`, in the system's environment.

With `--now` everything that waits is due at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import django

django.setup()

from django.db.models import Case, CharField, Value, When  # noqa: E402 - models only exist behind the line above
from django.utils import timezone  # noqa: E402

from seg_console.delivery.models import Delivery, HostStatus  # noqa: E402
from seg_console.mail.models import Recipient  # noqa: E402
from tests.soak.verdict import UNCONFIRMED  # noqa: E402


def _rows() -> Iterator[dict[str, str]]:
    """One for each recipient of each message that came in, and one for each copy."""
    fields = ("message__message_id_header", "address", "state")
    originals = Recipient.objects.exclude(message__envelope_sender="").values_list(*fields)
    copies = Delivery.objects.filter(kind="tdc").annotate(told=_TOLD).values_list(*fields[:2], "told")
    for message_id, address, state in [*originals, *copies]:
        yield {"id": message_id, "address": address, "state": state}


_TOLD = Case(
    When(state__in=["bounced", "expired"], unanswered=True, then=Value(UNCONFIRMED)),
    default="state",
    output_field=CharField(),
)


def _hurry() -> None:
    now = timezone.now()
    Delivery.objects.filter(state="queued").update(due_at=now)
    HostStatus.objects.filter(next_probe_at__isnull=False).update(next_probe_at=now)


if __name__ == "__main__":
    if "--now" in sys.argv:
        _hurry()
    else:
        json.dump(list(_rows()), sys.stdout)
