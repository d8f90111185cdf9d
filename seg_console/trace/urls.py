from __future__ import annotations

from django.urls import path

from seg_console.trace.views import trace

app_name = "trace"
urlpatterns = [
    path("", trace.trace_page, name="run"),
]
