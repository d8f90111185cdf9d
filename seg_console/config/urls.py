from __future__ import annotations

from django.urls import path

from seg_console.config.views import file, general, history, uncommitted

app_name = "configuration"
urlpatterns = [
    path("uncommitted-changes/", uncommitted.show, name="uncommitted-changes"),
    path("uncommitted-changes/commit/", uncommitted.commit, name="commit"),
    path("uncommitted-changes/abandon/", uncommitted.abandon, name="abandon"),
    path("system-administration/configuration-file/", file.show, name="file"),
    path("system-administration/configuration-file/load/", file.load, name="file-load"),
    path("system-administration/configuration-file/download/", file.download, name="file-download"),
    path("system-administration/configuration-file/reset/", file.reset, name="reset"),
    path("system-administration/configuration-history/", history.show, name="history"),
    path("system-administration/configuration-history/compare/", history.compare_two, name="history-compare"),
    path(
        "system-administration/configuration-history/<int:number>/changes/",
        history.own_changes,
        name="history-changes",
    ),
    path("system-administration/configuration-history/<int:number>/export/", history.export, name="history-export"),
    path("system-administration/configuration-history/<int:number>/roll-back/", history.roll_back, name="roll-back"),
    path("system-administration/general-settings/", general.show, name="general-settings"),
    path("system-administration/general-settings/edit/", general.edit, name="edit-general-settings"),
]
