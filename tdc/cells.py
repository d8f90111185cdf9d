"""Each policy's choice as a cell of the policies table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from policies.matching import DEFAULT_POLICY_UID
from tdc.choices import Choices


@dataclass(frozen=True, slots=True)
class ChoiceCell:
    """One policy's cell: one click target in one of four states (seg-webui 3.3), plus whether it is pending."""

    uid: UUID
    policy_name: str
    state: str
    text: str
    detail: str
    url: str
    opens_in_place: bool
    is_pending: bool

    @property
    def label(self) -> str:
        return _("Threat Defense Connector of %(name)s") % {"name": self.policy_name}

    @property
    def shows_address(self) -> bool:
        return "@" in self.detail


def choice_cell(
    policy_uid: UUID, policy_name: str, shown: Choices, committed: Choices | None, *, may_change: bool
) -> ChoiceCell:
    """`committed`: what the shown set began from, None where nothing is pending."""
    said = shown.said(policy_uid)
    available = shown.settings.enabled
    state, text, detail = said.words() if available else ("unavailable", _("Not Available"), "")
    form_url = _choice_url_pattern().replace(DEFAULT_POLICY_UID, str(policy_uid)) if may_change else ""
    return ChoiceCell(
        uid=policy_uid,
        policy_name=policy_name,
        state=state,
        text=text,
        detail=detail,
        url=form_url if available else reverse("tdc:settings"),
        opens_in_place=bool(available and form_url),
        is_pending=committed is not None and committed.said(policy_uid) != said,
    )


@cache
def _choice_url_pattern() -> str:
    """The URL of the Default Policy's choice, of which those of a long table's cells are made."""
    return reverse("tdc:policy-choice", args=[DEFAULT_POLICY_UID])
