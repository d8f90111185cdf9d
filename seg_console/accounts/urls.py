from __future__ import annotations

from django.urls import path

from seg_console.accounts import (
    account_settings_views,
    network_access_views,
    options_views,
    passphrase_views,
    user_views,
    views,
)

app_name = "accounts"
urlpatterns = [
    path("", views.home, name="home"),
    path("sign-in/", views.SignInView.as_view(), name="sign-in"),
    path("sign-out/", views.SignOutView.as_view(), name="sign-out"),
    path("sign-in/language/", views.set_language, name="set-language"),
    path("sign-in/submit-again/", views.submit_again, name="submit-again"),
    path("no-pages/", views.no_pages, name="no-pages"),
    path("options/active-sessions/", options_views.active_sessions, name="active-sessions"),
    path("options/active-sessions/<uuid:key>/end/", options_views.end_session, name="end-session"),
    path("options/preferences/", options_views.preferences, name="preferences"),
    path("options/preferences/edit/", options_views.edit_preferences, name="edit-preferences"),
    path("system-administration/network-access/", network_access_views.summary, name="network-access"),
    path("system-administration/network-access/edit/", network_access_views.edit, name="edit-network-access"),
    path("options/change-passphrase/", passphrase_views.change_passphrase, name="change-passphrase"),
    path("system-administration/users/", user_views.user_list, name="users"),
    path("system-administration/users/add/", user_views.add, name="add-user"),
    path(
        "system-administration/users/enforce-passphrase-change/", user_views.enforce, name="enforce-passphrase-change"
    ),
    path("system-administration/users/<int:pk>/", user_views.edit, name="edit-user"),
    path("system-administration/users/<int:pk>/delete/", user_views.delete, name="delete-user"),
    path("system-administration/users/<int:pk>/lock/", user_views.lock, name="lock-user"),
    path("system-administration/users/<int:pk>/unlock/", user_views.unlock, name="unlock-user"),
    path("system-administration/account-settings/", account_settings_views.settings_page, name="account-settings"),
    path(
        "system-administration/account-settings/edit/",
        account_settings_views.edit_settings,
        name="edit-account-settings",
    ),
]
