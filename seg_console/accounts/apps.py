from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "seg_console.accounts"
    label = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        # Models, and so whatever needs them, can be imported only now that the apps are loaded.
        from seg_console.accounts import document

        document.register()
