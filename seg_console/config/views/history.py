"""Configuration History: what was committed, what differs between any two, and the way back."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.config import pending
from seg_console.config.changes import compare
from seg_console.config.forms import CompareForm
from seg_console.config.models import Configuration
from seg_console.config.views.file import document_response
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.requests import ConsoleRequest


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def show(request: ConsoleRequest) -> HttpResponse:
    rows, running = request.user.rows, pending.committed()
    entries = Configuration.objects.committed()
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 10:
        entries = entries.filter(number__lt=int(before))
    page = list(entries[: rows + 1])
    shown = page[:rows]
    context = {
        "entries": shown,
        "running_number": running.number,
        # What one most often wants to see: the last change of those shown.
        "from_number": shown[1].number if len(shown) > 1 else None,
        "to_number": shown[0].number if shown else None,
        "first_url": reverse("configuration:history") if before else "",
        "next_url": f"?{urlencode({'before': shown[-1].number})}" if len(page) > rows else "",
        "may_save": request.user.may(Privilege.SAVE_CONFIGURATION),
    }
    return render(request, "config/history.html", context)


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def compare_two(request: ConsoleRequest) -> HttpResponse:
    """What differs between any two: `?from=3&to=7`."""
    form = CompareForm(request.GET)
    numbers = form.cleaned_data if form.is_valid() else {}
    found = {entry.number: entry for entry in Configuration.objects.committed().filter(number__in=numbers.values())}
    for name, number in tuple(numbers.items()):
        if number not in found:
            form.add_error(name, _("There is no configuration %(number)d.") % {"number": number})
    if form.errors:
        return render(request, "config/compare.html", {"form": form}, status=422)
    return _comparison(request, form, found[numbers["from"]], found[numbers["to"]])


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def own_changes(request: ConsoleRequest, number: int) -> HttpResponse:
    """What one commit changed: the difference against the one before it."""
    after = _committed(number)
    before = Configuration.objects.committed().filter(number__lt=number).first()
    if before is None:
        messages.info(request, _("Configuration %(number)d is the first; nothing was before it.") % {"number": number})
        return redirect("configuration:history")
    form = CompareForm({"from": before.number, "to": after.number})
    return _comparison(request, form, before, after)


@require_safe
@requires(Privilege.SAVE_CONFIGURATION)
def export(request: ConsoleRequest, number: int) -> HttpResponse:
    return document_response(_committed(number))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def roll_back(request: ConsoleRequest, number: int) -> HttpResponse:
    """Shows what differs from the running configuration; a POST makes the old set pending."""
    old = _committed(number)
    if request.method == "POST":
        if pending.roll_back(request.user, number) is None:
            messages.info(request, _("Configuration %(number)d equals the running one.") % {"number": number})
            return redirect("configuration:history")
        messages.success(
            request,
            _("Configuration %(number)d is pending. It takes effect when you commit.") % {"number": number},
        )
        return redirect("configuration:uncommitted-changes")
    context = {"old": old, "comparison": compare(pending.committed(), old)}
    return render(request, "config/roll_back.html", context)


def _comparison(
    request: ConsoleRequest, form: CompareForm, before: Configuration, after: Configuration
) -> HttpResponse:
    context = {
        "form": form,
        "before": before,
        "after": after,
        "comparison": compare(before, after),
        "running_number": pending.committed().number,
        "may_save": request.user.may(Privilege.SAVE_CONFIGURATION),
    }
    return render(request, "config/compare.html", context)


def _committed(number: int) -> Configuration:
    return get_object_or_404(Configuration.objects.committed(), number=number)
