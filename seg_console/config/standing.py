"""How a user's pending changes stand among the others': what a page says of it, in one query (seg-webui 2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Case, Q, Subquery, When

from seg_console.config.models import Configuration, State

if TYPE_CHECKING:
    from seg_console.accounts.models import User

# The strip names so many and says that there are more; the history has all.
MOST_NAMED = 5
# Everybody's pending sets and the newest of the history: more than this no page would show.
_MOST_ASKED = 60


@dataclass(frozen=True, slots=True)
class Standing:
    """`own`: the user's pending set. `others`: pending sets of other users, the latest change first.
    `since`: what was committed since the own one began, newest first, at most so many that a page may name."""

    own: Configuration | None
    others: tuple[Configuration, ...]
    since: tuple[Configuration, ...]

    @property
    def others_named(self) -> tuple[Configuration, ...]:
        return self.others[:MOST_NAMED]

    @property
    def others_more(self) -> int:
        return len(self.others[MOST_NAMED:])

    @property
    def since_named(self) -> tuple[Configuration, ...]:
        return self.since[:MOST_NAMED]

    @property
    def has_more_since(self) -> bool:
        return len(self.since) > MOST_NAMED

    @property
    def base_number(self) -> int | None:
        """Number of the set that the own changes began from."""
        return self.own.based_on.number if self.own and self.own.based_on else None


def standing_of(user: User) -> Standing:
    """One query."""
    mine = Q(state=State.PENDING, owner=user)
    began = Configuration.objects.filter(mine).values("based_on__number")[:1]
    found = (
        Configuration.objects.filter(
            Q(state=State.PENDING, owner__isnull=False) | Q(state=State.COMMITTED, number__gt=Subquery(began))
        )
        .select_related("owner", "based_on")
        .order_by(Case(When(mine, then=0), When(state=State.PENDING, then=1), default=2), "-number", "-changed_at")
    )[:_MOST_ASKED]
    rows = list(found)
    pending = [row for row in rows if row.state == State.PENDING]
    return Standing(
        own=next((row for row in pending if row.owner_id == user.pk), None),
        others=tuple(row for row in pending if row.owner_id != user.pk),
        since=tuple(row for row in rows if row.state == State.COMMITTED),
    )
