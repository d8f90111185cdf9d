from __future__ import annotations

from django.urls import path

from seg_console.monitor import tracking

app_name = "monitor"
urlpatterns = [
    path("message-tracking/", tracking.search, name="message-tracking"),
    path("message-tracking/export/", tracking.export, name="message-tracking-export"),
    path("message-tracking/<int:mid>/", tracking.details, name="message-tracking-details"),
]
