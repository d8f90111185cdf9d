"""The rows of a table in the set that a page shows: the one that an address names, and which of them are pending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from django.http import Http404

from seg_console.config.models import Configuration, ConfigurationObject
from seg_console.config.rows import some

Row = TypeVar("Row", bound=ConfigurationObject)


def find(model: type[Row], shown: Configuration, uid: UUID) -> Row:
    """Raises Http404."""
    manager: Any = model._default_manager
    found: Row | None = manager.filter(configuration=shown, uid=uid).first()
    if found is None:
        raise Http404
    return found


def changed(shown: Configuration, rows: Sequence[ConfigurationObject]) -> set[UUID]:
    """Those of some rows of one model that differ from the set that the pending one began from. One query for 500 of
    them, none where nothing is pending."""
    if shown.number is not None or shown.based_on_id is None or not rows:
        return set()
    model = type(rows[0])
    values = attrgetter("uid", *model.value_fields())
    committed = some(model, shown.based_on_id, [row.uid for row in rows])
    said = {uid: values(row) for uid, row in committed.items()}
    return {row.uid for row in rows if (said.get(row.uid) or _said_in_absence(row, values)) != values(row)}


def _said_in_absence(row: ConfigurationObject, values: Callable[[Any], Any]) -> Any:
    absent = row.in_its_absence()
    return values(absent) if absent else None
