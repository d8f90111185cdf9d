from __future__ import annotations

from django.urls import path

from tdc.test_connection import views as test_connection
from tdc.views import choice, settings, several

app_name = "tdc"
urlpatterns = [
    path("security-services/threat-defense-connector/", settings.settings_page, name="settings"),
    path("security-services/threat-defense-connector/edit/", settings.edit_settings, name="edit-settings"),
    path("security-services/threat-defense-connector/test/", test_connection.start, name="test-connection"),
    path(
        "security-services/threat-defense-connector/test/<uuid:key>/", test_connection.progress, name="connection-test"
    ),
    path("mail-policies/incoming/threat-defense-connector/", several.change_policies, name="change-policies"),
    path("mail-policies/incoming/<uuid:uid>/threat-defense-connector/", choice.policy_choice, name="policy-choice"),
]
