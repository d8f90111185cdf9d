"""Uncommitted Changes, Configuration File and Configuration History (seg-webui 2.5, 2.6, 8.9)."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from seg_console.accounts.models import User
from seg_console.accounts.roles import Privilege
from seg_console.config import document, pending
from seg_console.config.changes import Change, changes
from seg_console.config.forms import LoadForm
from seg_console.config.models import Configuration
from seg_console.config.problems import InvalidConfiguration
from seg_console.ui.access import requires
from seg_console.ui.requests import ConsoleRequest

HISTORY_ROWS = 50
LONGEST_COMMENT = 2000


@require_safe
@requires(Privilege.CHANGE_CONFIGURATION)
def uncommitted_changes(request: ConsoleRequest) -> HttpResponse:
    return _uncommitted(request, {})


@require_POST
@requires(Privilege.CHANGE_CONFIGURATION)
def commit(request: ConsoleRequest) -> HttpResponse:
    comment = request.POST.get("comment", "").strip()[:LONGEST_COMMENT]
    # The second confirmation carries the number it was asked against: a collision nobody has seen is never overwritten.
    seen = request.POST.get("overwrite", "")
    try:
        done = pending.commit(
            request.user, comment, overwrite=bool(seen), seen=int(seen) if seen.isdecimal() and len(seen) < 10 else None
        )
    except pending.NothingPending:
        messages.info(request, _("There are no pending changes."))
        return redirect("configuration:uncommitted-changes")
    except pending.Collisions as collisions:
        return _uncommitted(request, {"collisions": collisions, "comment": comment}, status=409)
    except InvalidConfiguration as invalid:
        return _uncommitted(request, {"problems": invalid.problems, "comment": comment}, status=422)
    if done.changed:
        messages.success(
            request, _("Your changes have been committed as configuration %(number)d.") % {"number": done.number}
        )
    else:
        messages.info(request, _("Your changes were the same as the running configuration; nothing was committed."))
    return redirect(_back_url(request))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def abandon(request: ConsoleRequest) -> HttpResponse:
    if request.method == "POST":
        pending.abandon(request.user)
        messages.success(request, _("Your pending changes have been abandoned."))
        return redirect("accounts:home")
    context = {
        "title": _("Abandon Changes"),
        "question": _("Abandon all your pending changes?"),
        "notes": [_("The running configuration stays as it is. What you submitted since the last commit is lost.")],
        "action": _("Abandon Changes"),
        "cancel_url": reverse("configuration:uncommitted-changes"),
    }
    return render(request, "includes/confirm.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.SAVE_CONFIGURATION, to_change=Privilege.CHANGE_CONFIGURATION)
def file(request: ConsoleRequest) -> HttpResponse:
    """The page; a POST shows what the document given would change, and changes nothing."""
    if request.method != "POST":
        return _file_page(request, LoadForm())
    form = LoadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _file_page(request, form, status=422)
    text = form.text()
    try:
        found = _preview(request.user, document.read(text))
    except InvalidConfiguration as invalid:
        return _file_page(request, form, problems=invalid.problems, status=422)
    return render(request, "config/file_preview.html", {"changes": found, "document_text": text})


@require_POST
@requires(Privilege.CHANGE_CONFIGURATION)
def file_load(request: ConsoleRequest) -> HttpResponse:
    try:
        pending.load_pending(request.user, document.read(request.POST.get("document", "")))
    except InvalidConfiguration as invalid:
        return _file_page(request, LoadForm(), problems=invalid.problems, status=422)
    messages.success(request, _("The configuration was loaded. It takes effect when you commit."))
    return redirect("configuration:uncommitted-changes")


@require_safe
@requires(Privilege.SAVE_CONFIGURATION)
def file_download(request: ConsoleRequest) -> HttpResponse:
    wants_pending = request.GET.get("set") == "pending"
    chosen = pending.shown_to(request.user) if wants_pending else pending.committed()
    name = f"configuration-{chosen.number or 'pending'}.json"
    text = json.dumps(document.dump(chosen), indent=2, ensure_ascii=False) + "\n"
    response = HttpResponse(text, content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def history(request: ConsoleRequest) -> HttpResponse:
    entries = Configuration.objects.committed()
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) < 10:
        entries = entries.filter(number__lt=int(before))
    page = list(entries[: HISTORY_ROWS + 1])
    shown = page[:HISTORY_ROWS]
    context = {
        "entries": shown,
        "running_number": pending.committed().number,
        "older_url": f"?before={shown[-1].number}" if len(page) > HISTORY_ROWS else "",
    }
    return render(request, "config/history.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.VIEW_CONFIGURATION, to_change=Privilege.CHANGE_CONFIGURATION)
def roll_back(request: ConsoleRequest, number: int) -> HttpResponse:
    """Shows what differs from the running configuration; a POST makes the old set pending."""
    old = get_object_or_404(Configuration.objects.committed(), number=number)
    if request.method == "POST":
        if pending.roll_back(request.user, number) is None:
            messages.info(request, _("Configuration %(number)d equals the running one.") % {"number": number})
            return redirect("configuration:history")
        messages.success(
            request,
            _("Configuration %(number)d is pending. It takes effect when you commit.") % {"number": number},
        )
        return redirect("configuration:uncommitted-changes")
    context = {"old": old, "changes": changes(pending.committed(), old)}
    return render(request, "config/roll_back.html", context)


def _uncommitted(request: ConsoleRequest, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    context |= {
        "pending": pending.pending_of(request.user),
        "changes": pending.pending_changes(request.user),
        "others": pending.others_pending(request.user),
        "back_url": _back_url(request),
    }
    return render(request, "config/uncommitted_changes.html", context, status=status)


def _file_page(request: ConsoleRequest, form: LoadForm, *, status: int = 200, problems: Any = ()) -> HttpResponse:
    context = {"form": form, "problems": problems, "number": pending.committed().number}
    return render(request, "config/file.html", context, status=status)


def _preview(user: User, content: object) -> list[Change]:
    """What loading would change. Loads inside a transaction that is rolled back. Raises InvalidConfiguration."""
    with transaction.atomic():
        pending.load_pending(user, content)
        found = pending.pending_changes(user)
        transaction.set_rollback(True)
    return found


def _back_url(request: ConsoleRequest) -> str:
    """The page the user came from, if it is one of ours and not this one; else the first page."""
    asked = request.POST.get("back") or request.headers.get("Referer", "")
    own = url_has_allowed_host_and_scheme(asked, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    if not own or reverse("configuration:uncommitted-changes") in asked:
        return reverse("accounts:home")
    return asked
