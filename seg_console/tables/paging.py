"""A long table of the set shown, searched by one text and paged by keyset: each page begins behind the last row of the
one before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Field, QuerySet
from django.http import QueryDict

from seg_console.config.models import ConfigurationObject
from seg_console.ui.requests import ConsoleRequest
from seg_console.ui.searches import LONGEST_TEXT

ROWS_SHOWN = 100

Row = TypeVar("Row", bound=ConfigurationObject)


class FindForm(forms.Form):
    """One text by which a long table is searched, sent in the address of its page."""

    find = forms.CharField(
        max_length=LONGEST_TEXT,
        required=False,
        widget=forms.TextInput(attrs={"autocapitalize": "off", "spellcheck": "false"}),
    )

    def __init__(self, query: QueryDict, *, label: Any) -> None:
        super().__init__(query if "find" in query else None, auto_id="%s")
        self.fields["find"].label = label

    @property
    def searched(self) -> str:
        """What to search for; "" for everything, also where what was given is refused."""
        return str(self.cleaned_data["find"]) if self.is_valid() else ""

    @property
    def status(self) -> int:
        """Of the page that is shown: 422 where the text was refused."""
        return 422 if self.errors else 200


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of one page, and where the first and the next page are: "" where there is no such one."""

    form: FindForm
    rows: list[Row]
    first_url: str
    next_url: str

    def context(self) -> dict[str, Any]:
        """For `tables/find.html` and `includes/table_pages.html`."""
        return {
            "form": self.form,
            "searched": self.form.searched,
            "first_url": self.first_url,
            "next_url": self.next_url,
        }


def page_of(request: ConsoleRequest, rows: QuerySet[Row], *, label: Any, lookup: str, by: str) -> Page[Row]:
    """The page that the address asks for, in the order of the field `by`, whose values differ. `label` says to people
    what the `lookup` does, such as `domain__istartswith`, with the text that they search for."""
    form, after = FindForm(request.GET, label=label), _cursor(rows, by, request.GET.get("after", ""))
    found = rows.filter(**{lookup: form.searched})
    if after is not None:
        found = found.filter(**{f"{by}__gt": after})
    read = list(found.order_by(by)[: ROWS_SHOWN + 1])
    shown = read[:ROWS_SHOWN]
    query = {"find": form.searched}
    return Page(
        form=form,
        rows=shown,
        first_url=f"?{urlencode(query)}" if after is not None else "",
        next_url=f"?{urlencode(query | {'after': getattr(shown[-1], by)})}" if len(read) > ROWS_SHOWN else "",
    )


def _cursor(rows: QuerySet[Row], by: str, text: str) -> Any:
    """The value that the page begins behind; None for the first page, and for what can be no value of the field."""
    field: Any = rows.model._meta.get_field(by)
    assert isinstance(field, Field)
    try:
        return field.clean(text, None)
    except ValidationError:
        return None
