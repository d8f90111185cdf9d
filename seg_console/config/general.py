"""The section `general_settings`: rules about the configuration itself."""

from __future__ import annotations

from seg_console.config import registry
from seg_console.config.models import Configuration, GeneralSettings
from seg_console.config.registry import MendedAt, ObjectSection, Shape


class General(Shape):
    comment_required: bool = False


GENERAL_SETTINGS = ObjectSection(
    "general_settings", General, GeneralSettings, place=120, mended_at=MendedAt("configuration:edit-general-settings")
)


def general_settings(configuration: Configuration) -> GeneralSettings:
    """The row of a set; the initial values in a set that is older than the model. One query."""
    found = GeneralSettings.objects.filter(configuration=configuration).first()
    return found or GeneralSettings(uid=GENERAL_SETTINGS.fixed_uid)


def register() -> None:
    """Make the section known; called once, when the app is ready."""
    registry.register(GENERAL_SETTINGS)
