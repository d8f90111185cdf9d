"""What the tables of this app share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from django.http import Http404

from seg_console.config.models import Configuration, ConfigurationObject

Row = TypeVar("Row", bound=ConfigurationObject)


def find(model: type[Row], configuration: Configuration, uid: UUID) -> Row:
    """Raises Http404."""
    manager: Any = model._default_manager
    found: Row | None = manager.filter(configuration=configuration, uid=uid).first()
    if found is None:
        raise Http404
    return found


def changed(shown: Configuration, rows: Sequence[ConfigurationObject]) -> set[UUID]:
    """Those of some rows of one model that differ from the set that the pending one began from. At most one query."""
    if shown.number is not None or shown.based_on_id is None or not rows:
        return set()
    model = type(rows[0])
    values = attrgetter("uid", *model.value_fields())
    manager: Any = model._default_manager
    committed = manager.filter(configuration=shown.based_on_id, uid__in=[row.uid for row in rows])
    said = {row.uid: values(row) for row in committed}
    return {row.uid for row in rows if (said.get(row.uid) or _said_in_absence(row, values)) != values(row)}


def _said_in_absence(row: ConfigurationObject, values: Callable[[Any], Any]) -> Any:
    absent = row.in_its_absence()
    return values(absent) if absent else None
