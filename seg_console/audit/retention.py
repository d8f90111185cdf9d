"""How long the audit log is kept. Nothing else removes an entry."""

from __future__ import annotations

from datetime import datetime, timedelta

from seg_console.audit.models import Entry

AUDIT_DAYS = 365
# Rows of one transaction: a large one would hold up the writers on SQLite.
BATCH = 500


def drop_old(now: datetime, *, batches: int = 20) -> int:
    """Remove entries older than AUDIT_DAYS, the oldest first. Returns how many; bounded, call it again."""
    limit = now - timedelta(days=AUDIT_DAYS)
    dropped = 0
    for _batch in range(batches):
        some = Entry.objects.drop_some_before(limit, most=BATCH)
        dropped += some
        if some < BATCH:
            break
    return dropped
