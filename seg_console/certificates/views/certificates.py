"""Network > Certificates: what the gateway may prove its name with, as a server and as a client."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.certificates.forms import CertificateForm, ReplaceCertificateForm
from seg_console.certificates.models import Certificate
from seg_console.certificates.own import own_chain, own_name
from seg_console.certificates.pem import Described, described, missing_issuer
from seg_console.certificates.uses import uses_in
from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.config.uses import Use
from seg_console.config.views.submitting import submitted
from seg_console.privileges import Privilege
from seg_console.tables.deleting import InUse, delete_page
from seg_console.tables.rows import changed, find
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """One line of the list. `uid` is None for the gateway's own, which is no configuration; `described` is None where
    it has not been made yet."""

    uid: UUID | None
    name: str
    described: Described | None
    is_over: bool
    ends_soon: bool
    used_by: Sequence[Use]
    is_pending: bool


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def certificate_list(request: ConsoleRequest) -> HttpResponse:
    shown = pending.shown_to(request.user)
    certificates = _certificates(shown)
    pending_uids = changed(shown, certificates)
    uses, now = uses_in(shown), timezone.now()
    rows = [
        _row(
            row.name,
            described(row.certificate)[0],
            now,
            uid=row.uid,
            used_by=uses.get(row.name.casefold(), ()),
            is_pending=row.uid in pending_uids,
        )
        for row in certificates
    ]
    own = own_chain()
    rows.append(_row(own_name(), described(own)[0] if own else None, now, used_by=uses.get("", ())))
    return render(request, "certificates/certificates.html", {"rows": rows})


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def show(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    shown = pending.shown_to(request.user)
    row = find(Certificate, shown, uid)
    return _detail(request, row.name, row.certificate, used_by=uses_in(shown).get(row.name.casefold(), ()), uid=uid)


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def show_own(request: ConsoleRequest) -> HttpResponse:
    chain = own_chain()
    if not chain:
        raise Http404
    used_by = uses_in(pending.shown_to(request.user)).get("", ())
    return _detail(request, own_name(), chain, used_by=used_by, uid=None)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(CertificateForm)
def add(request: ConsoleRequest) -> HttpResponse:
    names = [row.name for row in _certificates(pending.shown_to(request.user))]
    form = CertificateForm(*_given(request), others=names, now=timezone.now())
    if form.is_bound and form.is_valid():
        row = Certificate(uid=uuid.uuid4(), **form.cleaned_data)
        success = _("Certificate “%(name)s” was added.") % {"name": row.name}
        if submitted(request, form, row, success=success):
            return redirect("certificates:list")
    return _form_page(request, _("Add Certificate"), form)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(ReplaceCertificateForm)
def replace(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    """A renewed certificate under the same name, so that whatever uses it goes on with the new one."""
    old = find(Certificate, pending.shown_to(request.user), uid)
    form = ReplaceCertificateForm(*_given(request), now=timezone.now())
    if form.is_bound and form.is_valid():
        row = Certificate(uid=uid, name=old.name, **form.cleaned_data)
        success = _("Certificate “%(name)s” was replaced.") % {"name": row.name}
        if submitted(request, form, row, success=success):
            return redirect("certificates:list")
    return _form_page(request, _("Replace Certificate: %(name)s") % {"name": old.name}, form)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def delete(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    shown = pending.shown_to(request.user)
    row = find(Certificate, shown, uid)
    name = {"name": row.name}
    words = _("Certificate “%(name)s” is in use and cannot be deleted. Choose another one first where it is used:")
    return delete_page(
        request,
        row,
        title=_("Delete Certificate"),
        question=_("Delete certificate “%(name)s” and its private key?") % name,
        note=_("Nothing uses it. Older configurations in the history keep it."),
        success=_("Certificate “%(name)s” was deleted.") % name,
        list_view="certificates:list",
        in_use=InUse(
            words=words % name,
            back=_("Back to Certificates"),
            used_by=uses_in(shown).get(row.name.casefold(), ()),
        ),
    )


def _row(
    name: str,
    found: Described | None,
    now: datetime,
    *,
    uid: UUID | None = None,
    used_by: Sequence[Use],
    is_pending: bool = False,
) -> CertificateRow:
    is_over, ends_soon = (found.is_over(now), found.ends_soon(now)) if found else (False, False)
    return CertificateRow(uid, name, found, is_over, ends_soon, used_by, is_pending)


def _given(request: ConsoleRequest) -> tuple[object, ...]:
    return (request.POST, request.FILES) if request.method == "POST" else ()


def _form_page(request: ConsoleRequest, title: str, form: ReplaceCertificateForm) -> HttpResponse:
    context = {"title": title, "form": form, "cancel_url": reverse("certificates:list")}
    return render(request, "certificates/edit.html", context, status=422 if form.errors else 200)


def _detail(
    request: ConsoleRequest, name: str, chain: str, *, used_by: Sequence[Use], uid: UUID | None
) -> HttpResponse:
    now = timezone.now()
    rows = [_row(name, each, now, used_by=used_by) for each in described(chain)]
    context = {"name": name, "uid": uid, "rows": rows, "missing_issuer": missing_issuer(chain)}
    return render(request, "certificates/certificate.html", context)


def _certificates(configuration: Configuration) -> list[Certificate]:
    return sorted(Certificate.objects.filter(configuration=configuration), key=lambda row: row.name.casefold())
