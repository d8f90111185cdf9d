from __future__ import annotations

from django.urls import path

from policies import views

app_name = "policies"
urlpatterns = [
    path("", views.policy_list, name="list"),
    path("add/", views.add, name="add"),
    path("order/", views.order, name="order"),
    path("<uuid:uid>/", views.edit, name="edit"),
    path("<uuid:uid>/delete/", views.delete, name="delete"),
]
