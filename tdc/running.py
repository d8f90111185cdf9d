"""The connector of the running configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from seg_console.config import registry
from seg_console.config.document import Document
from tdc.document import CONNECTOR, DEFAULT_POLICY_CHOICE, POLICY_CHOICE, Choice


class Reason(StrEnum):
    """Why mail of a policy is copied to where it is, or not at all."""

    OFF = "off"  # the service is not enabled
    NO_SCAN = "no_scan"
    NO_ADDRESS = "no_address"  # the default address is asked for, and there is none
    DEFAULT = "default"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Connector:
    """The connector's settings, and for each policy where its copies go.

    `default_address` is "" if none is set; `verify` whether the intake's certificate is checked; `ca` the PEM text of
    authorities trusted besides the system's. `addresses` holds, by policy uid, the policies' own resolved addresses,
    `modes` what they say; a policy that inherits is in neither.
    """

    enabled: bool = False
    default_address: str = ""
    verify: bool = True
    ca: str = ""
    messages_per_connection: int = 10
    add_sender_ip_header: bool = True
    addresses: Mapping[str, str | None] = field(default_factory=dict)
    default_policy_address: str | None = None
    modes: Mapping[str, str] = field(default_factory=dict)
    default_policy_mode: str = "no_scan"

    def choice_for(self, policy_uid: str) -> str | None:
        """The intake address for mail of this policy as it is now, or None if its mail is not copied.

        None for every policy while the service is off. The Default Policy's answer for a policy that inherits.
        """
        if not self.enabled:
            return None
        return self.addresses.get(policy_uid, self.default_policy_address)

    def inherits(self, policy_uid: str) -> bool:
        """Whether the Default Policy answers for this policy."""
        return policy_uid not in self.modes

    def reason_for(self, policy_uid: str) -> Reason:
        """Why `choice_for` answers as it does."""
        if not self.enabled:
            return Reason.OFF
        mode = self.modes.get(policy_uid, self.default_policy_mode)
        if mode == "default" and not self.default_address:
            return Reason.NO_ADDRESS
        return Reason(mode)


def connector(configuration: Document) -> Connector:
    """The frozen connector of a whole set."""
    settings = configuration[CONNECTOR]
    default = settings.message_intake_address or None
    own = _choices(configuration, "incoming_mail_policies", POLICY_CHOICE)
    of_default = _choices(configuration, "default_policy", DEFAULT_POLICY_CHOICE)
    said = {uid: choice for uid, choice in (own | of_default).items() if choice.mode != "use_default"}
    return Connector(
        enabled=settings.enabled,
        default_address=settings.message_intake_address,
        verify=settings.verify_certificate,
        ca=settings.ca_certificates,
        messages_per_connection=settings.messages_per_connection,
        add_sender_ip_header=settings.add_sender_ip_header,
        addresses={uid: _address(choice, default) for uid, choice in said.items()},
        default_policy_address=next((_address(choice, default) for choice in of_default.values()), None),
        modes={uid: choice.mode for uid, choice in said.items()},
        default_policy_mode=next((choice.mode for choice in of_default.values()), "no_scan"),
    )


def _choices(configuration: Document, key: str, extension: registry.Extension[Choice]) -> dict[str, Choice]:
    section = registry.section(key)
    value = configuration[section]
    items = value if section.many else (value,)
    return {uid: extension.of(item) for uid, item in zip(configuration.uids(key), items, strict=True)}


def _address(choice: Choice, default: str | None) -> str | None:
    if choice.mode == "custom":
        return choice.address
    return default if choice.mode == "default" else None
