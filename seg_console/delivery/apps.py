from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DeliveryConfig(AppConfig):
    name = "seg_console.delivery"
    label = "delivery"
    verbose_name = _("delivery")

    def ready(self) -> None:
        # Models, and so whatever needs them, can be imported only now that the apps are loaded.
        from seg_console.certificates.uses import named_by
        from seg_console.delivery import document, kinds
        from seg_console.delivery.ordinary import OrdinaryKind

        document.register()
        settings = document.DESTINATION_CONTROL_SETTINGS
        named_by(settings, label=_("Destination Controls"), view="destination-controls:list", place=20)
        kinds.register(OrdinaryKind())
