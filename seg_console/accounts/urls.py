from __future__ import annotations

from django.urls import path

from seg_console.accounts.views import (
    account_settings,
    active_sessions,
    change_passphrase,
    home,
    network_access,
    preferences,
    sign_in,
    submit_again,
    users,
)

app_name = "accounts"
urlpatterns = [
    path("", home.home, name="home"),
    path("sign-in/", sign_in.SignInView.as_view(), name="sign-in"),
    path("sign-out/", sign_in.SignOutView.as_view(), name="sign-out"),
    path("sign-in/language/", sign_in.set_language, name="set-language"),
    path("sign-in/submit-again/", submit_again.submit_again, name="submit-again"),
    path("no-pages/", home.no_pages, name="no-pages"),
    path("options/active-sessions/", active_sessions.active_sessions, name="active-sessions"),
    path("options/active-sessions/<uuid:key>/end/", active_sessions.end_session, name="end-session"),
    path("options/preferences/", preferences.preferences, name="preferences"),
    path("options/preferences/edit/", preferences.edit_preferences, name="edit-preferences"),
    path("system-administration/network-access/", network_access.summary, name="network-access"),
    path("system-administration/network-access/edit/", network_access.edit, name="edit-network-access"),
    path("options/change-passphrase/", change_passphrase.change_passphrase, name="change-passphrase"),
    path("system-administration/users/", users.user_list, name="users"),
    path("system-administration/users/add/", users.add, name="add-user"),
    path("system-administration/users/enforce-passphrase-change/", users.enforce, name="enforce-passphrase-change"),
    path("system-administration/users/<int:pk>/", users.edit, name="edit-user"),
    path("system-administration/users/<int:pk>/delete/", users.delete, name="delete-user"),
    path("system-administration/users/<int:pk>/lock/", users.lock, name="lock-user"),
    path("system-administration/users/<int:pk>/unlock/", users.unlock, name="unlock-user"),
    path("system-administration/account-settings/", account_settings.settings_page, name="account-settings"),
    path(
        "system-administration/account-settings/edit/",
        account_settings.edit_settings,
        name="edit-account-settings",
    ),
]
