"""Test Connection in the browser: ask a worker, then look at what it has found so far."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.audit.models import Act
from seg_console.audit.record import record
from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.config.pending_set import CannotRun
from seg_console.delivery.rehearsal import Step
from seg_console.delivery.verification import StrictFault, strict_fault
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.partials import page_or_partial
from seg_console.ui.requests import ConsoleRequest
from tdc.forms import ConnectionTestForm
from tdc.models import ConnectorSettings, Mode, PolicyChoice
from tdc.test_connection import run
from tdc.test_connection.run import Report, TooMany, Unavailable

POLL_S = 1
RELOAD_S = 3


@dataclass(frozen=True, slots=True)
class ShownStep:
    title: str
    ok: bool
    seconds: float
    text: str
    advice: str


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    subject: str
    issuer: str
    valid_until: datetime
    is_valid: bool
    names_issuer_key: bool


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(ConnectionTestForm)
def start(request: ConsoleRequest) -> HttpResponse:
    """Which intake to try; a POST has a worker try it and leads to what it finds."""
    shown = pending.shown_to(request.user)
    addresses = intake_addresses(shown)
    if request.method != "POST":
        form = ConnectionTestForm(initial={"address": request.GET.get("address", "")}, addresses=addresses)
        return _start_page(request, form, shown)
    form = ConnectionTestForm(request.POST, addresses=addresses)
    if not form.is_valid():
        return _start_page(request, form, shown, status=422)
    address, sends_copy = form.cleaned_data["address"], form.cleaned_data["send_copy"]
    try:
        key = run.ask(address, configuration=shown, sends_copy=sends_copy)
    except (Unavailable, TooMany, CannotRun) as error:
        form.add_error(None, _refusal(error))
        return _start_page(request, form, shown, status=422 if isinstance(error, CannotRun) else 503)
    detail = "One test copy is sent." if sends_copy else ""
    record(Act.CONNECTION_TESTED, by=request.user, target=address, detail=detail)
    return redirect("tdc:connection-test", key)


@require_safe
@requires(Privilege.CHANGE_CONFIGURATION)
def progress(request: ConsoleRequest, key: UUID) -> HttpResponse:
    """What is known so far; the page asks again until the test has ended."""
    try:
        report = run.found(key)
    except Unavailable as error:
        return render(request, "tdc/connection_test.html", {"trouble": _refusal(error)}, status=503)
    if report is None:
        raise Http404
    now = time.time()
    goes_on = not report.ended and not report.is_lost(now)
    context: dict[str, Any] = {
        "report": report,
        "key": key,
        "steps": [_step(step) for step in report.steps],
        "certificates": [_certificate(one) for one in report.certificates],
        "verdict": _verdict(report),
        "goes_on": goes_on,
        "is_silent": goes_on and report.is_silent(now),
        "is_lost": report.is_lost(now),
        "poll_seconds": POLL_S,
        "reload_seconds": RELOAD_S,
    }
    return page_or_partial(request, "tdc/connection_test.html", "progress", context)


def intake_addresses(configuration: Configuration) -> list[str]:
    """Every address that copies may go to, the default one first, each once. Two queries."""
    default = ConnectorSettings.objects.filter(configuration=configuration).values_list(
        "message_intake_address", flat=True
    )
    custom = PolicyChoice.objects.filter(configuration=configuration, mode=Mode.CUSTOM).order_by("address")
    found = [*default, *custom.values_list("address", flat=True)]
    return list(dict.fromkeys(address for address in found if address))


def _start_page(
    request: ConsoleRequest, form: ConnectionTestForm, shown: Configuration, *, status: int = 200
) -> HttpResponse:
    context = {"form": form, "is_pending_set": shown.number is None, "has_addresses": form.has_addresses}
    return render(request, "tdc/test_connection.html", context, status=status)


def _refusal(error: Exception) -> str:
    if isinstance(error, TooMany):
        return _("Other tests are running. Wait until one of them has ended, then try again.")
    if isinstance(error, CannotRun):
        return _("The pending changes cannot run as they are: %(reason)s") % {"reason": "; ".join(error.reasons)}
    return _("Redis does not answer, so no worker can be asked. Nothing was tested.")


def _step(step: Mapping[str, Any]) -> ShownStep:
    titles = {
        Step.RESOLVE: _("Resolve"),
        Step.DISCARD: _("Resolve"),
        Step.CONNECT: _("Connect"),
        Step.BANNER: _("Banner"),
        Step.EHLO: _("EHLO"),
        Step.STARTTLS: _("STARTTLS"),
        Step.EHLO_AGAIN: _("EHLO over TLS"),
        Step.MAIL: _("MAIL FROM"),
        Step.RCPT: _("RCPT TO"),
        Step.COPY: _("Test copy"),
        Step.QUIT: _("QUIT"),
    }
    which, seconds = Step(step["step"]), float(step["seconds"])
    lines = [str(step["text"])]  # what servers said stays as it is
    if which is Step.DISCARD:
        lines = [_("An SMTP route throws this mail away (/dev/null).")]
    if step["ran_out"]:
        lines.append(_("No answer within %(n)d seconds.") % {"n": round(seconds)})
    advice = "" if step["ok"] else _advice(strict_fault(str(step["text"])))
    return ShownStep(titles[which], bool(step["ok"]), seconds, "\n".join(filter(None, lines)), advice)


def _advice(fault: StrictFault | None) -> str:
    match fault:
        case None:
            return ""
        case StrictFault.NO_AUTHORITY_KEY:
            return _(
                "A certificate of the chain does not name its issuer's key (Authority Key Identifier), and Python 3.13 "
                "or newer refuses it. Have the authority issue it again with this extension."
            )
        case _:
            return _(
                "A certificate of the chain, or of your own authorities, is not as RFC 5280 demands, and Python 3.13 "
                "or newer refuses it. Have it issued again without this fault."
            )


def _certificate(one: run.Certificate) -> ShownCertificate:
    return ShownCertificate(
        one.subject, one.issuer, datetime.fromisoformat(one.valid_until), one.is_valid, one.names_issuer_key
    )


def _verdict(report: Report) -> str:
    """What the settings make of the certificates: verified, refused, or not asked."""
    if not report.checked:
        return _("Not verified: the settings do not ask for it.")
    encrypted = any(step["step"] == Step.STARTTLS and step["ok"] for step in report.steps)
    if encrypted:
        return _("Verified: the chain leads to a trusted authority, and the certificate is valid for the host.")
    return _("Refused; the reason stands at STARTTLS.")
