"""Uncommitted Changes: review, commit, abandon (seg-webui 2.5, 2.6)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from seg_console.config import pending
from seg_console.config.changes import MOST_SHOWN, compare
from seg_console.config.collisions import CollidingObjects, side_by_side
from seg_console.config.commits import CommentRequired
from seg_console.config.forms import CommitForm
from seg_console.config.general import general_settings
from seg_console.config.mending import Mend, mends
from seg_console.config.problems import InvalidConfiguration, Problem
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.requests import ConsoleRequest, is_own

# Pages of one object stand below the page of all: where the object is gone, that one is left to go back to.
_BELOW_AN_OBJECT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a commit was not made, as its page shows it. `is_stale`: the changes are others than those that were looked
    at."""

    status: int
    collisions: tuple[CollidingObjects, ...] = ()
    collisions_left_out: int = 0
    # The committed set that the collisions were found against.
    number: int = 0
    mends: tuple[Mend, ...] = ()
    is_stale: bool = False


@require_safe
@requires(Privilege.CHANGE_CONFIGURATION)
def show(request: ConsoleRequest) -> HttpResponse:
    return _page(request)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.CHANGE_CONFIGURATION)
@labelled_by(CommitForm)
def commit(request: ConsoleRequest) -> HttpResponse:
    if request.method != "POST":
        return redirect("configuration:uncommitted-changes")
    form = CommitForm(request.POST, comment_required=_comment_required())
    if not form.is_valid():
        return _page(request, form, Refusal(422))
    own = pending.pending_of(request.user)
    if own and request.POST.get("reviewed", own.version) != own.version:
        return _page(request, form, Refusal(409, is_stale=True))
    # The second confirmation carries the number it was asked against: a collision nobody has seen is never overwritten.
    seen = request.POST.get("overwrite", "")
    try:
        done = pending.commit(
            request.user,
            form.cleaned_data["comment"],
            overwrite=bool(seen),
            seen=int(seen) if seen.isdecimal() and len(seen) < 10 else None,
        )
    except pending.NothingPending:
        messages.info(request, _("There are no pending changes."))
        return redirect("configuration:uncommitted-changes")
    except pending.Collisions as collisions:
        return _page(request, form, _collided(collisions))
    except InvalidConfiguration as invalid:
        return _page(request, form, _invalid(request, invalid.problems))
    except CommentRequired:  # somebody made the rule between our look and the commit
        form.refuse_empty_comment()
        return _page(request, form, Refusal(422))
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
    back = _back_url(request)
    if request.method == "POST":
        pending.abandon(request.user)
        messages.success(request, _("Your pending changes have been abandoned."))
        return redirect(_BELOW_AN_OBJECT.sub("", back))
    context = {
        "title": _("Abandon Changes"),
        "question": _("Abandon all your pending changes?"),
        "notes": [_("The running configuration stays as it is. What you submitted since the last commit is lost.")],
        "action": _("Abandon Changes"),
        "cancel_url": f"{reverse('configuration:uncommitted-changes')}?{urlencode({'back': back})}",
    }
    return render(request, "includes/confirm.html", context)


def _page(request: ConsoleRequest, form: CommitForm | None = None, refusal: Refusal | None = None) -> HttpResponse:
    own, back = pending.pending_of(request.user), _back_url(request)
    context = {
        "pending": own,
        "reviewed": own.version if own else "",
        "comparison": compare(own.based_on, own) if own and own.based_on else None,
        "form": form or CommitForm(comment_required=_comment_required()),
        "refusal": refusal,
        "back_url": back,
        "abandon_url": f"{reverse('configuration:abandon')}?{urlencode({'back': back})}",
    }
    status = refusal.status if refusal else 200
    return render(request, "config/uncommitted_changes.html", context, status=status)


def _comment_required() -> bool:
    """The rule in force is that of the running configuration, not that of the one being committed."""
    return general_settings(pending.committed()).comment_required


def _collided(found: pending.Collisions) -> Refusal:
    shown = tuple(side_by_side(one) for one in found.collisions[:MOST_SHOWN])
    return Refusal(409, shown, len(found.collisions) - len(shown), found.number)


def _invalid(request: ConsoleRequest, problems: Iterable[Problem]) -> Refusal:
    own = pending.pending_of(request.user)
    return Refusal(422, mends=tuple(mends(problems, own or pending.committed())))


def _back_url(request: ConsoleRequest) -> str:
    """The page the user came from, if it is one of ours and not this one; else the first page."""
    asked = request.POST.get("back") or request.GET.get("back") or request.headers.get("Referer", "")
    if not is_own(request, asked) or reverse("configuration:uncommitted-changes") in asked:
        return reverse("accounts:home")
    return asked
