"""Configuration File: download, load after a look at what it changes, reset (seg-webui 8.9)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from seg_console.audit.models import Act
from seg_console.audit.record import record
from seg_console.config import document, pending
from seg_console.config.changes import MOST_SHOWN, Comparison, compare
from seg_console.config.forms import LoadForm
from seg_console.config.lines import lines_of
from seg_console.config.models import Configuration, LoadedFile
from seg_console.config.problems import InvalidConfiguration, Problem
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest

if TYPE_CHECKING:
    from seg_console.accounts.models import User


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a file. `line` from 1, None where the text is no JSON."""

    path: str
    message: str
    line: int | None


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.VIEW_CONFIGURATION_FILE, to_change=Privilege.CHANGE_CONFIGURATION)
@labelled_by(LoadForm)
def show(request: ConsoleRequest) -> HttpResponse:
    """The page; a POST shows what the document given would change, and changes nothing."""
    if request.method != "POST":
        return _page(request, LoadForm())
    form = LoadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, form, status=422)
    text = form.text()
    try:
        comparison = _preview(request.user, document.read(text))
    except InvalidConfiguration as invalid:
        return _page(request, form, text=text, problems=invalid.problems, status=422)
    given, _new = LoadedFile.objects.update_or_create(owner=request.user, defaults={"text": text, "key": uuid4()})
    return render(request, "config/file_preview.html", {"comparison": comparison, "key": given.key})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def load(request: ConsoleRequest) -> HttpResponse:
    """Make pending what was looked at. The key says which document that was."""
    given = LoadedFile.objects.filter(owner=request.user).first() if request.method == "POST" else None
    if given is None or str(given.key) != request.POST.get("key", ""):
        if request.method == "POST":
            messages.warning(request, _("That file is not here any more. Load it again."))
        return redirect("configuration:file")
    try:
        pending.load_pending(request.user, document.read(given.text))
    except InvalidConfiguration as invalid:
        return _page(request, LoadForm(), text=given.text, problems=invalid.problems, status=422)
    given.delete()
    messages.success(request, _("The configuration was loaded. It takes effect when you commit."))
    return redirect("configuration:uncommitted-changes")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.SAVE_CONFIGURATION, to_change=Privilege.CHANGE_CONFIGURATION)
def download(request: ConsoleRequest) -> HttpResponse:
    """Asked for, secrets are masked; a button that says so gives them as they are, and is recorded."""
    wanted = request.POST.get("set") or request.GET.get("set")
    configuration = pending.shown_to(request.user) if wanted == "pending" else pending.committed()
    if request.method != "POST":
        return document_response(configuration)
    record(Act.SECRETS_DOWNLOADED, by=request.user, target=str(configuration.number or ""))
    return document_response(configuration, secrets=True)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.RESET_CONFIGURATION)
def reset(request: ConsoleRequest) -> HttpResponse:
    if request.method == "POST":
        pending.reset(request.user)
        messages.success(request, _("The initial configuration is pending. It takes effect when you commit."))
        return redirect("configuration:uncommitted-changes")
    notes = [
        _("Every setting gets its initial value: nobody receives mail and nothing is copied. Users stay."),
        _("It takes effect when you commit; until then you can abandon it."),
    ]
    if pending.pending_of(request.user):
        notes.append(_("Your present pending changes will be replaced."))
    context = {
        "title": _("Reset Configuration"),
        "question": _("Reset the whole configuration?"),
        "notes": notes,
        "action": _("Reset"),
        "cancel_url": reverse("configuration:file"),
    }
    return render(request, "includes/confirm.html", context)


def document_response(configuration: Configuration, *, secrets: bool = False) -> HttpResponse:
    """A set as a file; one that loads again, if it has no secrets or is given with them."""
    text = json.dumps(document.dump(configuration, secrets=secrets), indent=2, ensure_ascii=False) + "\n"
    response = HttpResponse(text, content_type="application/json")
    name = f"configuration-{configuration.number or 'pending'}.json"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _page(
    request: ConsoleRequest, form: LoadForm, *, text: str = "", problems: tuple[Problem, ...] = (), status: int = 200
) -> HttpResponse:
    shown = problems[:MOST_SHOWN]
    lines = lines_of(text, {problem.path for problem in shown}) if shown else {}
    context = {
        "form": form,
        "faults": [Fault(problem.path, problem.message, lines.get(problem.path)) for problem in shown],
        "faults_left_out": len(problems) - len(shown),
        "running": pending.committed(),
        "may_save": request.user.may(Privilege.SAVE_CONFIGURATION),
        "may_reset": request.user.may(Privilege.RESET_CONFIGURATION),
    }
    return render(request, "config/file.html", context, status=status)


def _preview(user: User, content: object) -> Comparison:
    """What loading would change. Loads inside a transaction that is rolled back. Raises InvalidConfiguration."""
    with transaction.atomic():
        pending.load_pending(user, content)
        found = compare(pending.committed(), pending.shown_to(user))
        transaction.set_rollback(True)
    return found
