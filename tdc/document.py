"""The section `threat_defense_connector`, and the key of that name in every policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from django.utils.translation import gettext as _
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from seg_console.certificates.pem import LONGEST_AUTHORITIES, check_authorities
from seg_console.config.models import ConfigurationObject
from seg_console.config.registry import Extension, MendedAt, ObjectSection, Plain, Shape
from seg_console.config.rows import Rows
from seg_console.mail.addresses import check_address
from tdc.models import MOST_MESSAGES_PER_CONNECTION, ConnectorSettings, PolicyChoice


class Connector(Shape):
    enabled: bool = False
    message_intake_address: str = Field(default="", validate_default=True)
    verify_certificate: bool = True
    ca_certificates: Annotated[str, Field(max_length=LONGEST_AUTHORITIES), AfterValidator(check_authorities)] = ""
    messages_per_connection: Annotated[int, Field(ge=1, le=MOST_MESSAGES_PER_CONNECTION)] = 10
    add_sender_ip_header: bool = True

    @field_validator("message_intake_address")
    @classmethod
    def _address(cls, address: str, info: ValidationInfo) -> str:
        if address:
            return check_address(address)
        if info.data.get("enabled"):
            raise ValueError(_("give the message intake address, or leave the connector disabled."))
        return address


class Choice(Shape):
    """The key in a policy; `mode` stands for itself in the Default Policy, which has nothing to inherit."""

    mode: Literal["use_default", "no_scan", "default", "custom"] = "use_default"
    address: str = Field(default="", validate_default=True)

    @field_validator("address")
    @classmethod
    def _address(cls, address: str, info: ValidationInfo) -> str:
        mode = info.data.get("mode")
        if mode == "custom":
            return check_address(address)
        if mode and address:
            raise ValueError(_("leave the address out, or give the mode custom."))
        return address


class DefaultChoice(Choice):
    mode: Literal["no_scan", "default", "custom"] = "no_scan"


class PolicyKey(Extension[Choice]):
    """`threat_defense_connector` in each object of a section of policies."""

    key = "threat_defense_connector"
    model = PolicyChoice
    mended_at = MendedAt("policies:list", "tdc:policy-choice")

    def __init__(self, section: str, shape: type[Choice]) -> None:
        self.section, self.shape = section, shape

    def dump(self, rows: Rows) -> Mapping[UUID, Plain]:
        return {row.policy_uid: {"mode": row.mode, "address": row.address} for row in rows.of(PolicyChoice)}

    def load(self, values: Sequence[tuple[UUID, Choice]], known: Rows) -> list[ConfigurationObject]:
        # A policy that inherits needs no row; one that it has already stays, so that sets that say the same are equal.
        kept = {row.policy_uid for row in known.of(PolicyChoice)}
        return [
            PolicyChoice.build(policy_uid, mode=choice.mode, address=choice.address)
            for policy_uid, choice in values
            if choice.mode != "use_default" or policy_uid in kept
        ]


CONNECTOR = ObjectSection(
    "threat_defense_connector", Connector, ConnectorSettings, place=10, mended_at=MendedAt("tdc:edit-settings")
)
POLICY_CHOICE: Extension[Any] = PolicyKey("incoming_mail_policies", Choice)
DEFAULT_POLICY_CHOICE: Extension[Any] = PolicyKey("default_policy", DefaultChoice)
