from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TdcConfig(AppConfig):
    name = "tdc"
    verbose_name = _("Threat Defense Connector")

    def ready(self) -> None:
        # Models, and so whatever needs them, can be imported only now that the apps are loaded.
        from policies import services
        from seg_console.delivery import kinds
        from tdc.kind import ConnectorKind
        from tdc.service import CONNECTOR_SERVICE

        services.register(CONNECTOR_SERVICE)
        kinds.register(ConnectorKind())
