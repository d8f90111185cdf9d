from __future__ import annotations

from django.urls import path

from tdc import views
from tdc.test_connection import views as test_connection

app_name = "tdc"
urlpatterns = [
    path("security-services/threat-defense-connector/", views.settings_page, name="settings"),
    path("security-services/threat-defense-connector/edit/", views.edit_settings, name="edit-settings"),
    path("security-services/threat-defense-connector/test/", test_connection.start, name="test-connection"),
    path(
        "security-services/threat-defense-connector/test/<uuid:key>/", test_connection.progress, name="connection-test"
    ),
    path("mail-policies/incoming/threat-defense-connector/", views.change_policies, name="change-policies"),
    path("mail-policies/incoming/<uuid:uid>/threat-defense-connector/", views.policy_choice, name="policy-choice"),
]
