from __future__ import annotations

import uuid
from uuid import UUID

from django.db import models

from seg_console.config.models import ConfigurationObject


class PolicySwitch(ConfigurationObject):
    """A policy without a row has it off."""

    identity = "policy_uid"
    parent_model = "policies.IncomingMailPolicy"
    parent_field = "policy_uid"
    parent_without_row = "Default Policy"

    policy_uid = models.UUIDField()
    on = models.BooleanField()

    class Meta:
        app_label = "drop_box"
        verbose_name = "Drop Box"

    @classmethod
    def build(cls, policy_uid: UUID, *, on: bool) -> PolicySwitch:
        return cls(uid=uuid.uuid5(policy_uid, "drop box"), policy_uid=policy_uid, on=on)

    def display_name(self) -> str:
        return "Drop Box"
