"""Which policy takes a message, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from policies import sentences
from policies.forms import ExplainForm
from policies.matching import Explanation as Found
from policies.matching import MemberMiss, explain
from policies.table import Table, lists_of, mail_policy_settings
from seg_console.config import pending
from seg_console.privileges import Privilege
from seg_console.ui.access import requires
from seg_console.ui.labels import labelled_by
from seg_console.ui.partials import page_or_partial
from seg_console.ui.requests import ConsoleRequest


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one policy before the winner was passed: a sentence for each of its rows of users."""

    policy_name: str
    uid: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of one recipient, in words."""

    recipient: str
    policy_name: str
    uid: str
    is_default: bool
    why: str
    passed_by: tuple[Reason, ...]


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Privilege.VIEW_CONFIGURATION)
@labelled_by(ExplainForm)
def explain_match(request: ConsoleRequest) -> HttpResponse:
    """Which policy takes each recipient of a message, and why each one before it was passed. A POST asks and changes
    nothing: fifty recipients do not fit into an address."""
    shown = pending.shown_to(request.user)
    form = ExplainForm(request.POST) if request.method == "POST" else ExplainForm()
    settings = mail_policy_settings(shown)
    explained: list[Explanation] = []
    if form.is_bound and form.is_valid():
        table = Table.of(shown).matching(lists_of(shown), settings)
        found = explain(table, form.senders(), form.cleaned_data["recipients"])
        explained = [_in_words(one) for one in found]
    context = {
        "form": form,
        "explained": explained,
        "parts": len({one.uid for one in explained}),
        "is_pending_set": shown.number is None,
        "priorities": settings.display("sender_headers"),
    }
    return page_or_partial(request, "policies/explain.html", "ask", context, status=422 if form.errors else 200)


def _in_words(found: Found) -> Explanation:
    is_default = not found.number
    return Explanation(
        recipient=found.recipient,
        policy_name=_("Default Policy") if is_default else found.policy.name,
        uid=found.policy.uid,
        is_default=is_default,
        why=sentences.winner(found),
        passed_by=tuple(
            Reason(passed.policy.name, passed.policy.uid, _reasons(passed.misses)) for passed in found.passed_by
        ),
    )


def _reasons(misses: Sequence[MemberMiss]) -> tuple[str, ...]:
    """The sentences of a policy's rows of users; those that say the same once."""
    return tuple(dict.fromkeys(sentences.reason(miss) for miss in misses))
