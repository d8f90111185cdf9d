from __future__ import annotations

from django.urls import path

from seg_console.audit.views import audit_log

app_name = "audit-log"
urlpatterns = [
    path("", audit_log.search, name="search"),
    path("export/", audit_log.export, name="export"),
]
