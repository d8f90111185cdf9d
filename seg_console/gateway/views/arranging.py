"""Rows whose order decides: putting one in its place, and the page that numbers all of them anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise

from policies.forms import OrderForm
from seg_console.config.models import ConfigurationObject
from seg_console.config.order import place
from seg_console.config.views.submitting import editing, submitted
from seg_console.ui.requests import ConsoleRequest

MOVES = {"up": -1, "down": 1}


class Placed(Protocol):
    uid: UUID
    position: int


Row = TypeVar("Row", bound=Placed)


def inserted(row: Row, others: Sequence[Row], *, at: int, present: int | None) -> list[Row]:
    """The row put at a place (from 0) among others that stand in their order, and those that must make room for it.
    `present`: its own position so far, None of a new one."""
    arranged = [*others[:at], row, *others[at:]]
    positions = [present if each is row else each.position for each in arranged]
    changed = []
    for each, position in zip(arranged, place(positions), strict=True):
        if each is row or each.position != position:
            each.position = position
            changed.append(each)
    return changed


def renumbered(rows: Sequence[Row]) -> list[Row]:
    """Those rows of a new order that had to get another position."""
    changed = []
    for row, position in zip(rows, place([row.position for row in rows]), strict=True):
        if row.position != position:
            row.position = position
            changed.append(row)
    return changed


@dataclass(frozen=True, slots=True)
class OrderPage:
    """The words of a page that numbers rows. `last`: what the row that always comes last is called."""

    title: str
    box_title: str
    column: str
    last: str
    success: str | Promise
    list_view: str


def order_page(
    request: ConsoleRequest,
    rows: Sequence[Row],
    page: OrderPage,
    *,
    named: Callable[[Row], str],
    written: Callable[[Row], ConfigurationObject],
) -> HttpResponse:
    """Numbers to type; a button that moves a row shows the page again with the row moved, submitting nothing."""
    editing(request, *map(written, rows))
    names = [(str(row.uid), named(row)) for row in rows]
    if request.method != "POST":
        return render(request, "gateway/order.html", {"form": OrderForm(policies=names), "page": page})
    form = OrderForm(request.POST, policies=names)
    if not form.is_valid():
        return render(request, "gateway/order.html", {"form": form, "page": page}, status=422)
    arranged = form.order()
    pressed = next((move for move in MOVES if move in request.POST), None)
    if pressed:
        moved = request.POST[pressed]
        form = OrderForm(policies=names, arranged=_moved(arranged, moved, by=MOVES[pressed]))
        return render(request, "gateway/order.html", {"form": form, "page": page, "moved": moved})
    by_uid = {str(row.uid): row for row in rows}
    changed = [written(row) for row in renumbered([by_uid[uid] for uid in arranged])]
    if submitted(request, form, *changed, success=str(page.success)):
        return redirect(page.list_view)
    return render(request, "gateway/order.html", {"form": form, "page": page}, status=422)


def _moved(arranged: Sequence[str], uid: str, *, by: int) -> list[str]:
    """The order with one row a place further up (-1) or down (1), where there is one."""
    order = list(arranged)
    at = order.index(uid) if uid in order else -1
    if at >= 0 and 0 <= at + by < len(order):
        order[at], order[at + by] = order[at + by], order[at]
    return order
