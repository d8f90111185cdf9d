from __future__ import annotations

from django.urls import path

from tests.drop_box import views

app_name = "drop-box"
urlpatterns = [path("mail-policies/incoming/<uuid:uid>/drop-box/", views.switch, name="switch")]
