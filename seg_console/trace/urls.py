from __future__ import annotations

from django.urls import path

from seg_console.trace import views

app_name = "trace"
urlpatterns = [
    path("", views.trace_page, name="run"),
]
