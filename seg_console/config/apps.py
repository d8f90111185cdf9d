from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ConfigConfig(AppConfig):
    name = "seg_console.config"
    label = "config"
    verbose_name = _("configuration")

    def ready(self) -> None:
        # Models, and so whatever needs them, can be imported only now that the apps are loaded.
        from seg_console.config import general

        general.register()
