"""The Threat Defense Connector's settings and, for each policy, whether and where its mail is copied."""

from __future__ import annotations

import uuid
from uuid import UUID

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from policies.matching import DEFAULT_POLICY_UID
from seg_console.config.models import ConfigurationObject

LONGEST_ADDRESS = 254
MOST_MESSAGES_PER_CONNECTION = 1_000


class ConnectorSettings(ConfigurationObject):
    """Security Services > Threat Defense Connector Settings (seg-webui 4). One row in every set."""

    enabled = models.BooleanField(_("Enable Threat Defense Connector"), default=False)
    message_intake_address = models.CharField(_("Message Intake Address"), max_length=LONGEST_ADDRESS, blank=True)
    verify_certificate = models.BooleanField(_("Verify intake certificate"), default=True)
    ca_certificates = models.TextField(_("Additional certificate authorities"), blank=True)
    messages_per_connection = models.PositiveIntegerField(
        _("Messages per connection"),
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_MESSAGES_PER_CONNECTION)],
    )
    add_sender_ip_header = models.BooleanField(_("Add sender-IP header"), default=True)

    class Meta:
        verbose_name = _("Threat Defense Connector Settings")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(fields=["configuration"], name="tdc_connectorsettings_one"),
            models.CheckConstraint(
                condition=Q(enabled=False) | ~Q(message_intake_address=""),
                name="tdc_connectorsettings_enabled_needs_address",
                violation_error_message=_("Give the message intake address, or leave the connector disabled."),
            ),
            models.CheckConstraint(
                condition=Q(messages_per_connection__gte=1, messages_per_connection__lte=MOST_MESSAGES_PER_CONNECTION),
                name="tdc_connectorsettings_messages_per_connection",
            ),
        ]


class Mode(models.TextChoices):
    """What a policy does about the connector (seg-webui 3.9)."""

    USE_DEFAULT = "use_default", _("Use Default Policy settings")
    NO_SCAN = "no_scan", _("No Scan")
    DEFAULT = "default", _("Default Message Intake Address")
    CUSTOM = "custom", _("Custom Message Intake Address")


class PolicyChoice(ConfigurationObject):
    """One policy's choice. A policy without a row uses the Default Policy's; the Default Policy always has a row.

    `uid` follows from `policy_uid`, so that two administrators who choose for one policy change the same object.
    """

    identity = "policy_uid"
    parent_model = "policies.IncomingMailPolicy"
    parent_field = "policy_uid"
    parent_without_row = _("Default Policy")

    policy_uid = models.UUIDField(_("Policy"))
    mode = models.CharField(_("Threat Defense Connector"), max_length=20, choices=Mode)
    address = models.CharField(_("Custom Message Intake Address"), max_length=LONGEST_ADDRESS, blank=True)

    class Meta:
        verbose_name = _("Threat Defense Connector")
        verbose_name_plural = _("Threat Defense Connector")
        constraints = [
            *ConfigurationObject.Meta.constraints,
            models.UniqueConstraint(fields=["configuration", "policy_uid"], name="tdc_policychoice_policy"),
            models.CheckConstraint(condition=Q(mode__in=Mode.values), name="tdc_policychoice_mode"),
            models.CheckConstraint(
                condition=(Q(mode=Mode.CUSTOM) & ~Q(address="")) | (~Q(mode=Mode.CUSTOM) & Q(address="")),
                name="tdc_policychoice_address_with_custom",
                violation_error_message=_("Give an address with the custom choice, and only with it."),
            ),
        ]

    @classmethod
    def build(cls, policy_uid: UUID, *, mode: str, address: str = "") -> PolicyChoice:
        """The unsaved choice of a policy, with the uid that it has in every set."""
        return cls(uid=uuid.uuid5(policy_uid, cls._meta.label), policy_uid=policy_uid, mode=mode, address=address)

    def in_its_absence(self) -> PolicyChoice:
        is_default = self.policy_uid == UUID(DEFAULT_POLICY_UID)
        return self.build(self.policy_uid, mode=Mode.NO_SCAN if is_default else Mode.USE_DEFAULT)

    def display_name(self) -> str:
        return _now("Threat Defense Connector")
