from __future__ import annotations

from django.urls import path

from seg_console.accounts import views

app_name = "accounts"
urlpatterns = [
    path("", views.home, name="home"),
    path("sign-in/", views.SignInView.as_view(), name="sign-in"),
    path("sign-out/", views.SignOutView.as_view(), name="sign-out"),
    path("no-pages/", views.no_pages, name="no-pages"),
]
