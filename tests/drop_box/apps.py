from __future__ import annotations

from django.apps import AppConfig


class DropBoxConfig(AppConfig):
    name = "tests.drop_box"
    label = "drop_box"

    def ready(self) -> None:
        from policies import services
        from tests.drop_box.service import DROP_BOX

        services.register(DROP_BOX)
