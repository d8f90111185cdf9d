from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CertificatesConfig(AppConfig):
    name = "seg_console.certificates"
    label = "certificates"
    verbose_name = _("Certificates")

    def ready(self) -> None:
        # Models, and so whatever needs them, can be imported only now that the apps are loaded.
        from seg_console.certificates import document

        document.register()
