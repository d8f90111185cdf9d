from __future__ import annotations

from django.urls import path

from seg_console.config import views

app_name = "configuration"
urlpatterns = [
    path("uncommitted-changes/", views.uncommitted_changes, name="uncommitted-changes"),
    path("uncommitted-changes/commit/", views.commit, name="commit"),
    path("uncommitted-changes/abandon/", views.abandon, name="abandon"),
    path("system-administration/configuration-file/", views.file, name="file"),
    path("system-administration/configuration-file/load/", views.file_load, name="file-load"),
    path("system-administration/configuration-file/download/", views.file_download, name="file-download"),
    path("system-administration/configuration-history/", views.history, name="history"),
    path("system-administration/configuration-history/<int:number>/roll-back/", views.roll_back, name="roll-back"),
]
