"""System Administration > Users (seg-webui 8.6). What is done here is done at once, without commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from seg_console.accounts import users
from seg_console.accounts.document import account_settings
from seg_console.accounts.forms.users import AddUserForm, EditUserForm
from seg_console.accounts.models import User
from seg_console.accounts.passphrases import generated, has_expired
from seg_console.accounts.roles import Role
from seg_console.config import running
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest

ROWS = 100


@dataclass(frozen=True, slots=True)
class UserRow:
    """A row of the table. `can_...`: what the person looking may do with the account now."""

    pk: int
    username: str
    full_name: str
    role: str
    locked_at: datetime | None
    last_login: datetime | None
    must_change: bool
    has_expired: bool
    changed_at: datetime | None
    can_lock: bool
    can_unlock: bool
    can_delete: bool


@require_safe
@requires(Privilege.VIEW_USERS)
def user_list(request: ConsoleRequest) -> HttpResponse:
    return _list_page(request)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_USERS)
@never_cache
@labelled_by(AddUserForm)
def add(request: ConsoleRequest) -> HttpResponse:
    if request.method != "POST":
        return _add_page(request, AddUserForm())
    if "generate" in request.POST:
        made = generated()
        return _add_page(request, AddUserForm(initial=request.POST.dict(), generated=made), generated_now=made)
    form = AddUserForm(request.POST)
    if form.is_valid() and _added(request, form):
        return redirect("accounts:users")
    return _add_page(request, form, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_USERS)
@never_cache
@labelled_by(EditUserForm)
def edit(request: ConsoleRequest, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    form = _edit_form(request, user)
    made = str(form.initial.get("passphrase", ""))
    if made or not form.is_bound:
        return _edit_page(request, user, form, generated_now=made)
    if not form.is_valid():
        return _edit_page(request, user, form, status=422)
    cleaned = form.cleaned_data
    users.change(
        user,
        full_name=cleaned["full_name"],
        role=Role(cleaned.get("role", user.role)),
        passphrase=cleaned.get("passphrase", ""),
        by=request.user,
    )
    messages.success(request, _("User “%(name)s” was changed.") % {"name": user.username})
    return redirect("accounts:users")


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_USERS)
def delete(request: ConsoleRequest, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    refusal = users.why_not_delete(user, by=request.user)
    if refusal:
        return _refused(request, refusal)
    if request.method == "POST":
        users.delete(user, by=request.user)
        messages.success(request, _("User “%(name)s” was deleted.") % {"name": user.username})
        return redirect("accounts:users")
    context = {
        "title": _("Delete User"),
        "question": _("Delete the user “%(name)s”?") % {"name": user.username},
        "notes": [
            _("This is done at once: the user's sessions end, and changes that the user has not committed are lost."),
            _("What the user has committed stays, and so does the audit log."),
        ],
        "action": _("Delete"),
        "cancel_url": reverse("accounts:users"),
    }
    return render(request, "includes/confirm.html", context)


@require_POST
@requires(Privilege.CHANGE_USERS)
def lock(request: ConsoleRequest, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    try:
        changed = users.lock(user, by=request.user)
    except users.Refused as refusal:
        return _refused(request, str(refusal))
    words = _("User “%(name)s” was locked.") if changed else _("User “%(name)s” was locked already.")
    messages.success(request, words % {"name": user.username})
    return redirect("accounts:users")


@require_POST
@requires(Privilege.CHANGE_USERS)
def unlock(request: ConsoleRequest, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    words = _("User “%(name)s” was unlocked.")
    if not users.unlock(user, by=request.user):
        words = _("User “%(name)s” was not locked.")
    messages.success(request, words % {"name": user.username})
    return redirect("accounts:users")


@require_POST
@requires(Privilege.CHANGE_USERS)
def enforce(request: ConsoleRequest) -> HttpResponse:
    """The users whose rows are checked; one that was deleted meanwhile is passed over."""
    keys = [key for key in request.POST.getlist("user") if key.isdecimal()][:ROWS]
    chosen = list(User.objects.filter(pk__in=keys))
    if not chosen:
        return _refused(request, _("Check the rows of the users who are to change their passphrase."))
    users.enforce_passphrase_change(chosen, by=request.user)
    messages.success(
        request,
        ngettext(
            "%(n)d user must change the passphrase before anything else.",
            "%(n)d users must change the passphrase before anything else.",
            len(chosen),
        )
        % {"n": len(chosen)},
    )
    return redirect("accounts:users")


def _list_page(request: ConsoleRequest, *, status: int = 200) -> HttpResponse:
    after = request.GET.get("after", "")
    found = list(User.objects.filter(username__gt=after).order_by("username")[: ROWS + 1])
    shown, here = found[:ROWS], reverse("accounts:users")
    more = f"{here}?{urlencode({'after': shown[-1].username})}" if len(found) > ROWS else ""
    may_change = request.user.may(Privilege.CHANGE_USERS)
    context = {
        "rows": _rows(shown, looking=request.user, may_change=may_change),
        "may_change": may_change,
        "first_url": here if after else "",
        "next_url": more,
    }
    return render(request, "accounts/users.html", context, status=status)


def _rows(shown: Sequence[User], *, looking: User, may_change: bool) -> list[UserRow]:
    expiry, now = account_settings(running.current().document).passphrase_expiry, timezone.now()
    return [
        UserRow(
            pk=user.pk,
            username=user.username,
            full_name=user.full_name,
            role=user.get_role_display(),
            locked_at=user.locked_at,
            last_login=user.last_login,
            must_change=user.must_change_passphrase,
            has_expired=has_expired(user.passphrase_changed_at or user.date_joined, after_days=expiry, now=now),
            changed_at=user.passphrase_changed_at,
            can_lock=may_change and not user.locked_at and not users.why_not_lock(user, by=looking),
            can_unlock=may_change and user.locked_at is not None,
            can_delete=may_change and not users.why_not_delete(user, by=looking),
        )
        for user in shown
    ]


def _refused(request: ConsoleRequest, sentence: str) -> HttpResponse:
    messages.error(request, sentence)
    return _list_page(request, status=422)


def _added(request: ConsoleRequest, form: AddUserForm) -> bool:
    cleaned = form.cleaned_data
    name = cleaned["username"]
    try:
        users.add(
            name,
            full_name=cleaned["full_name"],
            role=Role(cleaned["role"]),
            passphrase=cleaned["passphrase"],
            by=request.user,
        )
    except IntegrityError:
        form.add_error("username", _("There is a user of this name already."))
        return False
    messages.success(request, _("User “%(name)s” was added. The account can be used now.") % {"name": name})
    return True


def _add_page(
    request: ConsoleRequest, form: AddUserForm, *, generated_now: str = "", status: int = 200
) -> HttpResponse:
    context = {"title": _("Add User"), "form": form, "generated": generated_now, "with_passphrase": True}
    return render(request, "accounts/edit_user.html", context, status=status)


def _edit_form(request: ConsoleRequest, user: User) -> EditUserForm:
    with_passphrase = not users.why_not_set_passphrase(user, by=request.user)
    present = {"full_name": user.full_name, "role": user.role}
    wants_one = with_passphrase and "generate" in request.POST
    is_submitted = request.method == "POST" and not wants_one
    return EditUserForm(
        request.POST if is_submitted else None,
        initial=request.POST.dict() if wants_one else present,
        generated=generated() if wants_one else "",
        user=user,
        with_role=not users.why_not_change_role(user, by=request.user),
        with_passphrase=with_passphrase,
    )


def _edit_page(
    request: ConsoleRequest, user: User, form: EditUserForm, *, generated_now: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "title": _("Edit User"),
        "form": form,
        "edited": user,
        "generated": generated_now,
        "with_passphrase": "passphrase" in form.fields,
        "why_no_role": users.why_not_change_role(user, by=request.user),
        "why_no_passphrase": users.why_not_set_passphrase(user, by=request.user),
    }
    return render(request, "accounts/edit_user.html", context, status=status)
