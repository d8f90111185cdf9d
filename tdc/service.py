"""The connector as a service of policies."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from policies.services import Cell, PolicyService
from seg_console.config.document import Document
from seg_console.config.models import Configuration, ConfigurationObject
from tdc.choices import Choices
from tdc.copies import CopyRule
from tdc.document import CONNECTOR, DEFAULT_POLICY_CHOICE, POLICY_CHOICE
from tdc.models import PolicyChoice
from tdc.running import connector


class ConnectorService(PolicyService):
    name = "threat_defense_connector"
    title = _("Threat Defense Connector")
    # The last: it copies what no service before it has found fault with.
    place = 1_000
    urls = "tdc.urls"
    page = "tdc:policy-choice"
    page_for_several = "tdc:change-policies"
    several_label = _("Change Threat Defense Connector of Ticked…")
    sections = (CONNECTOR,)
    keys = (POLICY_CHOICE, DEFAULT_POLICY_CHOICE)

    def cells(
        self, policies: Mapping[UUID, str], shown: Configuration, began: Configuration | None, *, may_change: bool
    ) -> Mapping[UUID, Cell]:
        choices, before = Choices.of(shown), Choices.of(began) if began else None
        return {
            uid: self._cell(uid, policy_name, choices, before, may_change=may_change)
            for uid, policy_name in policies.items()
        }

    def copied(self, configuration: Configuration, *, source: UUID, target: UUID) -> list[ConfigurationObject]:
        chosen = PolicyChoice.objects.filter(configuration=configuration, policy_uid=source)
        return [PolicyChoice.build(target, mode=row.mode, address=row.address) for row in chosen]

    def rule(self, configuration: Document) -> CopyRule:
        return CopyRule(connector(configuration))

    def _cell(self, uid: UUID, policy_name: str, shown: Choices, before: Choices | None, *, may_change: bool) -> Cell:
        said, available = shown.said(uid), shown.settings.enabled
        state, text, detail = said.words() if available else ("unavailable", _now("Not Available"), "")
        form_url = self.page_for(uid) if may_change else ""
        return Cell(
            service=self.name,
            policy_uid=uid,
            label=_now("Threat Defense Connector of %(name)s") % {"name": policy_name},
            state=state,
            text=text,
            detail=detail,
            url=form_url if available else reverse("tdc:settings"),
            opens_in_place=bool(available and form_url),
            is_pending=before is not None and before.said(uid) != said,
        )


CONNECTOR_SERVICE = ConnectorService()
