"""System Administration > Audit Log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext
from django.views.decorators.http import require_safe

from seg_console.audit import search as audit_log
from seg_console.audit.forms.audit_log import AuditForm
from seg_console.audit.models import Act, Entry
from seg_console.audit.record import Changed, record
from seg_console.audit.retention import AUDIT_DAYS
from seg_console.audit.search import AuditPage, Cursor
from seg_console.mail.lines import visible
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.partials import page_or_partial
from seg_console.ui.requests import ConsoleRequest
from seg_console.ui.searches import CUSTOM, DEFAULT_PAGE_SIZE, LAST_WEEK, PAGE_SIZES, with_trail
from seg_console.ui.spreadsheet import csv_download
from seg_console.ui.times import tracking_time

TEMPLATE = "audit/audit_log.html"
MOST_EXPORTED = 10_000
# A little less than a spreadsheet's cell holds.
LONGEST_CELL = 32_000
OBJECTS_NAMED = 3
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Their target is the number of a configuration.
OF_A_CONFIGURATION = frozenset({Act.COMMIT, Act.ROLL_BACK})
OF_DELIVERIES = frozenset({Act.RETRY_DELIVERY, Act.DELETE_MESSAGES})
# Names that the console gives to rows that have none of their own; nobody can give one of them to another.
OWN_NAMES = frozenset({gettext_noop("All Other Domains"), gettext_noop("Default"), gettext_noop("Default Policy")})


class ShownField(NamedTuple):
    label: str
    old: str
    new: str


class ShownObject(NamedTuple):
    title: str
    fields: list[ShownField]


class ShownEntry:
    """An entry in the reader's language. What somebody typed stays as it was typed, but that marks which turn the
    direction of text are written out: nobody can make an entry read as another one."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    @property
    def username(self) -> str:
        return _visible(self.entry.username) or _("system")

    @property
    def target(self) -> str:
        """What was acted on: as it was named, or the objects that changed."""
        if self.entry.act in OF_A_CONFIGURATION:
            return _("Configuration %(number)s") % {"number": self.entry.target}
        if self.entry.act in OF_DELIVERIES and not self.entry.target:
            return _("All destinations")
        return _visible(self.entry.target) or self._objects_named()

    @property
    def target_url(self) -> str:
        """Where a commit is shown field by field, all of it."""
        if self.entry.act != Act.COMMIT or not self.entry.target.isdecimal():
            return ""
        return reverse("configuration:history-changes", args=[int(self.entry.target)])

    @property
    def detail(self) -> str:
        """A comment as it was typed; a sentence of ours in the reader's language."""
        if self.entry.act == Act.COMMIT or not self.entry.detail:
            return _visible(self.entry.detail)
        return _visible(_(self.entry.detail))

    @property
    def size(self) -> str:
        number = self.entry.size
        if self.entry.act in OF_DELIVERIES:
            return ngettext("%(number)d delivery", "%(number)d deliveries", number) % {"number": number}
        if self.entry.act == Act.EXPORT:
            return ngettext("%(number)d entry", "%(number)d entries", number) % {"number": number}
        return ngettext("%(number)d object", "%(number)d objects", number) % {"number": number} if number else ""

    @cached_property
    def objects(self) -> list[ShownObject]:
        changes = [Changed(*change) for change in self.entry.changes]
        return [
            ShownObject(_title(first), [_field(change) for change in run])
            for first, run in ((group[0], group) for group in _by_object(changes))
        ]

    @property
    def left_out(self) -> str:
        number = self.entry.more_changes
        if not number:
            return ""
        return ngettext("and at least %(number)d more", "and at least %(number)d more", number) % {"number": number}

    def _objects_named(self) -> str:
        titles = list(dict.fromkeys(one.title for one in self.objects))
        named = ", ".join(titles[:OBJECTS_NAMED])
        more = max(self.entry.size, len(titles)) - OBJECTS_NAMED
        if more <= 0 or not named:
            return named
        return ngettext("%(named)s and %(number)d more", "%(named)s and %(number)d more", more) % {
            "named": named,
            "number": more,
        }


@require_safe
@requires(Privilege.VIEW_AUDIT_LOG)
def search(request: ConsoleRequest) -> HttpResponse:
    form = AuditForm(_with_defaults(request))
    context: dict[str, object] = {"form": form, "kept_days": AUDIT_DAYS}
    if not form.is_valid():
        return render(request, TEMPLATE, context, status=422)
    # Each page turned adds its cursor, so that Previous drops the last one: paging both ways by key, never by offset.
    trail = [text for text in request.GET.getlist("after") if cursor_from(text)]
    now = timezone.now()
    page = audit_log.search(form.query(now), after=cursor_from(trail[-1]) if trail else None, limit=form.page_size)
    context |= {
        "page": page,
        "generated_at": now,
        "entries": [ShownEntry(entry) for entry in page.entries],
        "is_searched": bool(_bare(request.GET)),
        "most_exported": MOST_EXPORTED,
        "first_url": _with_trail(request, []) if trail else "",
        "previous_url": _with_trail(request, trail[:-1]) if trail else "",
        "next_url": _with_trail(request, [*trail, cursor_text(page.following)]) if page.following else "",
        "export_url": f"{reverse('audit-log:export')}?{_bare(request.GET).urlencode()}",
    }
    return page_or_partial(request, TEMPLATE, "results", context)


@require_safe
@requires(Privilege.VIEW_AUDIT_LOG)
def export(request: ConsoleRequest) -> HttpResponse:
    """The newest entries of a search as CSV. What is exported is recorded too, after it was read."""
    form = AuditForm(_with_defaults(request))
    if not form.is_valid():
        raise Http404
    page = audit_log.search(form.query(timezone.now()), limit=MOST_EXPORTED)
    record(Act.EXPORT, by=request.user, detail=_bare(request.GET).urlencode(), size=len(page.entries))
    heading = [
        _("Time"),
        _("User"),
        _("Action"),
        _("Object"),
        _("Details"),
        _("Changes"),
        _("IP Address"),
        _("Through"),
    ]
    return csv_download("audit_log.csv", heading, _rows(page))


def _rows(page: AuditPage) -> Iterator[list[object]]:
    for entry in page.entries:
        shown = ShownEntry(entry)
        yield [
            tracking_time(entry.at),
            shown.username,
            entry.get_act_display(),
            shown.target,
            shown.detail,
            _changes_cell(shown),
            entry.address,
            entry.get_through_display(),
        ]
    if page.reached:
        yield [_("The search stopped at %(time)s; older entries are not here.") % {"time": tracking_time(page.reached)}]
    elif page.following:
        yield [
            _("These are the newest %(number)d entries of the search; older ones are not here.")
            % {"number": len(page.entries)}
        ]


def _changes_cell(shown: ShownEntry) -> str:
    lines = [
        f"{one.title}: {field.label}: {field.old or '–'} → {field.new or '–'}"
        for one in shown.objects
        for field in one.fields
    ]
    text = "\n".join([*lines, shown.left_out] if shown.left_out else lines)
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"


def _by_object(changes: Iterable[Changed]) -> list[list[Changed]]:
    return [list(run) for _key, run in groupby(changes, key=lambda change: (change.thing, change.name, change.within))]


def _title(change: Changed) -> str:
    """`Policy member 2 of “Finance”`: the kind of object, its name, and what it is a part of."""
    title = capfirst(_(change.thing)) if change.thing else ""
    if change.name and change.name.casefold() != change.thing.casefold():
        name = _own(change.name)
        quoted = _("%(kind)s “%(name)s”") % {"kind": title, "name": name}
        title = f"{title} {name}" if change.within else quoted
    return _("%(part)s of “%(whole)s”") % {"part": title, "whole": _own(change.within)} if change.within else title


def _own(name: str) -> str:
    """A name that the console gave, in the reader's language; any other as it is."""
    return _(name) if name in OWN_NAMES else _visible(name)


def _field(change: Changed) -> ShownField:
    old, new = (_side(change, side) for side in (change.old, change.new))
    return ShownField(capfirst(_(change.field)) if change.field else "", old, new)


def _side(change: Changed, text: str) -> str:
    if text and change.is_time:
        return tracking_time(datetime.fromisoformat(text))
    return _(text) if text and change.is_worded else _visible(text)


def _visible(text: str) -> str:
    return "\n".join(visible(line) for line in text.splitlines())


def cursor_text(cursor: Cursor) -> str:
    """A cursor as it stands in a link: microseconds since 1970 and the key."""
    return f"{(cursor.at - EPOCH) // timedelta(microseconds=1)}-{cursor.pk}"


def cursor_from(text: str) -> Cursor | None:
    """The cursor of a link; None where somebody has changed the link by hand."""
    moment, dash, key = text.partition("-")
    if not (dash and moment.isdecimal() and key.isdecimal() and len(moment) < 17 and len(key) < 19):
        return None
    return Cursor(at=EPOCH + timedelta(microseconds=int(moment)), pk=int(key))


def _with_defaults(request: ConsoleRequest) -> QueryDict:
    """A link may name only what it narrows; the form still shows what holds for the rest."""
    query = request.GET.copy()
    preferred = str(request.user.rows)
    sizes = {size for size, _label in PAGE_SIZES}
    query.setdefault("time", LAST_WEEK)
    query.setdefault("items", preferred if preferred in sizes else str(DEFAULT_PAGE_SIZE))
    return query


def _bare(asked: QueryDict) -> QueryDict:
    """The search without its place in the pages, what was left empty, and a custom range's fields where another range
    is chosen."""
    query = asked.copy()
    left_out = ("after",) if query.get("time") == CUSTOM else ("after", "start", "end")
    for name in [*left_out, *(name for name, values in query.lists() if not any(values))]:
        query.pop(name, None)
    return query


def _with_trail(request: ConsoleRequest, trail: list[str]) -> str:
    return with_trail(request.path, _bare(request.GET), trail)
