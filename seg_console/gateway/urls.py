from __future__ import annotations

from django.urls import path

from seg_console.gateway import views

app_name = "recipient-access"
urlpatterns = [
    path("", views.access_list, name="list"),
    path("add/", views.add, name="add"),
    path("<uuid:uid>/", views.edit, name="edit"),
    path("<uuid:uid>/delete/", views.delete, name="delete"),
]
