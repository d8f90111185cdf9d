"""Where the listener processes really listen, for the pages that show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from seg_console.delivery.heartbeat import Unanswered
from seg_console.gateway import whereabouts
from seg_console.gateway.place import Place, Reason, Trouble, sentence
from seg_console.gateway.whereabouts import TELL_EVERY, Whereabouts
from seg_console.ui import times


@dataclass(frozen=True, slots=True)
class Listening:
    """`places`: one line each; without any, `word` and `detail` say why, and `css_class` colours them. `warnings`: a
    sentence for each process that is not where the running configuration says. `health_checks`: counted by the
    processes since they started."""

    places: tuple[str, ...] = ()
    css_class: str = ""
    word: str = ""
    detail: str = ""
    warnings: tuple[str, ...] = ()
    health_checks: int = 0


def listening_now(now: datetime) -> Listening:
    """As the processes said last, in the reader's language. Asks Redis once."""
    try:
        said = whereabouts.told()
    except Unanswered:
        return Listening(css_class="idle", word=_("Unknown"), detail=_("Redis holds the listener's sign of life."))
    if not said:
        return Listening(css_class="idle", word=_("Unknown"), detail=_("Not seen since Redis started."))
    present = whereabouts.present(said, now)
    if not present:
        last = _("Last seen: %(time)s") % {"time": times.status_time(said[0].at)}
        return Listening(css_class="bad", word=_("Not seen lately"), detail=last)
    warnings = dict.fromkeys(_warning(each.place, each.trouble) for each in present if each.trouble)
    counted = sum(each.health_checks for each in present)
    return Listening(places=_places(present), warnings=tuple(warnings), health_checks=counted)


def _places(present: Sequence[Whereabouts]) -> tuple[str, ...]:
    counted = Counter(str(each.place) for each in present)
    if len(present) == 1:
        return tuple(counted)
    return tuple(
        ngettext("%(place)s (%(n)d process)", "%(place)s (%(n)d processes)", number) % {"place": place, "n": number}
        for place, number in sorted(counted.items())
    )


def _warning(place: Place, trouble: Trouble) -> str:
    words = {"committed": trouble.committed, "place": place, "reason": sentence(trouble)}
    if trouble.reason is Reason.ORDERED:
        return _("The listener listens on %(place)s, not on %(committed)s as committed. %(reason)s") % words
    words["n"] = int(TELL_EVERY.total_seconds())
    return (
        _(
            "The listener listens on %(place)s, not on %(committed)s as committed. %(reason)s It tries again every "
            "%(n)d seconds."
        )
        % words
    )
