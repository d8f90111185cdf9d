from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GatewayConfig(AppConfig):
    name = "seg_console.gateway"
    label = "gateway"
    verbose_name = _("gateway")

    def ready(self) -> None:
        # Models, and so whatever needs them, can be imported only now that the apps are loaded.
        from seg_console.certificates.uses import named_by
        from seg_console.gateway import document

        document.register()
        named_by(document.LISTENER, label=_("Listener"), view="listeners:show", place=10, or_own=True)
