"""Network > SMTP Routes (seg-webui 8.2)."""

from __future__ import annotations

import uuid
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.config import pending, replacing
from seg_console.config.forms import TextFileForm
from seg_console.config.views.submitting import editing, submitted, tell_submitted
from seg_console.delivery.document import MOST_ROUTES, SMTP_ROUTES, Route
from seg_console.delivery.forms.routes import RouteForm, RouteHostForm, checked_route, host_forms
from seg_console.delivery.models import ALL, SmtpRoute
from seg_console.delivery.views import route_files
from seg_console.privileges import Privilege
from seg_console.tables.deleting import delete_page
from seg_console.tables.files import export_file, import_file
from seg_console.tables.paging import page_of
from seg_console.tables.rows import changed, find
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def route_list(request: ConsoleRequest) -> HttpResponse:
    """Sorted by domain and paged by it: there may be 40,000."""
    shown = pending.shown_to(request.user)
    routes = SmtpRoute.objects.filter(configuration=shown)
    page = page_of(
        request,
        routes.exclude(domain=ALL),
        label=_("Receiving Domain begins with"),
        lookup="domain__istartswith",
        by="domain",
    )
    others = routes.filter(domain=ALL).first()
    pending_uids = changed(shown, [*page.rows, *([others] if others else [])])
    context = {
        "rows": [_shown(row, pending_uids) for row in page.rows],
        "others": _shown(others, pending_uids) if others else None,
        **page.context(),
    }
    return render(request, "delivery/smtp_routes.html", context, status=page.form.status)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(RouteForm, row=RouteHostForm)
def add(request: ConsoleRequest) -> HttpResponse:
    return _edit(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(RouteForm, row=RouteHostForm)
def edit(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    return _edit(request, find(SmtpRoute, pending.shown_to(request.user), uid))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def delete(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    route = find(SmtpRoute, pending.shown_to(request.user), uid)
    name = {"name": route.display_name()}
    return delete_page(
        request,
        route,
        title=_("Delete SMTP Route"),
        question=_("Delete the route for “%(name)s”?") % name,
        note=_("Its mail goes by a wider route or by DNS when you commit."),
        success=_("The route for “%(name)s” was deleted.") % name,
        list_view="smtp-routes:list",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def clear(request: ConsoleRequest) -> HttpResponse:
    """Clear All Routes: the one for all other domains too."""
    if request.method == "POST":
        result = replacing.replace(request.user, SMTP_ROUTES, ())
        words = ngettext("%(n)s route was deleted.", "%(n)s routes were deleted.", result.removed)
        tell_submitted(request, words % {"n": result.removed})
        return redirect("smtp-routes:list")
    count = SmtpRoute.objects.filter(configuration=pending.shown_to(request.user)).count()
    question = ngettext("Delete the only route?", "Delete all %(n)s routes?", count)
    context = {
        "title": _("Clear All Routes"),
        "question": question % {"n": count},
        "notes": [_("All mail is delivered by DNS when you commit.")],
        "action": _("Clear All Routes"),
        "cancel_url": reverse("smtp-routes:list"),
    }
    return render(request, "includes/confirm.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(TextFileForm)
def import_table(request: ConsoleRequest) -> HttpResponse:
    return import_file(request, route_files.FILE)


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def export_table(request: ConsoleRequest) -> HttpResponse:
    return export_file(request, route_files.FILE)


def _shown(row: SmtpRoute, pending_uids: set[UUID]) -> dict[str, Any]:
    return {
        "uid": row.uid,
        "domain": row.display_name(),
        "hosts": sorted(row.hosts, key=lambda host: host["priority"]),
        "is_pending": row.uid in pending_uids,
    }


def _edit(request: ConsoleRequest, route: SmtpRoute | None) -> HttpResponse:
    editing(request, route)
    if request.method != "POST":
        initial = {"domain": route.domain if route else request.GET.get("domain", "")}
        return _edit_page(
            request, route, RouteForm(initial=initial), host_forms(initial=route.hosts if route else None)
        )
    form, hosts = RouteForm(request.POST), host_forms(data=request.POST)
    checked = checked_route(form, hosts)
    if checked and not route and _is_full(request):
        words = _("The table is full: %(most)s routes, the one for all other domains counted.")
        form.add_error(None, words % {"most": MOST_ROUTES})
        checked = None
    if checked and submitted(request, form, _row(checked, route), success=_words(checked, route)):
        return redirect("smtp-routes:list")
    return _edit_page(request, route, form, hosts, status=422)


def _edit_page(
    request: ConsoleRequest,
    route: SmtpRoute | None,
    form: RouteForm,
    hosts: forms.BaseFormSet[RouteHostForm],
    *,
    status: int = 200,
) -> HttpResponse:
    title = _("Edit SMTP Route") if route else _("Add SMTP Route")
    context: dict[str, Any] = {"title": title, "form": form, "hosts": hosts}
    return render(request, "delivery/edit_route.html", context, status=status)


def _row(checked: Route, old: SmtpRoute | None) -> SmtpRoute:
    hosts = checked.model_dump(mode="json")["hosts"]
    return SmtpRoute(uid=old.uid if old else uuid.uuid4(), domain=checked.domain, hosts=hosts)


def _words(checked: Route, old: SmtpRoute | None) -> str:
    name = _("All Other Domains") if checked.domain == ALL else checked.domain
    words = _("The route for “%(name)s” was changed.") if old else _("The route for “%(name)s” was added.")
    return words % {"name": name}


def _is_full(request: ConsoleRequest) -> bool:
    return SmtpRoute.objects.filter(configuration=pending.shown_to(request.user)).count() >= MOST_ROUTES
