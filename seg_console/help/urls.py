from __future__ import annotations

from django.urls import path

from seg_console.help import views

app_name = "help"
urlpatterns = [
    path("", views.contents, name="contents"),
    path("search/", views.find, name="search"),
    path("about/", views.about, name="about"),
    path("<slug:slug>/", views.page, name="page"),
]
