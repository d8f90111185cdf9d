"""What is kept for somebody whose session ended meanwhile, and sent again by a click of theirs."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django_htmx.http import reswap, retarget

from seg_console.accounts import carried
from seg_console.accounts.ended import ended_session
from seg_console.accounts.forms.sign_in import SignInForm
from seg_console.accounts.models import User
from seg_console.accounts.views.sent_fields import labels, shown_fields
from seg_console.accounts.views.sign_in import CARRIED, page_of, to_sign_in
from seg_console.ui.navigation import title_of
from seg_console.ui.requests import ConsoleRequest

# Nobody means to log out a second time.
NEVER_CARRIED = frozenset({"accounts:sign-out"})


def session_ended(request: HttpRequest) -> HttpResponseBase:
    """Answers a form that somebody sent who is not signed in (any more): it is kept where it is known whose it was.

    Nothing of it was done. It waits in the sign-in page, and is sent again only by a click of the same user.
    """
    ended = ended_session(request)
    back = page_of(request)
    match = request.resolver_match
    user = User.objects.filter(pk=ended.user_pk).first() if ended and ended.user_pk else None
    if ended is None or user is None or (match and match.view_name in NEVER_CARRIED):
        return to_sign_in(request, back)
    kept = carried.carried_from(request, str(user.pk))
    may_keep = kept.is_worth_it and not kept.is_too_large
    context = {
        "ended": ended.sentence,
        "form": SignInForm(request, initial={"username": user.username}),
        "next": back,
        "carried": carried.seal(kept) if may_keep else "",
        "is_too_large": kept.is_too_large,
        "left_out": labels(kept.url, kept.left_out),
    }
    response = render(request, "accounts/session_ended.html", context, status=422)
    # htmx wanted a region, and gets the whole page.
    return reswap(retarget(response, "body"), "innerHTML") if cast(ConsoleRequest, request).htmx else response


@require_http_methods(["GET", "HEAD", "POST"])
def submit_again(request: HttpRequest) -> HttpResponseBase:
    """Shows the form that waited for its user; a POST sends it where it was going, once, or drops it."""
    text = request.session.get(CARRIED, "")
    kept = carried.unseal(text) if text else None
    if kept is None or kept.user_pk != str(request.user.pk):
        return redirect("accounts:home")
    if request.method != "POST":
        context = {
            "page_title": title_of(kept.url),
            "shown": shown_fields(kept.url, kept.fields),
            "fields": kept.fields,
            "left_out": labels(kept.url, kept.left_out),
        }
        return render(request, "accounts/submit_again.html", context)
    del request.session[CARRIED]
    if "drop_what_was_kept" in request.POST:
        messages.info(request, _("What you had typed has been dropped. Nothing was changed."))
        return redirect("accounts:home")
    # 307: the browser sends this same body, with its fresh token, to the address the form had.
    return HttpResponseRedirect(kept.url, preserve_request=True)
