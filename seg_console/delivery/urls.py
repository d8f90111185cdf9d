from __future__ import annotations

from django.urls import path

from seg_console.delivery.views import bounces, controls, dns, routes

app_name = "smtp-routes"
urlpatterns = [
    path("", routes.route_list, name="list"),
    path("add/", routes.add, name="add"),
    path("clear/", routes.clear, name="clear"),
    path("export/", routes.export_table, name="export"),
    path("import/", routes.import_table, name="import"),
    path("<uuid:uid>/", routes.edit, name="edit"),
    path("<uuid:uid>/delete/", routes.delete, name="delete"),
]

destination_controls = [
    path("", controls.show, name="list"),
    path("add/", controls.add, name="add"),
    path("default/", controls.edit_default, name="edit-default"),
    path("export/", controls.export_table, name="export"),
    path("import/", controls.import_table, name="import"),
    path("global-settings/", controls.edit_global_settings, name="edit-global-settings"),
    path("<uuid:uid>/", controls.edit, name="edit"),
    path("<uuid:uid>/delete/", controls.delete, name="delete"),
]

bounce_profiles = [
    path("", bounces.show, name="list"),
    path("add/", bounces.add, name="add"),
    path("default/", bounces.edit_default, name="edit-default"),
    path("<uuid:uid>/", bounces.edit, name="edit"),
    path("<uuid:uid>/delete/", bounces.delete, name="delete"),
]

dns_settings = [
    path("", dns.show, name="settings"),
    path("edit/", dns.edit, name="edit-settings"),
]
