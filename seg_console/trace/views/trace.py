"""Trace in the browser: a form, its answer on the same page, and what is worth saving as a file."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from seg_console.config import pending, running
from seg_console.config.models import Configuration
from seg_console.config.pending_set import CannotRun, running_of
from seg_console.config.running import Running
from seg_console.gateway.running import listener
from seg_console.mail.lines import visible
from seg_console.privileges import Privilege
from seg_console.trace.engine import Gateway, Traced, trace
from seg_console.trace.forms.trace import PENDING, TraceForm
from seg_console.trace.words import beginning, client_words, group_words, shown_part
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.VIEW_CONFIGURATION)
@labelled_by(TraceForm)
def trace_page(request: ConsoleRequest) -> HttpResponse:
    """The form; a POST shows what would become of the message, or hands out what it would be made into."""
    own = pending.pending_of(request.user)
    options: dict[str, Any] = {
        "has_pending": own is not None,
        "max_size": running.current().value(listener).max_message_size,
    }
    if request.method != "POST":
        return _page(request, TraceForm(**options))
    form = TraceForm(request.POST, request.FILES, **options)
    if not form.is_valid():
        return _page(request, form, status=422)
    wants_pending = form.cleaned_data["configuration"] == PENDING
    try:
        configuration = _chosen(own if wants_pending else None)
    except CannotRun as error:
        form.add_error("configuration", _refusal(error))
        return _page(request, form, status=422)
    gateway = Gateway(settings.SEG_HOSTNAME, timezone.get_default_timezone())
    traced = trace(form.question(), configuration, gateway, now=_moment(request.POST.get("at", "")))
    if "download" in request.POST:
        return _download(traced, request.POST["download"])
    number = None if wants_pending else configuration.number
    context = _shown(traced) | {"number": number, "carried": form.carried, "again": _again(form, traced)}
    return _page(request, form, context=context | {"can_download": traced.message is not None and form.can_carry})


def _chosen(own: Configuration | None) -> Running:
    return running.current() if own is None else running_of(own)


def _refusal(error: CannotRun) -> str:
    return _("The pending changes cannot run as they are: %(reason)s") % {"reason": "; ".join(error.reasons)}


def _moment(text: str) -> datetime:
    """The time of the trace that a file belongs to, so that it is the one that was shown; else now."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return timezone.now()
    return found if timezone.is_aware(found) else timezone.now()


def _shown(traced: Traced) -> dict[str, Any]:
    message, dialogue = traced.message, traced.dialogue
    return {
        "traced": traced,
        "client_words": client_words(traced.client),
        "group_words": group_words(traced.client),
        "sender": visible(dialogue.sender.about) if dialogue else "",
        "recipients": [(visible(each.about), each) for each in dialogue.recipients] if dialogue else [],
        "parts": [shown_part(part) for part in message.parts] if message else [],
        "beginning": beginning(message.content) if message else "",
        "size": len(message.content) if message else 0,
    }


def _again(form: TraceForm, traced: Traced) -> list[tuple[str, str]]:
    """The fields that ask for the same trace once more."""
    cleaned = form.cleaned_data
    plain = [(name, cleaned[name]) for name in ("source_ip", "source_name", "sender", "configuration")]
    recipients = ("recipients", "\n".join(cleaned["recipients"]))
    return [*plain, recipients, ("kept", form.carried), ("at", traced.at.isoformat())]


def _download(traced: Traced, wanted: str) -> HttpResponse:
    """Raises Http404 for what this message is not made into."""
    files = traced.files()
    if wanted not in files:
        raise Http404
    response = HttpResponse(files[wanted], content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="trace-{wanted}.eml"'
    return response


def _page(
    request: ConsoleRequest, form: TraceForm, *, context: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    return render(request, "trace/trace.html", {"form": form, **(context or {})}, status=status)
