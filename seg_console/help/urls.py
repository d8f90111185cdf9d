from __future__ import annotations

from django.urls import path

from seg_console.help.views import about, contents, page, search

app_name = "help"
urlpatterns = [
    path("", contents.contents, name="contents"),
    path("search/", search.find, name="search"),
    path("about/", about.about, name="about"),
    path("<slug:slug>/", page.page, name="page"),
]
