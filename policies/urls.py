from __future__ import annotations

from django.urls import path

from policies.views import copying, deleting, editing, explaining, listing, lists, settings

app_name = "policies"
urlpatterns = [
    path("", listing.policy_list, name="list"),
    path("add/", editing.add, name="add"),
    path("order/", editing.order, name="order"),
    path("preview/", editing.preview, name="preview"),
    path("explain/", explaining.explain_match, name="explain"),
    path("<uuid:uid>/", editing.edit, name="edit"),
    path("<uuid:uid>/copy/", copying.copy, name="copy"),
    path("<uuid:uid>/delete/", deleting.delete, name="delete"),
]
address_lists = [
    path("", lists.address_lists, name="list"),
    path("add/", lists.add_list, name="add"),
    path("<uuid:uid>/", lists.edit_list, name="edit"),
    path("<uuid:uid>/delete/", lists.delete_list, name="delete"),
]
mail_policy_settings = [
    path("", settings.settings_page, name="view"),
    path("edit/", settings.edit_settings, name="edit"),
]
