"""What a set, pending or committed, says of the connector: each policy's choice, in words, and what a change makes of
several. Knows no request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from policies.table import DEFAULT_UID, taking_any_recipient
from seg_console.config.models import Configuration
from seg_console.mail.addresses import readable
from tdc.document import CONNECTOR
from tdc.models import ConnectorSettings, Mode, PolicyChoice


class Said(NamedTuple):
    """A policy's choice: its mode, and the address that goes with Custom, else ""."""

    mode: str
    address: str = ""

    def words(self) -> tuple[str, str, str]:
        """The state as a cell is marked (seg-webui 3.3), what it says, and the line under that, "" for none."""
        if self.mode == Mode.USE_DEFAULT:
            return "inherited", _("(use default)"), ""
        if self.mode == Mode.NO_SCAN:
            return "off", _("Disabled"), ""
        return "on", _("Enabled"), self.address if self.mode == Mode.CUSTOM else _("Default address")

    def on_one_line(self) -> str:
        """`Enabled, id@intake.example`."""
        _state, text, detail = self.words()
        return f"{text}, {readable(detail)}" if detail else text

    def row(self, policy_uid: UUID) -> PolicyChoice:
        """This choice, unsaved, as that of a policy."""
        return PolicyChoice.build(policy_uid, mode=self.mode, address=self.address)


@dataclass(frozen=True, slots=True)
class Use:
    """Where the copies of one policy's mail go while the service is on, and why. `goes`: default, custom, none."""

    policy_name: str
    goes: str
    address: str
    inherits: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """What a set says of the connector: its settings, and the choice of each policy that has one."""

    settings: ConnectorSettings
    by_policy: Mapping[UUID, PolicyChoice]

    @classmethod
    def of(cls, configuration: Configuration) -> Choices:
        """Two queries."""
        rows = PolicyChoice.objects.filter(configuration=configuration)
        return cls(connector_settings(configuration), {row.policy_uid: row for row in rows})

    def said(self, policy_uid: UUID) -> Said:
        """One without a row inherits."""
        row = self.by_policy.get(policy_uid)
        if row is None:
            return Said(Mode.NO_SCAN if policy_uid == DEFAULT_UID else Mode.USE_DEFAULT)
        return Said(row.mode, row.address)

    def use(self, policy_uid: UUID, name: str) -> Use:
        said = self.said(policy_uid)
        inherits = said.mode == Mode.USE_DEFAULT
        if inherits:
            said = self.said(DEFAULT_UID)
        if not self.settings.enabled or said.mode == Mode.NO_SCAN:
            return Use(name, "none", "", inherits)
        if said.mode == Mode.CUSTOM:
            return Use(name, "custom", said.address, inherits)
        return Use(name, "default", self.settings.message_intake_address, inherits)

    def of_service(self) -> dict[str, Any]:
        """What a page with a choice says of the service itself."""
        return {
            "service_enabled": self.settings.enabled,
            "default_address": self.settings.message_intake_address,
            "inherited": self.said(DEFAULT_UID).on_one_line(),
        }


@dataclass(frozen=True, slots=True)
class Previewed:
    """What the change of several policies makes of one of them."""

    name: str
    old: str
    new: str
    is_changed: bool


def connector_settings(configuration: Configuration) -> ConnectorSettings:
    found = ConnectorSettings.objects.filter(configuration=configuration).first()
    return found or ConnectorSettings(uid=CONNECTOR.fixed_uid)


def preview(choices: Choices, policies: Mapping[UUID, str], new: Said) -> list[Previewed]:
    """What `new` makes of these policies, names by uid."""
    return [
        Previewed(name, choices.said(uid).on_one_line(), new.on_one_line(), choices.said(uid) != new)
        for uid, name in policies.items()
    ]


def changes(choices: Choices, policies: Sequence[UUID], new: Said) -> list[PolicyChoice]:
    """The unsaved rows by which these policies choose `new`; none for a policy that has this choice already."""
    return [new.row(uid) for uid in policies if choices.said(uid) != new]


def warning(configuration: Configuration, policies: Mapping[UUID, str], new: Said) -> str:
    """That with `new` the copies of some of these policies (names by uid) go to an address of their own whatever their
    domain, because they match every recipient; "" where that is not so. At most one query."""
    wide = taking_any_recipient(configuration, policies) if new.mode == Mode.CUSTOM else []
    if not wide:
        return ""
    sentence = ngettext(
        "Policy %(names)s matches every recipient: its copies go to %(address)s whatever the domain. "
        "Check that its conditions catch the domains that belong to that account.",
        "Policies %(names)s match every recipient: their copies go to %(address)s whatever the domain. "
        "Check that their conditions catch the domains that belong to that account.",
        len(wide),
    )
    quoted = [_("“%(name)s”") % {"name": policies[uid]} for uid in wide]
    return sentence % {"names": get_text_list(quoted, _("and")), "address": readable(new.address)}
