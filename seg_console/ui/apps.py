from __future__ import annotations

from django.apps import AppConfig


class UiConfig(AppConfig):
    name = "seg_console.ui"
    label = "ui"
