"""Network > Bounce Profiles."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Lower
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.config import pending
from seg_console.config.models import Configuration
from seg_console.config.uses import Use
from seg_console.config.views.submitting import editing, submitted
from seg_console.delivery.document import BOUNCE_PROFILE, NamedBounces
from seg_console.delivery.forms.bounces import BounceForm
from seg_console.delivery.forms.problems import checked
from seg_console.delivery.models import (
    DEFAULT_PROFILE,
    BounceProfile,
    BounceRules,
    DestinationControl,
    NamedBounceProfile,
)
from seg_console.privileges import Privilege
from seg_console.tables.deleting import InUse, delete_page
from seg_console.tables.rows import changed, find
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest

VALUES = ("max_retries", "max_queue_time", "initial_retry", "max_retry")
# Of the destinations that name a profile; the rest is counted by a sign that there is more.
USERS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ShownProfile:
    """`used_by`: destinations that name it, at most USERS_SHOWN; `used_by_more`: there are others."""

    row: BounceRules
    name: str
    used_by: Sequence[Use]
    used_by_more: bool
    is_pending: bool


@require_safe
@requires(Privilege.VIEW_CONFIGURATION)
def show(request: ConsoleRequest) -> HttpResponse:
    """By name, the Default profile last."""
    shown = pending.shown_to(request.user)
    named = list(NamedBounceProfile.objects.filter(configuration=shown).order_by(Lower("name")))
    default = _default_profile(shown)
    users = _users_by_name(shown)
    pending_uids = changed(shown, named) | changed(shown, [default])
    rows: list[tuple[BounceRules, str]] = [(row, row.name) for row in named]
    context = {
        "rows": [_shown(row, name, users, pending_uids) for row, name in rows],
        "default": _shown(default, DEFAULT_PROFILE, users, pending_uids),
    }
    return render(request, "delivery/bounce_profiles.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(BounceForm)
def add(request: ConsoleRequest) -> HttpResponse:
    initial = {name: getattr(BounceProfile(), name) for name in VALUES}
    form = BounceForm(request.POST if request.method == "POST" else None, initial=initial)
    return _answer(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(BounceForm)
def edit(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    row = find(NamedBounceProfile, pending.shown_to(request.user), uid)
    editing(request, row)
    initial = {name: getattr(row, name) for name in ("name", *VALUES)}
    form = BounceForm(request.POST if request.method == "POST" else None, initial=initial)
    return _answer(request, form, row)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(BounceForm)
def edit_default(request: ConsoleRequest) -> HttpResponse:
    row = _default_profile(pending.shown_to(request.user))
    editing(request, row)
    initial = {name: getattr(row, name) for name in VALUES}
    form = BounceForm(request.POST if request.method == "POST" else None, initial=initial, is_default=True)
    if form.is_bound and form.is_valid():
        new = BounceProfile(uid=BOUNCE_PROFILE.fixed_uid, **form.cleaned_data)
        if submitted(request, form, new, success=_("The Default bounce profile was changed.")):
            return redirect("bounce-profiles:list")
    return _form_page(request, form, _("Edit Default Bounce Profile"))


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
def delete(request: ConsoleRequest, uid: UUID) -> HttpResponse:
    shown = pending.shown_to(request.user)
    row = find(NamedBounceProfile, shown, uid)
    name, users = {"name": row.name}, _users(shown, row.name)
    words = _(
        "Bounce profile “%(name)s” is in use and cannot be deleted. Give these destinations another profile first:"
    )
    return delete_page(
        request,
        row,
        title=_("Delete Bounce Profile"),
        question=_("Delete the bounce profile “%(name)s”?") % name,
        note=_("No destination uses it."),
        success=_("The bounce profile “%(name)s” was deleted.") % name,
        list_view="bounce-profiles:list",
        in_use=InUse(
            words=words % name,
            back=_("Back to Bounce Profiles"),
            used_by=_uses(users),
            more=len(users) > USERS_SHOWN,
        ),
    )


def _answer(request: ConsoleRequest, form: BounceForm, row: NamedBounceProfile | None) -> HttpResponse:
    profile = checked(form, NamedBounces, form.cleaned_data) if form.is_bound and form.is_valid() else None
    if profile:
        new = NamedBounceProfile(uid=row.uid if row else uuid.uuid4(), **profile.model_dump())
        words = (
            _("The bounce profile “%(name)s” was changed.") if row else _("The bounce profile “%(name)s” was added.")
        )
        renamed = _renamed(pending.shown_to(request.user), row, profile.name)
        if submitted(request, form, new, *renamed, success=words % {"name": profile.name}):
            return redirect("bounce-profiles:list")
    return _form_page(request, form, _("Edit Bounce Profile") if row else _("Add Bounce Profile"))


def _form_page(request: ConsoleRequest, form: BounceForm, title: str) -> HttpResponse:
    context = {
        "title": title,
        "box_title": _("Bounce Profile"),
        "form": form,
        "cancel_url": reverse("bounce-profiles:list"),
    }
    return render(request, "includes/simple_form.html", context, status=422 if form.errors else 200)


def _renamed(shown: Configuration, row: NamedBounceProfile | None, name: str) -> list[DestinationControl]:
    """The destinations that name the profile, with its new name: they go with it."""
    if row is None or row.name == name:
        return []
    users = list(_naming(shown, row.name))
    for user in users:
        user.bounce_profile = name
    return users


def _naming(shown: Configuration, name: str) -> Sequence[DestinationControl]:
    found = DestinationControl.objects.filter(configuration=shown, bounce_profile__iexact=name)
    return found.order_by("domain")  # type: ignore[return-value]  # a queryset is a sequence of its rows


def _uses(users: Sequence[DestinationControl]) -> list[Use]:
    edit = "destination-controls:edit"
    return [Use(row.display_name(), reverse(edit, args=[row.uid])) for row in users[:USERS_SHOWN]]


def _users(shown: Configuration, name: str) -> list[DestinationControl]:
    return list(_naming(shown, name)[: USERS_SHOWN + 1])


def _users_by_name(shown: Configuration) -> dict[str, list[DestinationControl]]:
    """One query, however many profiles there are; a list is longer than USERS_SHOWN where more use the profile."""
    by_name: dict[str, list[DestinationControl]] = defaultdict(list)
    found = DestinationControl.objects.filter(~Q(bounce_profile=""), configuration=shown).order_by("domain")
    for row in found.only("uid", "domain", "bounce_profile", "configuration_id").iterator():
        users = by_name[row.bounce_profile.casefold()]
        if len(users) <= USERS_SHOWN:
            users.append(row)
    return by_name


def _shown(
    row: BounceRules, name: str, users: dict[str, list[DestinationControl]], pending_uids: set[UUID]
) -> ShownProfile:
    used_by = users.get(name.casefold(), [])
    return ShownProfile(
        row=row,
        name=name,
        used_by=_uses(used_by),
        used_by_more=len(used_by) > USERS_SHOWN,
        is_pending=row.uid in pending_uids,
    )


def _default_profile(shown: Configuration) -> BounceProfile:
    """The initial values in a set that is older than the model."""
    found = BounceProfile.objects.filter(configuration=shown).first()
    return found or BounceProfile(uid=BOUNCE_PROFILE.fixed_uid)
