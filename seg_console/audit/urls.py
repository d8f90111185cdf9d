from __future__ import annotations

from django.urls import path

from seg_console.audit import views

app_name = "audit-log"
urlpatterns = [
    path("", views.search, name="search"),
    path("export/", views.export, name="export"),
]
