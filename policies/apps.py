from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PoliciesConfig(AppConfig):
    name = "policies"
    verbose_name = _("incoming mail policies")

    def ready(self) -> None:
        # Models, and so whatever needs them, can be imported only now that the apps are loaded.
        from policies import document

        document.register()
