from __future__ import annotations

from django.urls import path

from tdc import views

app_name = "tdc"
urlpatterns = [
    path("security-services/threat-defense-connector/", views.settings_page, name="settings"),
    path("security-services/threat-defense-connector/edit/", views.edit_settings, name="edit-settings"),
    path("mail-policies/incoming/threat-defense-connector/", views.change_policies, name="change-policies"),
    path("mail-policies/incoming/<uuid:uid>/threat-defense-connector/", views.policy_choice, name="policy-choice"),
]
