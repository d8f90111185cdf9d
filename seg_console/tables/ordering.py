"""The page that numbers anew all rows of a table whose order decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise

from seg_console.config.models import ConfigurationObject
from seg_console.config.order import Row, renumbered
from seg_console.config.views.submitting import editing, submitted
from seg_console.ui.requests import ConsoleRequest

MOVES = {"up": -1, "down": 1}


class OrderForm(forms.Form):
    """One number for each row; `rows`: (uid, name) in the present order. They stand as `arranged`, by uid."""

    def __init__(
        self, *args: Any, rows: Sequence[tuple[str, str]], arranged: Sequence[str] = (), **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._present = {uid: place for place, (uid, _name) in enumerate(rows, start=1)}
        names = dict(rows)
        for place_shown, uid in enumerate(arranged or self._present, start=1):
            self.fields[uid] = forms.IntegerField(
                label=names[uid], min_value=1, max_value=99_999, initial=place_shown, localize=False
            )

    def order(self) -> list[str]:
        """The uids in their new order: a row given a number that is in use goes before the one that had it."""
        moved = {uid for uid, place in self._present.items() if self.cleaned_data[uid] != place}
        order = [uid for uid in self._present if uid not in moved]
        for uid in sorted(moved, key=lambda uid: (self.cleaned_data[uid], self._present[uid])):
            order.insert(min(self.cleaned_data[uid] - 1, len(order)), uid)
        return order


def _unnoted(order: Sequence[str]) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class OrderPage:
    """The words of a page that numbers rows. `last`: what the row that always comes last is called; `noted`: what is
    said of some rows, by uid, where the uids stand in this order."""

    title: str | Promise
    box_title: str | Promise
    column: str | Promise
    last: str | Promise
    success: str | Promise
    list_view: str
    noted: Callable[[Sequence[str]], Mapping[str, str]] = _unnoted


def order_page(request: ConsoleRequest, rows: Sequence[Row], page: OrderPage) -> HttpResponse:
    """Numbers to type; a button that moves a row shows the page again with the row moved, submitting nothing.
    `rows`: objects of the set shown, in their order. A redirect once the new order is pending."""
    objects = cast(Sequence[ConfigurationObject], rows)
    editing(request, *objects)
    names = [(str(row.uid), row.display_name()) for row in objects]
    if request.method != "POST":
        return _shown(request, OrderForm(rows=names), page)
    form = OrderForm(request.POST, rows=names)
    if not form.is_valid():
        return _shown(request, form, page, status=422)
    arranged = form.order()
    pressed = next((move for move in MOVES if move in request.POST), None)
    if pressed:
        moved = request.POST[pressed]
        form = OrderForm(rows=names, arranged=_moved(arranged, moved, by=MOVES[pressed]))
        return _shown(request, form, page, moved=moved)
    by_uid = {str(row.uid): row for row in rows}
    changed = cast(Sequence[ConfigurationObject], renumbered([by_uid[uid] for uid in arranged]))
    if submitted(request, form, *changed, success=str(page.success)):
        return redirect(page.list_view)
    return _shown(request, form, page, status=422)


def _shown(
    request: ConsoleRequest, form: OrderForm, page: OrderPage, *, moved: str = "", status: int = 200
) -> HttpResponse:
    notes = page.noted(list(form.fields))
    rows = [(bound, notes.get(bound.name, "")) for bound in form]
    context = {"form": form, "rows": rows, "page": page, "moved": moved}
    return render(request, "tables/order.html", context, status=status)


def _moved(arranged: Sequence[str], uid: str, *, by: int) -> list[str]:
    """The order with one row a place further up (-1) or down (1), where there is one."""
    order = list(arranged)
    at = order.index(uid) if uid in order else -1
    if at >= 0 and 0 <= at + by < len(order):
        order[at], order[at + by] = order[at + by], order[at]
    return order
