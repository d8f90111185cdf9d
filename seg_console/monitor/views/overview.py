"""Monitor > Overview (seg-webui 7.2): system state, incoming mail, and what an empty system needs next."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from seg_console.accounts.preferences import TIME_RANGES, time_range_of
from seg_console.config import running
from seg_console.config.pending import ensure_initial
from seg_console.delivery import status
from seg_console.gateway.running import listener_place
from seg_console.gateway.views.listening import listening_now
from seg_console.mail import tracking
from seg_console.mail.summary import mail_summary
from seg_console.monitor.setup import Setup, setup_of
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.requests import ConsoleRequest


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the checklist. `url` is empty where the role may not do it; `command` is to be typed elsewhere."""

    title: str
    help: str
    done: bool
    url: str = ""
    command: str = ""


@require_safe
@requires(Privilege.VIEW_STATUS)
def overview(request: ConsoleRequest) -> HttpResponse:
    now = timezone.now()
    asked = request.GET.get("range", "")
    chosen = asked if asked in TIME_RANGES else time_range_of(request.user)
    ensure_initial()
    current = running.current()
    setup = current.value(setup_of)
    has_mail = tracking.oldest() is not None
    steps = [] if setup.is_complete and has_mail else _steps(setup, has_mail=has_mail, request=request)
    context = {
        "now": now,
        "running_number": current.number,
        "smtp_address": current.value(listener_place),
        "listening": listening_now(now),
        "queue": status.queue_totals(),
        "summary": mail_summary(now - TIME_RANGES[chosen][1]),
        "ranges": [(key, label) for key, (label, _span) in TIME_RANGES.items()],
        "chosen_range": chosen,
        "steps": steps,
        "steps_done": sum(step.done for step in steps),
        "may_track": request.user.may(Privilege.VIEW_TRACKING),
    }
    return render(request, "monitor/overview.html", context)


def _steps(setup: Setup, *, has_mail: bool, request: ConsoleRequest) -> list[Step]:
    may_change = request.user.may(Privilege.CHANGE_CONFIGURATION)

    def page(view: str) -> str:
        return reverse(view) if may_change else ""

    return [
        Step(
            _("Accept a domain"),
            _("Add your domain to the Recipient Access Table; until then every recipient is refused."),
            setup.accepts_domain,
            page("recipient-access:list" if setup.accepts_domain else "recipient-access:add"),
        ),
        Step(
            _("Route it"),
            _("Say in SMTP Routes which mail server takes its mail; without a route the domain is looked up in DNS."),
            setup.has_route,
            page("smtp-routes:list" if setup.has_route else "smtp-routes:add"),
        ),
        Step(
            _("Set the message intake address"),
            _("Enable the Threat Defense Connector with the address that its portal shows."),
            setup.connector_ready,
            page("tdc:settings" if setup.connector_ready else "tdc:edit-settings"),
        ),
        Step(
            _("Choose per policy"),
            _("Click a policy's Threat Defense Connector cell: no scan, the default address or one of its own."),
            setup.some_policy_copies,
            page("policies:list"),
        ),
        Step(
            _("Send a test message"),
            _("Commit your changes first. Then, from a shell on this machine:"),
            has_mail,
            command=_test_command(setup),
        ),
    ]


def _test_command(setup: Setup) -> str:
    server = running.current().value(listener_place).nearby
    return f"swaks --server {server} --from sender@partner.example --to {setup.test_recipient}"
