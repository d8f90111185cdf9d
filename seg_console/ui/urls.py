from __future__ import annotations

from django.urls import path

from seg_console.ui import views

app_name = "ui"
urlpatterns = [path("help/", views.help_page, name="help")]
